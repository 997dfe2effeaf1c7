"""Limits that people write into suites, whatever the baseline says."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.compare import Mode
from emu.evaluate import DetectResult
from emu.evaluate.detect.paired_ap import bootstrap_difference
from emu.gate.result import CaseResult
from emu.gate.verdict import Judgement, Kind, Outcome

_NAMED: Final = 3


def judge_limits(result: CaseResult) -> list[Judgement]:
    """One judgement for each limit that the case sets, in their order."""
    stated = result.case.limits.stated
    return [
        (Kind.LIMIT, Outcome.HOLDS if holds else Outcome.REGRESSED, detail)
        for name, judged in _LIMITS.items()
        if name in stated
        for holds, detail in [judged(result)]
    ]


def _points(result: CaseResult) -> tuple[bool, str]:
    limit = result.case.limits.max_drop_points
    return _drop(result, limit, 100, f"points of {result.quantized.metric}")


def _auc(result: CaseResult) -> tuple[bool, str]:
    limit = result.case.limits.max_drop_auc
    return _drop(result, limit, 1, f"of {result.quantized.metric}")


def _percent(result: CaseResult) -> tuple[bool, str]:
    limit, fp32 = result.case.limits.max_drop_percent, result.fp32
    if fp32 is None or fp32.exact == 0:
        return False, "FP32 has nothing right, so no share of it can be lost"
    unit = f"percent of FP32's {fp32.metric}"
    return _drop(result, limit, 100 / fp32.exact, unit)


def _drop(
    result: CaseResult, limit: float | None, times: Fraction | int, unit: str
) -> tuple[bool, str]:
    if result.fp32 is None or limit is None:
        return False, "there is no FP32 to compare with"
    drop = (result.fp32.exact - result.quantized.exact) * times
    side = "above" if drop < 0 else "below"
    detail = f"{abs(float(drop)):.4g} {unit} {side} FP32, limit {limit:g} below"
    return drop <= Fraction(str(limit)), detail


def _by_chance(result: CaseResult) -> tuple[bool, str]:
    """Top-1 by the exact McNemar test, mAP by a paired bootstrap interval."""
    alpha = result.case.limits.not_worse_alpha or 0.0
    if isinstance(result.fp32, DetectResult):
        return _by_bootstrap(result, result.fp32, alpha)
    change = result.beside_fp32
    if change is None:
        return False, "there are no classes to compare sample by sample"
    lost, won = len(change.newly_wrong), len(change.newly_right)
    detail = (
        f"{lost} samples lost and {won} won against FP32, p {change.p_value:.3g}, "
        f"alpha {alpha:g}"
    )
    return not change.is_worse(alpha), detail


def _by_bootstrap(
    result: CaseResult, fp32: DetectResult, alpha: float
) -> tuple[bool, str]:
    found = result.quantized
    if not isinstance(found, DetectResult):
        return False, "there are no detections to compare image by image"
    interval = bootstrap_difference(
        found.objects, found.categories, fp32.detections, found.detections, alpha=alpha
    )
    detail = (
        f"mAP {100 * interval.difference:+.2f} points against FP32, "
        f"{100 * (1 - alpha):g} % interval {100 * interval.low:+.2f} to "
        f"{100 * interval.high:+.2f}"
    )
    return interval.high >= 0, detail


def _sqnr(result: CaseResult) -> tuple[bool, str]:
    limit, report = result.case.limits.min_sqnr_db, result.layers
    if report is None or limit is None:
        return False, "no layer is compared with golden FP32"
    table = report.tables.get(Mode.ISOLATED, next(iter(report.tables.values())))
    patterns = limit if isinstance(limit, dict) else {"*": limit}
    idle = [
        pattern
        for pattern in patterns
        if not any(fnmatchcase(name, pattern) for name in table["name"])
    ]
    if idle:
        return False, f"no layer is named {idle[0]!r}"
    low = [
        f"{name} {sqnr:.1f} dB of {least:g}"
        for name, sqnr in zip(table["name"], table["sqnr_db"], strict=True)
        for pattern, least in patterns.items()
        if fnmatchcase(name, pattern) and sqnr < least
    ]
    if not low:
        worst = np.min(table["sqnr_db"].to_numpy(np.float64))
        return True, f"the worst layer has {worst:.1f} dB"
    more = f", {len(low) - _NAMED} more" if len(low) > _NAMED else ""
    return False, "SQNR below the limit: " + ", ".join(low[:_NAMED]) + more


def _lsb(result: CaseResult) -> tuple[bool, str]:
    holds, details = True, []
    for engine, limit in (result.case.limits.max_lsb or {}).items():
        off = [one for one in result.against[engine] if one.max_lsb]
        worst = max(off, key=lambda one: one.max_lsb or 0, default=None)
        found = worst.max_lsb or 0 if worst else 0
        where = f" ({worst.name})" if worst else ""
        details.append(f"{found:g} LSB off {engine}{where}, limit {limit}")
        holds &= found <= limit
    return holds, "; ".join(details)


def _time(result: CaseResult) -> tuple[bool, str]:
    limits = result.case.limits.max_time_ratio or {}
    details = [
        f"{result.time_ratios[engine]:.3g} times as long as {engine}, limit {limit:g}"
        for engine, limit in limits.items()
    ]
    holds = all(result.time_ratios[engine] <= limit for engine, limit in limits.items())
    return holds, "; ".join(details)


_LIMITS: Final[Mapping[str, Callable[[CaseResult], tuple[bool, str]]]] = (
    MappingProxyType(
        {
            "max_drop_points": _points,
            "max_drop_auc": _auc,
            "max_drop_percent": _percent,
            "not_worse_alpha": _by_chance,
            "min_sqnr_db": _sqnr,
            "max_lsb": _lsb,
            "max_time_ratio": _time,
        }
    )
)
