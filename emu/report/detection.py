"""What a detector reached, as tables: COCO's figures, and each category's."""

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.evaluate import DetectResult

_LEGEND = (
    "mAP: mean over IoU 0.50 to 0.95; small, medium, large: of objects up to 32 x 32, up "
    "to 96 x 96\nand more pixels; AR: highest recall with 1, 10, 100 detections"
)


def detection_table(
    result: DetectResult, *, model: str, data: str, target: str
) -> RenderableType:
    """The figures of one evaluation; "-" where there is nothing to find."""
    head = _table()
    for name in ("model", "data", "target"):
        head.add_column(name, overflow="fold")
    counts = result.counts()
    columns = {"images": "n", "objects": "objects", "found": "detections"}
    for name in columns:
        head.add_column(name, justify="right")
    head.add_row(model, data, target, *(str(counts[key]) for key in columns.values()))
    ap = result.ap
    figures = {
        "mAP": ap.ap,
        "mAP50": ap.ap50,
        "mAP75": ap.ap75,
        "small": ap.ap_small,
        "medium": ap.ap_medium,
        "large": ap.ap_large,
        "AR1": ap.ar1,
        "AR10": ap.ar10,
        "AR100": ap.ar100,
    }
    table = _table()
    for name in figures:
        table.add_column(name, justify="right")
    table.add_row(*map(precision_text, figures.values()))
    return Group(head, Text(), table, Text(_LEGEND, "dim"))


def category_table(result: DetectResult) -> RenderableType:
    """A row for each category that there is to find, the most frequent first."""
    rows = pd.DataFrame(result.by_class[result.by_class["objects"] > 0])
    rows = rows.sort_values(by="objects", ascending=False, kind="stable")
    table = _table()
    table.add_column("category")
    for name in ("objects", "mAP", "mAP50"):
        table.add_column(name, justify="right")
    columns = (rows[name] for name in ("name", "objects", "ap", "ap50"))
    for name, objects, ap, ap50 in zip(*columns, strict=True):
        table.add_row(str(name), str(objects), precision_text(ap), precision_text(ap50))
    return table


def precision_text(value: float) -> str:
    """An average precision or recall; -1 stands for nothing to find."""
    return "-" if value < 0 else f"{value:.4f}"


def _table() -> Table:
    return Table(box=None, pad_edge=False)
