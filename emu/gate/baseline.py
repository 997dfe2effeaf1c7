"""Baselines: what a case gave when it was accepted, as JSON that diffs well.

golden/baselines/<suite>/<case>.json      beside the folder `suites`
baselines/<suite>/<case>.json             beside a suite anywhere else
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from emu.config import Config, validate
from emu.errors import ConfigError, MissingError
from emu.evaluate import Detections, DetectResult, ReconstructResult
from emu.gate.result import CaseResult
from emu.gate.tensors import KeptTensor
from emu.graph import write_atomically
from emu.jsondata import strict_json

FORMAT: Final = 1
_PER_LINE: Final = 25
_DIGITS: Final = 6
_BOXES: Final = 10
_MAX_BYTES: Final = 256 << 20


class LayerFigures(Config):
    """A row of the per-layer table, 6 significant digits; columns of `layer_table`."""

    name: str
    op: str
    sqnr_db: float
    cosine: float
    mse: float
    max_lsb: float
    mean_error: float
    differing: int
    elements: int
    saturated: float
    acc_bits: int
    acc_overflows: int


class Baseline(Config):
    """What was measured and accepted.

    Fields:
        format: of this file, 1.
        case: model, data, calibration, target and recipe that were asked for.
        fp32, quantized: whole numbers, as of `EvalResult.counts`; `fp32` and `layers`
            are empty for a model that was quantized already.
        predictions: classes of all samples in order, 25 to a line; or their scores,
            one to a line, of a model that reconstructs; or the boxes of an image, one
            image to a line: how many, their digest, and the best ten.
        layers: mode -> rows in execution order.
        digest: of the integer outputs over the first 64 rows.
        tensors: some integers of every layer, to tell where bits first differ.
        versions: for information only.
    """

    format: int
    case: dict[str, str | None]
    fp32: dict[str, int]
    quantized: dict[str, int]
    predictions: tuple[str, ...]
    layers: dict[str, tuple[LayerFigures, ...]]
    digest: str
    versions: dict[str, str]
    tensors: tuple[KeptTensor, ...] = ()


def baseline_folder(suite: Path) -> Path:
    """Where the baselines of the suite at this path lie."""
    suite = suite.resolve()
    if suite.parent.name == "suites":
        return suite.parent.parent / "golden" / "baselines" / suite.stem
    return suite.parent / "baselines" / suite.stem


def baseline_path(suite: Path, case: str) -> Path:
    """The file with the baseline of a case."""
    return baseline_folder(suite) / f"{case}.json"


def baseline_of(result: CaseResult) -> Baseline:
    """What is stored of a result."""
    return Baseline(
        format=FORMAT,
        case=result.identity,
        fp32=result.fp32.counts() if result.fp32 else {},
        quantized=result.quantized.counts(),
        predictions=_predictions(result),
        layers={
            mode.value: _rows(table)
            for mode, table in (result.layers.tables if result.layers else {}).items()
        },
        digest=result.digest,
        versions=result.versions,
        tensors=result.tensors,
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write whole or not at all; equal baselines give equal bytes."""
    text = _layout(strict_json(baseline.model_dump()), "") + "\n"
    write_atomically(path, text.encode())


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        MissingError: there is none.
        ConfigError: it is damaged, or of another format.
    """
    if not path.is_file():
        raise MissingError(
            "there is no baseline; `emu gate --update-baseline` makes it", file=path
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"larger than {_MAX_BYTES} bytes", file=path)
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"damaged baseline: {error}", file=path) from error
    if not isinstance(data, dict):
        raise ConfigError("damaged baseline: expected an object", file=path)
    if data.get("format") != FORMAT:
        raise ConfigError(
            f"found baseline format {data.get('format')!r}, expected {FORMAT}",
            file=path,
        )
    return validate(data, Baseline, file=path)


def _predictions(result: CaseResult) -> tuple[str, ...]:
    found = result.quantized
    if isinstance(found, DetectResult):
        return tuple(_boxes(one) for one in found.detections)
    if isinstance(found, ReconstructResult):
        return tuple(f"{score:.{_DIGITS}g}" for score in found.scores)
    classes = [str(int(p)) for p in found.predictions]
    starts = range(0, len(classes), _PER_LINE)
    return tuple(" ".join(classes[start : start + _PER_LINE]) for start in starts)


def _boxes(found: Detections) -> str:
    """The best boxes of an image, "class:score:x0,y0,x1,y1" with spaces between.

    Scores to 4 digits behind the point, edges to whole pixels; and the digest of all of
    them so rounded.
    """
    words = [
        f"{c}:{s:.4f}:{','.join(str(round(float(edge))) for edge in box)}"
        for c, s, box in zip(found.classes, found.scores, found.boxes, strict=True)
    ]
    digest = hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]
    return " ".join([f"{len(words)}:{digest}", *words[:_BOXES]])


def _rows(table: pd.DataFrame) -> tuple[LayerFigures, ...]:
    rows = []
    for record in table.to_dict(orient="records"):
        row = {str(key): _plain(value) for key, value in record.items()}
        rows.append(
            LayerFigures.model_validate(
                {key: row[key] for key in LayerFigures.model_fields}
            )
        )
    return tuple(rows)


def _plain(value: object) -> str | int | float:
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{float(np.float64(value)):.{_DIGITS}g}")  # type: ignore[arg-type]


def _layout(value: Any, indent: str) -> str:  # noqa: ANN401 - any JSON value
    """JSON with sorted keys, one line to each object of plain values."""
    inner = indent + "  "
    if isinstance(value, Mapping) and any(map(_nested, value.values())):
        lines = [
            f"{inner}{json.dumps(key)}: {_layout(value[key], inner)}"
            for key in sorted(value)
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        lines = [f"{inner}{_layout(item, inner)}" for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _nested(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)
