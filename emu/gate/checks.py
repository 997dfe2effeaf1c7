"""Assertions for a user's own tests; a failure shows where, how far and likely why."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float64, Shaped
from numpy.typing import ArrayLike

from emu.gate.causes import likely_cause
from emu.gate.emulate import Emulated, register_use
from emu.graph import Graph

_SHOWN: Final = 3
_BAR: Final = 30
# Steps of a dequantized array are looked for among at most so many different values.
_MOST_CODES: Final = 1 << 16
# Bins of differences in LSB: upper end and label; what lies beyond is the last.
_BINS: Final = (
    (-17, "< -16"),
    (-5, "-16 ... -5"),
    (-2, "-4 ... -2"),
    (-1, "-1"),
    (0, "0"),
    (1, "+1"),
    (4, "+2 ... +4"),
    (16, "+5 ... +16"),
)
_LAST_BIN: Final = "> +16"


def assert_bit_exact(got: ArrayLike, want: ArrayLike, *, name: str = "") -> None:
    """Fail unless dtype, shape and every bit are equal (a NaN equals the same NaN)."""
    __tracebackhide__ = True
    a, b = np.asarray(got), np.asarray(want)
    if a.dtype == b.dtype and a.shape == b.shape:
        a, b = np.atleast_1d(a, b)
        off = _bits(a) != _bits(b)
        if not off.any():
            return
        what = f"{np.count_nonzero(off)} of {off.size} elements differ"
    else:
        off = None
        what = f"got {a.dtype} {list(a.shape)}, expected {b.dtype} {list(b.shape)}"
    lines = [f"{_named(name)}not bit-exact: {what}"]
    if off is not None:
        whole = a.dtype.kind in "biu"
        lines += _first(a, b, np.argwhere(off), "first differing")
        step = 1.0 if whole else _step(b)
        lines += _histogram(_difference(a, b), step)
    raise AssertionError("\n".join([*lines, f"likely cause: {likely_cause(a, b)}"]))


def assert_layer_close(
    got: ArrayLike, want: ArrayLike, *, min_sqnr: float, name: str = ""
) -> None:
    """Fail unless the shapes are equal and the SQNR of `got` is at least `min_sqnr`.

    SQNR is 10 log10(sum want^2 / sum (got - want)^2) in dB, in float64, infinite for
    equal arrays. What is not finite fails. An LSB is the smallest step between the
    values of `got`.
    """
    __tracebackhide__ = True
    a, b = np.asarray(got), np.asarray(want)
    a, b = a.astype(np.float64), b.astype(np.float64)
    if a.shape != b.shape:
        raise AssertionError(
            f"{_named(name)}shapes differ\nlikely cause: {likely_cause(a, b)}"
        )
    a, b = np.atleast_1d(a, b)
    found = _sqnr(a, b)
    if found >= min_sqnr:
        return
    error = np.abs(_difference(a, b))
    step = _step(a)
    order = np.argsort(np.where(np.isfinite(error), -error, -np.inf), axis=None)
    worst = np.stack(np.unravel_index(order[:_SHOWN], a.shape), axis=-1)
    first = np.argwhere(~(error <= step / 2))[:1]
    lines = [
        f"{_named(name)}SQNR {found:.2f} dB, expected at least {min_sqnr:g} dB",
        *_first(a, b, first, "first off by over half an LSB"),
        *_first(a, b, worst, "farthest off"),
        *_histogram(_difference(a, b), step),
        f"likely cause: {likely_cause(a, b)}",
    ]
    raise AssertionError("\n".join(lines))


def assert_no_overflow(program: Emulated | Graph, data: ArrayLike) -> None:
    """Fail if an accumulator overflows for any of the samples in `data`.

    `data` is the program's input, n samples. Every addition counts where the program
    says that registers overflow on the way, else the final sums.
    """
    __tracebackhide__ = True
    graph = program.graph if isinstance(program, Emulated) else program
    size = program.batch_size if isinstance(program, Emulated) else 32
    full = [use for use in register_use(graph, np.asarray(data), size) if use.additions]
    if not full:
        return
    rows = [
        (
            use.layer,
            f"{use.additions}",
            f"{use.accumulator.bits}",
            f"{use.bits}",
            use.accumulator.overflow.value,
        )
        for use in full
    ]
    header = ("layer", "overflows", "bits", "needed", "then")
    lines = [f"{len(full)} layers overflow their accumulator", *_table(header, rows)]
    raise AssertionError("\n".join(lines))


def _named(name: str) -> str:
    return f"{name}: " if name else ""


def _bits(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    if values.dtype.kind in "biu":
        return values
    return np.ascontiguousarray(values).view(f"V{values.dtype.itemsize}")


def _difference(
    got: Shaped[np.ndarray, "..."], want: Shaped[np.ndarray, "..."]
) -> Float64[np.ndarray, "..."]:
    with np.errstate(invalid="ignore"):
        return got.astype(np.float64) - want.astype(np.float64)


def _sqnr(got: Float64[np.ndarray, "..."], want: Float64[np.ndarray, "..."]) -> float:
    """In dB; -inf where anything is not finite."""
    noise = float(np.sum(np.square(_difference(got, want))))
    signal = float(np.sum(np.square(want)))
    if not math.isfinite(noise) or not math.isfinite(signal):
        return -math.inf
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _step(values: Shaped[np.ndarray, "..."]) -> float:
    """The smallest step between values, what an LSB means to dequantized ones."""
    codes = np.unique(values[np.isfinite(values)])
    if not 2 <= len(codes) <= _MOST_CODES:
        return 1.0
    steps = np.diff(codes.astype(np.float64))
    return float(steps[steps > 0].min(initial=np.inf))


def _first(
    got: Shaped[np.ndarray, "..."],
    want: Shaped[np.ndarray, "..."],
    spots: Shaped[np.ndarray, "n axes"],
    title: str,
) -> list[str]:
    rows = []
    for spot in spots[:_SHOWN]:
        a, b = got[tuple(spot)], want[tuple(spot)]
        index = f"[{', '.join(map(str, spot))}]"
        rows.append((index, f"{a:.7g}", f"{b:.7g}", f"{float(a) - float(b):+.4g}"))
    return _table((title, "got", "expected", "difference"), rows) if rows else []


def _histogram(off: Float64[np.ndarray, "..."], step: float) -> list[str]:
    """How many values are how many LSBs off; empty bins are left out."""
    finite = off[np.isfinite(off)]
    ends = [end + 0.5 for end, _ in _BINS]
    places = np.searchsorted(ends, np.ravel(finite) / step)
    counts = np.bincount(places, minlength=len(_BINS) + 1)
    labels = [*(label for _, label in _BINS), _LAST_BIN]
    most = max(int(counts.max()), 1)
    rows = [
        (label, str(count), "#" * math.ceil(_BAR * int(count) / most))
        for label, count in zip(labels, counts, strict=True)
        if count
    ]
    size = "" if step == 1 else f" of {step:.4g}"
    return _table((f"LSB{size}", "values", ""), rows)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines with aligned columns, the first to the left and bars too."""
    every = [header, *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(header))]
    align: list[Callable[[str, int], str]] = [
        str.ljust if i == 0 or not title else str.rjust
        for i, title in enumerate(header)
    ]
    return [
        "  " + "  ".join(align[i](row[i], widths[i]) for i in range(len(row))).rstrip()
        for row in every
    ]
