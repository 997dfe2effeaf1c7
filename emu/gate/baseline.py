"""Baselines: what a case gave when it was accepted, as JSON that diffs well.

golden/baselines/<suite>/<case>.json      beside the folder `suites`
baselines/<suite>/<case>.json             beside a suite anywhere else

A file also has a checksum of all else in it, so that nobody edits figures unnoticed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, field_validator

from emu.config import Config, validate
from emu.errors import ConfigError, MissingError
from emu.evaluate import Detections, DetectResult, ReconstructResult
from emu.gate.boxes import MOST_BOXES, KeptBoxes, box_total, keep_boxes
from emu.gate.result import CaseResult
from emu.gate.tensors import KeptTensor
from emu.graph import write_atomically
from emu.jsondata import strict_json

FORMAT: Final = 2
UPDATE: Final = "`emu gate --update-baseline --reason ...`"
_CONFLICT: Final = (b"<<<<<<< ", b">>>>>>> ")
_PER_LINE: Final = 25
_DIGITS: Final = 6
_BOXES: Final = 10
_MAX_BYTES: Final = 256 << 20


# JSON has no NaN: it is null there.
Figure = Annotated[
    float, BeforeValidator(lambda value: math.nan if value is None else value)
]


class LayerFigures(Config):
    """A row of the per-layer table, 6 significant digits; columns of `layer_table`."""

    name: str
    op: str
    sqnr_db: Figure
    cosine: Figure
    mse: Figure
    max_lsb: Figure
    mean_error: Figure
    differing: int
    elements: int
    saturated: float
    acc_bits: int
    acc_overflows: int


class Baseline(Config):
    """What was measured and accepted.

    Fields:
        format: of this file, 2.
        reason: why it was accepted.
        case: model, data, calibration, target and recipe that were asked for.
        fp32, quantized: whole numbers, as of `EvalResult.counts`; `fp32` and `layers`
            are empty for a model that was quantized already.
        predictions: classes of all samples in order, 25 to a line; or their scores,
            one to a line, of a model that reconstructs; or the boxes of an image, one
            image to a line: how many, their digest, and the best ten.
        boxes: all boxes of every image; empty for a model that is no detector, and
            where the file was first written in format 1.
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
    boxes: tuple[KeptBoxes, ...] = ()
    reason: str = ""

    @field_validator("boxes")
    @classmethod
    def _are_not_endless(cls, boxes: tuple[KeptBoxes, ...]) -> tuple[KeptBoxes, ...]:
        if box_total(boxes) > MOST_BOXES:
            raise ValueError(f"expected at most {MOST_BOXES} boxes")
        return boxes


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
        boxes=_all_boxes(result),
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write whole or not at all; equal baselines give equal bytes."""
    content = strict_json(baseline.model_dump())
    text = _layout({**content, "checksum": checksum_of(content)}, "") + "\n"
    write_atomically(path, text.encode())


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        MissingError: there is none.
        ConfigError: it is damaged, or of another format.
    """
    if not path.is_file():
        raise MissingError(f"there is no baseline; {UPDATE} makes it", file=path)
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"larger than {_MAX_BYTES} bytes", file=path)
    text = path.read_bytes()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_CONFLICT):
            raise ConfigError(
                f"a merge conflict; take either side with git, then {UPDATE}",
                file=path,
                where=f"line {number}",
            )
    try:
        data = json.loads(text, parse_constant=_no_number)
        claimed = data.pop("checksum", None) if isinstance(data, dict) else None
        actual = checksum_of(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"damaged baseline: {error}", file=path) from error
    if not isinstance(data, dict):
        raise ConfigError("damaged baseline: expected an object", file=path)
    _require_format(data.get("format"), path)
    if claimed != actual:
        raise ConfigError(
            f"edited by hand or damaged, its checksum does not fit; {UPDATE} writes a "
            "new one, git has the old one",
            file=path,
        )
    return validate(data, Baseline, file=path)


def checksum_of(content: object) -> str:
    """sha256 of JSON, whatever the order of keys and the layout."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _require_format(found: object, path: Path) -> None:
    if found == FORMAT:
        return
    line = f"found baseline format {found!r}, expected {FORMAT}"
    if isinstance(found, int) and found > FORMAT:
        line += "; it was made by a newer emu"
    elif isinstance(found, int):
        line += f"; it was made by an older emu, {UPDATE} writes a new one"
    raise ConfigError(line, file=path)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"found {text}, which is no JSON")


def _all_boxes(result: CaseResult) -> tuple[KeptBoxes, ...]:
    found = result.quantized
    if not isinstance(found, DetectResult):
        return ()
    return tuple(keep_boxes(one) for one in found.detections)


def _predictions(result: CaseResult) -> tuple[str, ...]:
    found = result.quantized
    if isinstance(found, DetectResult):
        return tuple(_best_boxes(one) for one in found.detections)
    if isinstance(found, ReconstructResult):
        return tuple(f"{score:.{_DIGITS}g}" for score in found.scores)
    classes = [str(int(p)) for p in found.predictions]
    starts = range(0, len(classes), _PER_LINE)
    return tuple(" ".join(classes[start : start + _PER_LINE]) for start in starts)


def _best_boxes(found: Detections) -> str:
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
