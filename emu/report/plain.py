"""Results as JSON objects with stable names, for `--json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from emu.compare import LayerReport, Mode
from emu.evaluate import BadSample, DetectResult, EvalResult
from emu.gate import CaseOutcome, GateResult, PairedChange
from emu.graph import Graph
from emu.jsondata import strict_json

Json = dict[str, Any]


def eval_json(
    result: EvalResult,
    model: str,
    data: str,
    target: str,
    skipped: Sequence[BadSample] | None = None,
) -> Json:
    """Metrics of one evaluation; `target` is "fp32" for a float model.

    "skipped" lists the samples that were left out, if bad ones were looked for.
    """
    found: Json = {"model": model, "data": data, "target": target, **result.to_json()}
    if isinstance(result, DetectResult):
        found["classes"] = result.by_class.to_dict(orient="records")
    if skipped is not None:
        found["skipped"] = [sample.to_json() for sample in skipped]
    return found


def compare_json(report: LayerReport, graph: Graph | None = None) -> Json:
    """Layers in execution order: "layers" cumulative, "isolated" each alone.

    A mode that was not run is an empty list. "first_divergence" is null if no layer
    differs; "golden" names engine, version and settings; "model" is the graph's name.
    """
    tables = report.tables
    return {
        **({"model": graph.name} if graph else {}),
        "n": report.samples,
        "golden": dict(report.engine),
        "layers": layer_rows(tables.get(Mode.CUMULATIVE)),
        "isolated": layer_rows(tables.get(Mode.ISOLATED)),
        "first_divergence": report.first_divergence,
    }


def gate_json(result: GateResult) -> Json:
    """Verdicts, the exit code, and for each case what was measured."""
    return {
        "verdicts": [verdict.to_json() for verdict in result.verdicts],
        "exit_code": result.exit_code,
        "changes": list(result.changes),
        "cases": [_case_json(case) for case in result.cases],
    }


def layer_rows(table: pd.DataFrame | None) -> list[Json]:
    """Rows of a per-layer table as plain values; no table gives no rows."""
    if table is None:
        return []
    return strict_json(table.to_dict(orient="records"))


def _case_json(case: CaseOutcome) -> Json:
    found: Json = {"suite": case.suite, "case": case.case}
    if case.error is not None:
        found["error"] = case.error.to_json()
    if case.baseline is not None:
        found["baseline"] = {
            "reason": case.baseline.reason,
            "fp32": dict(case.baseline.fp32),
            "quantized": dict(case.baseline.quantized),
        }
    if case.change is not None:
        change = case.change
        found["change"] = {
            **asdict(change),
            "points": change.points,
            "resolvable_points": change.resolvable_points,
        }
    if case.result is not None:
        result = case.result
        found |= {
            **result.identity,
            "fp32": result.fp32.to_json() if result.fp32 else None,
            "quantized": result.quantized.to_json(),
            "paired": _paired(result.beside_fp32),
            "digest": result.digest,
            "seconds": result.seconds,
            "time_ratios": dict(result.time_ratios),
            "versions": dict(result.versions),
            "compare": compare_json(result.layers) if result.layers else None,
        }
    return found


def _paired(change: PairedChange | None) -> Json | None:
    """Samples that only FP32 has right, and only the program."""
    if change is None:
        return None
    return {"lost": len(change.newly_wrong), "won": len(change.newly_right)}
