"""Cases that differ in their recipe alone, side by side: which method is the best?"""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.compare import Mode
from emu.evaluate import ClassifyResult
from emu.gate import CaseOutcome, CaseResult

Key = tuple[str, str | None, str]


def by_method(cases: Iterable[CaseOutcome]) -> dict[Key, list[CaseResult]]:
    """Results of each model, target and data that several recipes were tried on."""
    groups: dict[Key, list[CaseResult]] = {}
    for case in cases:
        if case.result and case.result.layers:
            found = case.result
            key = (found.case.model, found.target, found.data)
            groups.setdefault(key, []).append(found)
    return {key: some for key, some in groups.items() if len(some) > 1}


def method_table(key: Key, results: list[CaseResult]) -> RenderableType:
    """A row for each recipe, the best in bold."""
    model, target, data = key
    fp32 = results[0].fp32
    classes = isinstance(fp32, ClassifyResult)
    about = f", FP32 {fp32.top1_correct}/{fp32.n}" if classes else ""
    table = Table(
        title=f"{model} on {target}, {data}{about}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("recipe", no_wrap=True)
    metric = results[0].quantized.metric
    for head in (f"{metric} %", "right", "loss", "lost", "won", "all dB", "own dB"):
        table.add_column(head, justify="right", no_wrap=True)
    best = max(result.quantized.exact for result in results)
    for result in results:
        table.add_row(
            _recipe(result),
            *_accuracy(result),
            _mean(result, Mode.CUMULATIVE),
            _mean(result, Mode.ISOLATED),
            style="bold" if result.quantized.exact == best else "",
        )
    legend = (
        "lost, won: samples that only FP32, only the program has right\n"
        "dB: mean SQNR of the layers, in the whole network and each alone"
    )
    return Group(table, Text(legend, "dim"))


def _recipe(result: CaseResult) -> str:
    recipe = result.case.recipe
    if recipe is None:
        return "defaults"
    path = Path(recipe)
    return path.stem if path.parent.name in ("methods", "recipes") else path.parent.name


def _accuracy(result: CaseResult) -> tuple[str, str, str, str, str]:
    fp32, quantized, change = result.fp32, result.quantized, result.beside_fp32
    classes = isinstance(quantized, ClassifyResult)
    return (
        f"{100 * quantized.score:.2f}",
        str(quantized.top1_correct) if classes else "-",
        f"{100 * (fp32.score - quantized.score):+.2f}" if fp32 else "-",
        str(len(change.newly_wrong)) if change else "-",
        str(len(change.newly_right)) if change else "-",
    )


def _mean(result: CaseResult, mode: Mode) -> str:
    found = result.layers.mean_sqnr(mode) if result.layers else None
    return "-" if found is None else f"{found:.1f}"
