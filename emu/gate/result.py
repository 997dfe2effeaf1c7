"""CaseResult: all that was measured of one case."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from emu.compare import Difference, LayerReport
from emu.evaluate import ClassifyResult, EvalResult
from emu.gate.statistics import PairedChange, paired_change
from emu.gate.subset import Choice, Samples
from emu.gate.suite import Case
from emu.gate.tensors import KeptTensor
from emu.gate.visuals import Visuals

# Names of samples, and whether FP32 and the program are right.
Rows = tuple[tuple[str, ...], Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseResult:
    """What was measured of a case.

    Fields:
        case: as the suite says it.
        data, calibration: references after the defaults of the model's entry.
        target: that the program is for; None for one that needs none.
        fp32, quantized: of the float model and of the integer program.
        layers: every layer against golden FP32, cumulative and isolated.
        tensors: some integers of every layer; none where the digest was known.
        against: engine -> what a limit on LSBs compares with it, tensor by tensor.
        time_ratios: engine -> times as long as in it; only where a limit asks.
        (`calibration`, `fp32` and `layers` are None for a model that is quantized
        already.)
        digest: sha256 of the integer outputs over the first 64 rows.
        versions: of emu and what it stands on; for information.
        seconds: of wall-clock time.
        visuals: what a page draws of it; None unless that was asked for.
    """

    case: Case
    data: str
    calibration: str | None
    target: str | None
    fp32: EvalResult | None
    quantized: EvalResult
    layers: LayerReport | None
    digest: str
    versions: dict[str, str]
    seconds: float
    tensors: tuple[KeptTensor, ...] = ()
    against: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)
    time_ratios: Mapping[str, float] = field(default_factory=dict)
    visuals: Visuals | None = None

    @property
    def rows(self) -> Rows | None:
        """Names, and whether FP32 and the program are right; None without classes."""
        fp32, quantized = self.fp32, self.quantized
        if isinstance(fp32, ClassifyResult) and isinstance(quantized, ClassifyResult):
            labels = fp32.labels
            right = (fp32.predictions == labels, quantized.predictions == labels)
            return quantized.ids, *right
        return None

    @property
    def beside_fp32(self) -> PairedChange | None:
        """What the program wins and loses beside FP32; None without classes."""
        return None if self.rows is None else paired_change(*self.rows)

    @property
    def identity(self) -> dict[str, str | None]:
        """What was asked for: model, data, calibration, target, recipe, samples."""
        chosen = self.case.samples
        part = {} if chosen is None else {"samples": _said(chosen)}
        return {
            **part,
            "model": self.case.model,
            "data": self.data,
            "calibration": self.calibration,
            "target": self.target,
            "recipe": self.case.recipe,
        }


def _said(samples: Samples) -> str:
    """A part of the data as a suite says it, as JSON."""
    said = samples.model_dump() if isinstance(samples, Choice) else samples
    return json.dumps(said)
