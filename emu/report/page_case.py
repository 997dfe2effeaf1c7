"""A case for its page: words and numbers as the template prints them."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from emu.compare import Mode
from emu.gate import CaseOutcome, CaseResult, Outcome, PairedChange
from emu.gate.pictures import Box, Picture, Scene
from emu.report.changes import change_texts
from emu.report.numbers import percent_text
from emu.report.page_layers import cut, layers_json
from emu.report.page_trend import trend_of

WORDS: Final = {0: "holds", 1: "changed", 2: "could not be judged"}
TONES: Final = {0: "good", 1: "bad", 2: "bad"}
BOX_KINDS: Final = (("annotated", "truth"), ("FP32", "fp32"), ("integer", "now"))
_DETAIL: Final = 1200
# Width of a letter of a box's label, where the image is 400 wide.
_LETTER: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of each case a page holds.

    Fields:
        pictures, scenes: how many.
        histograms, network, layers: whether they are there.
    """

    pictures: int = 24
    scenes: int = 6
    histograms: bool = True
    network: bool = True
    layers: bool = True


def case_code(case: CaseOutcome) -> int:
    """The exit code of its verdicts."""
    return max((verdict.outcome.exit_code for verdict in case.verdicts), default=0)


def case_page(
    case: CaseOutcome, key: str, history: pd.DataFrame | None, detail: Detail
) -> dict[str, Any]:
    """All that the template shows of a case; `key` is its address on the page."""
    code = case_code(case)
    result = case.result
    page: dict[str, Any] = {
        "key": key,
        "title": cut(f"{case.suite}/{case.case}"),
        "code": code,
        "word": _word(case, code),
        "tone": _case_tone(case, code),
        "reason": _reason(case),
        "verdicts": [
            {
                "kind": verdict.kind.value.replace("_", " "),
                "word": verdict.outcome.value,
                "tone": _tone(verdict.outcome),
                "detail": _arrows(verdict.detail),
            }
            for verdict in case.verdicts
        ],
        "lines": [_arrows(line) for line in (*change_texts(case), *case.changes)],
        "trend": trend_of(history, case.suite, case.case),
        "data": None,
        "pictures": [],
        "scenes": [],
        "facts": _facts(case),
        **_figures(case),
    }
    if result is None:
        return page
    if detail.layers:
        page["data"] = layers_json(
            case, histograms=detail.histograms, network=detail.network
        )
    visuals = result.visuals
    if visuals is not None:
        pictures = visuals.pictures[: detail.pictures]
        page["pictures"] = [_picture(one) for one in pictures]
        page["pictures_title"] = _pictures_title(case, pictures)
        page["scenes"] = [_scene(one) for one in visuals.scenes[: detail.scenes]]
    return page


def _reason(case: CaseOutcome) -> str:
    """What does not hold: the first in words, the others by their kinds."""
    bad = [verdict for verdict in case.verdicts if verdict.outcome.exit_code]
    if not bad:
        return ""
    first, *others = bad
    also = f"; also {', '.join(one.kind.value for one in others)}" if others else ""
    return cut(f"{first.kind.value}: {_arrows(first.detail)}", 180) + also


def _arrows(line: str) -> str:
    return cut(line, _DETAIL).replace("->", "→")


def _word(case: CaseOutcome, code: int) -> str:
    """The outcome that decides, where one says more than the exit code."""
    found = {verdict.outcome for verdict in case.verdicts}
    order = (
        (Outcome.FAILED, Outcome.MISSING),
        (Outcome.REGRESSED, Outcome.IMPROVED),
        (Outcome.KNOWN, Outcome.ACCEPTED),
    )
    for outcomes in order:
        for outcome in outcomes:
            if outcome in found:
                return outcome.value
    return WORDS[code]


def _case_tone(case: CaseOutcome, code: int) -> str:
    if code:
        outcomes = {verdict.outcome for verdict in case.verdicts}
        failing = {one for one in outcomes if one.exit_code}
        return "warn" if failing == {Outcome.IMPROVED} else "bad"
    quiet = (Outcome.EQUAL, Outcome.HOLDS)
    return "good" if all(v.outcome in quiet for v in case.verdicts) else "warn"


def _tone(outcome: Outcome) -> str:
    if outcome in (Outcome.EQUAL, Outcome.HOLDS):
        return "good"
    soft = (Outcome.KNOWN, Outcome.ACCEPTED, Outcome.IMPROVED)
    return "warn" if outcome in soft else "bad"


def _figures(case: CaseOutcome) -> dict[str, Any]:
    """Score, loss, seconds and the worst layer: for the overview, and as tiles."""
    result = case.result
    empty = dict.fromkeys(
        ("score", "metric", "loss", "since", "worst", "seconds", "tiles")
    )
    sorts = dict.fromkeys(
        ("score_sort", "loss_sort", "since_sort", "worst_sort", "seconds_sort"), ""
    )
    if result is None:
        return {**empty, **sorts}
    found, fp32 = result.quantized, result.fp32
    loss = 100 * (fp32.score - found.score) if fp32 else None
    since = _since(case)
    worst = _worst(result)
    metric = found.metric
    tiles = [(f"{metric}, integer program", percent_text(found.score), "")]
    if fp32 and loss is not None:
        tiles += [
            (f"{metric}, FP32", percent_text(fp32.score), ""),
            ("loss against FP32", _points(loss), ""),
        ]
    if since is not None:
        tone = "bad" if since < 0 else "warn" if since > 0 else "good"
        tiles.append(("since the baseline", _points(since), tone))
    tiles.append(("samples", f"{found.n:,}", ""))
    if worst:
        tiles.append((f"worst layer: {cut(worst['name'], 24)}", worst["text"], ""))
    return {
        "score": percent_text(found.score),
        "score_sort": found.score,
        "metric": metric,
        "loss": None if loss is None else _points(loss),
        "loss_sort": "" if loss is None else loss,
        "since": None if since is None else _points(since),
        "since_sort": "" if since is None else since,
        "worst": worst,
        "worst_sort": worst["sqnr_db"] if worst else "",
        "seconds": f"{result.seconds:.1f} s",
        "seconds_sort": result.seconds,
        "tiles": [{"name": n, "value": v, "tone": t} for n, v, t in tiles],
    }


def _since(case: CaseOutcome) -> float | None:
    """Points of the metric won since the baseline, if it had as many samples."""
    stored = case.baseline.quantized if case.baseline else {}
    if case.result is None or not stored:
        return None
    now = case.result.quantized.counts()
    if stored.get("n") != now["n"]:
        return None
    return 100 * (_share(now) - _share(stored))


def _share(counts: Mapping[str, int]) -> float:
    if "top1_correct" in counts:
        return counts["top1_correct"] / counts["n"]
    if "map_ppm" in counts:
        return counts["map_ppm"] / 1e6
    return counts["auc_numerator"] / counts["auc_denominator"]


def _points(value: float) -> str:
    return f"{value:+.2f} points" if round(value, 2) else "0.00 points"


def _worst(result: CaseResult) -> dict[str, Any] | None:
    """The layer with the least SQNR, alone if that was compared."""
    report = result.layers
    if report is None:
        return None
    table = report.tables.get(Mode.ISOLATED, next(iter(report.tables.values()), None))
    if table is None or table.empty:
        return None
    row = table.loc[table["sqnr_db"].idxmin()]
    sqnr = float(row["sqnr_db"])
    text = f"{sqnr:.1f} dB" if math.isfinite(sqnr) else "exact" if sqnr > 0 else "-∞ dB"
    return {
        "name": cut(str(row["name"])),
        "sqnr_db": sqnr,
        "sqnr": text.removesuffix(" dB"),
        "text": text,
        "band": sqnr_band(sqnr),
    }


def sqnr_band(sqnr_db: float) -> str:
    """The class of its colour, b0 (below 10 dB) to b4 (40 and more), b5 if exact."""
    # Of no signal it is -inf.
    return (
        "b5" if sqnr_db == math.inf else f"b{int(min(40.0, max(0.0, sqnr_db)) // 10)}"
    )


def _facts(case: CaseOutcome) -> list[tuple[str, str]]:
    """Settings and provenance."""
    result = case.result
    if result is None:
        return [("suite", case.suite), ("case", case.case)]
    settings = {key: value for key, value in result.identity.items() if value}
    limits = result.case.limits.model_dump(exclude_none=True)
    rows = [("suite", case.suite), *settings.items()]
    rows += [(f"limit {name}", str(value)) for name, value in limits.items()]
    rows += [("batch size", str(result.case.batch_size))]
    if result.case.tags:
        rows.append(("tags", ", ".join(result.case.tags)))
    if result.layers:
        compared = f"{result.layers.samples} samples"
        golden = " ".join(map(str, result.layers.engine.values()))
        rows += [("layers compared on", compared), ("golden FP32", golden)]
    rows += [("counts", _counts(result.quantized.counts()))]
    if result.fp32:
        rows += [("counts of FP32", _counts(result.fp32.counts()))]
    rows += [("digest of the integer outputs", result.digest)]
    rows += [("versions", ", ".join(f"{k} {v}" for k, v in result.versions.items()))]
    return [(name, cut(value, _DETAIL)) for name, value in rows]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in counts.items())


def _pictures_title(case: CaseOutcome, pictures: Sequence[Picture]) -> str:
    if not (pictures and pictures[0].newly_wrong):
        return f"Wrong, where FP32 is right: {len(pictures)} samples"
    change = case.change
    if isinstance(change, PairedChange):
        many = len(change.newly_wrong)
    else:
        many = len(pictures)
    some = f"{len(pictures)} of {many}" if many > len(pictures) else str(many)
    return f"Newly wrong since the baseline: {some} samples"


def _picture(one: Picture) -> dict[str, Any]:
    classes = [("label", one.label), ("before", one.before), ("FP32", one.fp32)]
    shown = [*classes, ("now", one.now)]
    return {
        "name": cut(one.name),
        "src": data_url(one.image) if one.image else "",
        "classes": [
            (name, cut(klass.split(",")[0], 40), _guess_tone(name, klass == one.label))
            for name, klass in shown
            if klass is not None
        ],
    }


def _guess_tone(name: str, right: bool) -> str:
    if name == "label":
        return ""
    return "good" if right else "bad"


def data_url(image: bytes) -> str:
    """A PNG or JPEG file as an address that holds it."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _scene(one: Scene) -> dict[str, Any]:
    height, width = one.size
    unit = round(width / 400, 2)
    groups = zip(BOX_KINDS, (one.objects, one.fp32, one.now), strict=True)
    counts = (
        f"{_many(one.objects, 'object')}; FP32 finds {_many(one.fp32, 'box')}, "
        f"the program {_many(one.now, 'box')}"
    )
    lost = f"; {one.lost} found by FP32 alone" if one.lost else ""
    return {
        "src": data_url(one.image) if one.image else "",
        "width": width,
        "height": height,
        "unit": unit,
        "alt": f"{cut(one.name)}: {counts}",
        "caption": f"{cut(one.name)}: {counts}{lost}",
        "boxes": [
            _box(box, kind, name, unit) for (name, kind), some in groups for box in some
        ],
    }


def _many(found: Sequence[Box], word: str) -> str:
    ending = "" if len(found) == 1 else "es" if word.endswith("x") else "s"
    return f"{len(found)} {word}{ending}"


def _box(box: Box, kind: str, name: str, unit: float) -> dict[str, Any]:
    left, upper, right, lower = box.edges
    score = "" if box.score is None else f" {box.score:.2f}"
    category = cut(box.category, 40)
    label = f"{category}{score}"
    # Each kind has its own end of the box; what would stick out is in the title alone.
    fits = kind != "truth" and len(label) * _LETTER * unit < right - left
    height = lower - 4 * unit if kind == "fp32" else upper + 12 * unit
    return {
        "kind": kind,
        "x": left,
        "y": upper,
        "w": round(right - left, 1),
        "h": round(lower - upper, 1),
        "title": f"{name}: {label}",
        "label": label if fits else "",
        "label_y": round(height, 1),
    }
