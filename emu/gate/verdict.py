"""Verdicts: a measurement beside its baseline and its limits, judged both ways."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import chain
from typing import Final

from emu.evaluate import MILLION
from emu.gate.bands import Bands
from emu.gate.baseline import Baseline, LayerFigures
from emu.gate.boxes import box_total
from emu.gate.layers import figures_by_name, moved_layers
from emu.gate.tensors import first_divergence

_NAMED: Final = 3

# Counts that belong to the data.
_GIVEN: Final = ("n", "auc_denominator", "objects")


class Kind(Enum):
    """What is judged.

    ACCURACY: the counts of the integer program.
    LAYER: SQNR, cosine and largest error of each layer, in both modes, within bands.
    BIT: the digest of the integer outputs, and every sample's prediction.
    LIMIT: the loss against FP32, and what else people limit.
    GOLDEN: whether golden FP32 outputs of the model are those that were recorded.
    SAMPLES: whether the data has as many samples as the baseline.
    KNOWN_FAILURE: whether a case that is expected to fail does.
    BASELINE: whether there is a sound baseline for each case, a case for each one.
    DATA: whether there is the data.
    RUN: whether the case could be measured.
    """

    ACCURACY = "accuracy"
    LAYER = "layer"
    BIT = "bit"
    LIMIT = "limit"
    GOLDEN = "golden"
    SAMPLES = "samples"
    KNOWN_FAILURE = "known_failure"
    BASELINE = "baseline"
    DATA = "data"
    RUN = "run"


class Outcome(Enum):
    """How it was judged.

    ACCEPTED: differed from the baseline, which was updated. HOLDS: within the limit.
    KNOWN: failed, as the suite says it would. MISSING: no baseline, no data, or fewer
    samples than there were. FAILED: could not be measured.
    """

    EQUAL = "equal"
    HOLDS = "holds"
    KNOWN = "known"
    ACCEPTED = "accepted"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    MISSING = "missing"
    FAILED = "failed"

    @property
    def exit_code(self) -> int:
        """0 for what may stay, 1 for what changed, 2 for what is not known."""
        if self in (Outcome.MISSING, Outcome.FAILED):
            return 2
        return 1 if self in (Outcome.IMPROVED, Outcome.REGRESSED) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One judgement of one case; `detail` is one line for people."""

    suite: str
    case: str
    kind: Kind
    outcome: Outcome
    detail: str

    def to_json(self) -> dict[str, str]:
        """The stable names of `emu gate --json`."""
        return {
            "suite": self.suite,
            "case": self.case,
            "kind": self.kind.value,
            "verdict": self.outcome.value,
            "detail": self.detail,
        }


Judgement = tuple[Kind, Outcome, str]


def judge(
    found: Baseline,
    stored: Baseline,
    bands: Bands = Bands(),  # noqa: B008 - frozen
) -> list[Judgement]:
    """Compare what was found with what was stored: accuracy, layers if any, bits.

    If samples are gone, that comes first. Layers may move within their `bands`.
    """
    layers = found.layers or stored.layers
    n, before = found.quantized.get("n", 0), stored.quantized.get("n", 0)
    fewer = f"found {n} samples, the baseline has {before}"
    return [
        *([(Kind.SAMPLES, Outcome.MISSING, fewer)] if n < before else []),
        (Kind.ACCURACY, *_accuracy(found, stored)),
        *([(Kind.LAYER, *_layers(found, stored, bands))] if layers else []),
        (Kind.BIT, *_bits(found, stored)),
    ]


def differences(found: Baseline, stored: Baseline | None) -> list[str]:
    """What differs between two baselines, in lines `what: old -> new`.

    A layer takes one line: the first figure that changed, and how many others did.
    Reasons do not count, and boxes only where none were stored: what is the same to
    the digits that `predictions` shows is the same.
    """
    if stored is None:
        figures = ", ".join(f"{k} {v}" for k, v in found.quantized.items())
        return [f"new baseline: {figures}"]
    lines = _changed("case", stored.case, found.case)
    lines += _changed("fp32", stored.fp32, found.fp32)
    lines += _changed("quantized", stored.quantized, found.quantized)
    changed = _changed_predictions(found, stored)
    if changed:
        lines.append(f"predictions: {changed}")
    for mode in sorted(found.layers.keys() | stored.layers.keys()):
        old, new = figures_by_name(stored, mode), figures_by_name(found, mode)
        for name in dict.fromkeys(chain(old, new)):
            lines += _layer_lines(f"{mode} {name}", old.get(name), new.get(name))
    lines += _changed("digest", {"bits": stored.digest}, {"bits": found.digest})
    if found.boxes and not stored.boxes:
        lines.append(f"boxes: none -> all {box_total(found.boxes)}")
    if found.tensors != stored.tensors:
        where = first_divergence(found.tensors, stored.tensors)
        lines.append(f"tensors: {where or f'kept of {len(found.tensors)} layers'}")
    return lines + _changed("version", stored.versions, found.versions)


def _accuracy(found: Baseline, stored: Baseline) -> tuple[Outcome, str]:
    changes = _changed("", stored.quantized, found.quantized)
    reference = _changed("FP32", stored.fp32, found.fp32)
    note = f" ({', '.join(reference)})" if reference else ""
    if not changes:
        return Outcome.EQUAL, _figures(found.quantized) + note
    rises = [
        found.quantized.get(key, 0) - stored.quantized.get(key, 0)
        for key in found.quantized.keys() | stored.quantized.keys()
        if key not in (*_GIVEN, "detections")
    ]
    comparable = all(
        found.quantized.get(key) == stored.quantized.get(key) for key in _GIVEN
    )
    better = comparable and min(rises, default=-1) >= 0
    outcome = Outcome.IMPROVED if better else Outcome.REGRESSED
    if found.quantized.get("n") == stored.quantized.get("n") and _same(found, stored):
        note += "; every output is as it was: the labels are others"
    return outcome, ", ".join(changes) + note


def _layers(found: Baseline, stored: Baseline, bands: Bands) -> tuple[Outcome, str]:
    worse, better = moved_layers(found, stored, bands)
    if worse:
        return Outcome.REGRESSED, _shorten(worse + better)
    if better:
        return Outcome.IMPROVED, _shorten(better)
    total = sum(map(len, found.layers.values()))
    return Outcome.EQUAL, f"{total} layer figures within {bands.told}"


def _bits(found: Baseline, stored: Baseline) -> tuple[Outcome, str]:
    if _same(found, stored):
        return Outcome.EQUAL, f"digest {found.digest[:12]}"
    parts = []
    if found.digest != stored.digest:
        parts.append(f"digest {stored.digest[:12]} -> {found.digest[:12]}")
        where = first_divergence(found.tensors, stored.tensors)
        parts += [where] if where else []
    changed = _changed_predictions(found, stored)
    if changed:
        parts.append(changed)
    parts += _changed("", stored.case, found.case)
    return Outcome.REGRESSED, ", ".join(parts)


def _same(found: Baseline, stored: Baseline) -> bool:
    """Whether the program gave what it had given."""
    return found.digest == stored.digest and found.predictions == stored.predictions


def _changed_predictions(found: Baseline, stored: Baseline) -> str:
    """How many samples changed their prediction, and the first; "" for none."""
    old, new = _predictions(stored), _predictions(found)
    if len(old) != len(new):
        return f"{len(old)} -> {len(new)} predictions"
    off = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    if not off:
        return ""
    first = off[0]
    return (
        f"{len(off)} of {len(new)} predictions differ, "
        f"first sample {first}: {old[first].split()[0]} -> {new[first].split()[0]}"
    )


def _predictions(baseline: Baseline) -> list[str]:
    """Of each sample: a class or score, or the line of a detector."""
    if baseline.quantized.get("n") == len(baseline.predictions):
        return list(baseline.predictions)
    return " ".join(baseline.predictions).split()


def _layer_lines(
    what: str, old: LayerFigures | None, new: LayerFigures | None
) -> list[str]:
    if old is None:
        return [f"{what}: new layer"]
    if new is None:
        return [f"{what}: layer is gone"]
    changed = _changed("", old.model_dump(), new.model_dump())
    others = f" ({len(changed) - 1} other figures)" if len(changed) > 1 else ""
    return [f"{what} {changed[0]}{others}"] if changed else []


def _changed(
    what: str, old: Mapping[str, object], new: Mapping[str, object]
) -> list[str]:
    return [
        f"{what} {key}: {old.get(key)} -> {new.get(key)}".strip()
        for key in dict.fromkeys(chain(old, new))
        if old.get(key) != new.get(key)
    ]


def _auc(counts: Mapping[str, int]) -> Fraction:
    return Fraction(counts["auc_numerator"], counts["auc_denominator"])


def _figures(counts: Mapping[str, int]) -> str:
    if "top1_correct" in counts:
        n, right = counts["n"], counts["top1_correct"]
        return f"Top-1 {100 * right / n:.2f} % ({right}/{n})"
    if "map_ppm" in counts:
        return f"mAP {counts['map_ppm'] / MILLION:.4f}"
    return f"AUC {float(_auc(counts)):.4f}"


def _shorten(lines: Iterable[str]) -> str:
    every = list(lines)
    more = f"; {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return "; ".join(every[:_NAMED]) + more
