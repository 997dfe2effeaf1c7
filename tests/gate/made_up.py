"""Outcomes of a gate run of made-up figures, so that nothing has to be measured."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emu.compare import LayerReport, Mode
from emu.errors import DataError
from emu.evaluate import ClassifyResult
from emu.gate import Case, CaseOutcome, CaseResult, GateResult, Kind, Outcome, Verdict

LAYERS = ("conv", "relu", "fc")


def classified(predictions: Sequence[int], labels: Sequence[int]) -> ClassifyResult:
    return ClassifyResult(
        ids=tuple(f"image-{i}" for i in range(len(labels))),
        labels=np.array(labels, np.int64),
        predictions=np.array(predictions, np.int64),
        top5_hits=np.ones(len(labels), bool),
    )


def layers(sqnr_db: Sequence[float]) -> LayerReport:
    rows = [
        {
            "name": name,
            "op": "Conv2d",
            "sqnr_db": value,
            "cosine": 1 - 10 ** (-value / 10),
            "mse": 1e-4,
            "max_lsb": 2.5,
            "mean_error": -1e-3,
            "differing": 4,
            "elements": 100,
            "saturated": 0.01,
            "acc_bits": 19,
            "acc_overflows": 0,
        }
        for name, value in zip(LAYERS, sqnr_db, strict=True)
    ]
    tables = {Mode.CUMULATIVE: pd.DataFrame(rows)}
    return LayerReport(tables=tables, samples=4, engine={"engine": "onnxruntime"})


def outcome(
    case: str = "c",
    *,
    predictions: Sequence[int] = (0, 1, 2, 0),
    labels: Sequence[int] = (0, 1, 2, 3),
    sqnr_db: Sequence[float] = (40.0, 35.0, 30.0),
    digest: str = "ab" * 32,
    judged: Outcome = Outcome.EQUAL,
) -> CaseOutcome:
    """A case of suite "s" that was measured and has one verdict."""
    result = CaseResult(
        case=Case(id=case, model="m"),
        data="d",
        calibration="e",
        target="generic-int8",
        fp32=classified(labels, labels),
        quantized=classified(predictions, labels),
        layers=layers(sqnr_db),
        digest=digest,
        versions={"emu": "1", "jax": "2"},
        seconds=1.25,
    )
    verdict = Verdict(
        suite="s", case=case, kind=Kind.ACCURACY, outcome=judged, detail="so"
    )
    return CaseOutcome(suite="s", case=case, verdicts=(verdict,), result=result)


def failed(case: str = "f") -> CaseOutcome:
    """A case of suite "s" that could not be measured."""
    error = DataError("no luck", file="data.npz", where="x[3]")
    verdict = Verdict(
        suite="s", case=case, kind=Kind.RUN, outcome=Outcome.FAILED, detail=str(error)
    )
    return CaseOutcome(suite="s", case=case, verdicts=(verdict,), error=error)


def run_of(*cases: CaseOutcome) -> GateResult:
    return GateResult(cases=cases)
