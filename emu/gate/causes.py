"""What usually makes two arrays differ, told from the arrays alone."""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

# Integers as int64, reals as float64; of one shape but for `_shape`.
Numbers = Int64[np.ndarray, "..."] | Float64[np.ndarray, "..."]

NO_CAUSE: Final = "no single cause: not one offset, scale, clamp, rounding or layout"

_MOST_AXES: Final = 5
# An explanation of reals leaves at most this share of the difference's RMS.
_UNEXPLAINED: Final = 0.05
# Ties are rare, fractions of a half and more are not: what separates the two stories.
_RARE: Final = 0.2
_LEAST_WRAP: Final = 16


def likely_cause(
    got: Shaped[np.ndarray, "..."], want: Shaped[np.ndarray, "..."]
) -> str:
    """One line on why `got` is not `want`; "equal" if it is.

    Integers must be explained to the last bit, reals up to a twentieth of the RMS of
    their difference. A guess from values alone: several faults at once look like none.
    """
    if got.dtype != want.dtype:
        values = likely_cause(*_alike(got, want))
        return f"dtype: got {got.dtype}, expected {want.dtype}; values: {values}"
    a, b = _alike(got, want)
    if a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return "equal"
    if a.shape != b.shape:
        return _shape(a, b)
    for find in _CAUSES:
        if found := find(a, b):
            return found
    return NO_CAUSE


def _alike(
    got: Shaped[np.ndarray, "..."], want: Shaped[np.ndarray, "..."]
) -> tuple[Numbers, Numbers]:
    """Both as int64 if both are integers, else as float64."""
    whole = got.dtype.kind in "biu" and want.dtype.kind in "biu"
    dtype = np.int64 if whole else np.float64
    return got.astype(dtype), want.astype(dtype)


def _shape(got: Numbers, want: Numbers) -> str:
    shapes = f"got {list(got.shape)}, expected {list(want.shape)}"
    if axes := _transposing(got, want):
        return f"transposed layout: got.transpose{axes} is what is expected"
    if got.size == want.size and _explains(got.reshape(want.shape), want, want):
        return f"shape: {shapes}; the values and their order are right"
    return f"shape: {shapes}"


def _not_finite(got: Numbers, want: Numbers) -> str | None:
    off = int(np.count_nonzero(np.isfinite(got) != np.isfinite(want)))
    return f"NaN or infinity: {off} values are not finite on one side" if off else None


def _layout(got: Numbers, want: Numbers) -> str | None:
    if got.ndim < 2 and got.size < 3:
        return None
    if axes := _transposing(got, want):
        return f"transposed layout: got.transpose{axes} is what is expected"
    for axes in _orders(got.ndim):
        if _explains(want.transpose(axes).reshape(got.shape), got, want):
            return (
                f"transposed layout: the values stand in the order of "
                f"expected.transpose{axes}"
            )
    for axis in range(got.ndim):
        if _explains(np.flip(got, axis), want, got):
            return f"reversed order along axis {axis}"
    return None


def _offset(got: Numbers, want: Numbers) -> str | None:
    by = _middle(got - want)
    if _explains(got - by, want, got):
        return f"constant offset: every value is off by {by:+g} (a bias, a zero point)"
    if got.ndim < 2 or got.shape[-1] == got.size:
        return None
    others = tuple(range(got.ndim - 1))
    each = np.round(np.mean(got - want, others)) if _whole(got) else None
    each = np.mean(got - want, others) if each is None else each.astype(np.int64)
    if _explains(got - each, want, got):
        shown = ", ".join(f"{value:+g}" for value in each[:4])
        more = ", ..." if len(each) > 4 else ""
        return (
            "constant offset of each channel of the last axis "
            f"({shown}{more}): its bias, or the input's zero point"
        )
    return None


def _zero_point(got: Numbers, want: Numbers) -> str | None:
    if not _whole(got):
        return None
    low = min(int(got.min()), int(want.min()))
    high = max(int(got.max()), int(want.max()))
    inside = (got > low) & (got < high) & (want > low) & (want < high)
    offsets = np.unique((got - want)[inside])
    if len(offsets) != 1 or offsets[0] == 0:
        return None
    by = int(offsets[0])
    moved = (got - want) * np.sign(by)
    if not np.all((moved >= 0) & (moved <= abs(by))):
        return None
    return (
        f"wrong zero point: every value is off by {by:+d}, "
        f"except at the ends of the range, {low} and {high}"
    )


def _saturation(got: Numbers, want: Numbers) -> str | None:
    for narrow, wide, text in (
        (got, want, "got stops at {} where expected goes on to {}"),
        (want, got, "expected stops at {} where got goes on to {}"),
    ):
        low, high = narrow.min(), narrow.max()
        beyond = np.count_nonzero(wide > high), np.count_nonzero(wide < low)
        # One value at its end may be there for any reason.
        if sum(beyond) > 1 and _explains(np.clip(wide, low, high), narrow, wide):
            ends = (high, wide.max()) if beyond[0] else (low, wide.min())
            return "saturation: " + text.format(*(f"{end:g}" for end in ends))
    return None


def _overflow(got: Numbers, want: Numbers) -> str | None:
    if not _whole(got):
        return None
    off = (got - want)[got != want]
    step = math.gcd(*map(int, np.unique(np.abs(off))))
    power = step & -step
    if power >= _LEAST_WRAP:
        return f"overflow wraps: all differences are multiples of {power}"
    high, low = want == want.max(), want == want.min()
    across = (high & (got < want.min() / 2)) | (low & (got > want.max() / 2))
    if want.min() < 0 < want.max() and np.all(across[got != want]):
        return "overflow: got wraps to the other sign where expected saturates"
    return None


def _rounding(got: Numbers, want: Numbers) -> str | None:
    off = got - want
    if not _whole(got) or np.max(np.abs(off)) > 1:
        return None
    count = int(np.count_nonzero(off))
    rare = count < _RARE * off.size
    what = "ties go" if rare else "fractions go"
    outwards = (np.abs(got) - np.abs(want))[off != 0]
    directions = (
        ("up", bool(np.all(off >= 0))),
        ("down", bool(np.all(off <= 0))),
        ("away from zero", bool(np.all(outwards > 0))),
        ("towards zero", bool(np.all(outwards < 0))),
    )
    for direction, holds in directions:
        if holds:
            return (
                f"rounding mode: {count} of {off.size} values are off by 1, "
                f"all one way; {what} {direction}"
            )
    return (
        f"rounding mode: {count} of {off.size} values are off by 1, both ways; "
        "ties to even, or rounded twice"
    )


def _scale(got: Numbers, want: Numbers) -> str | None:
    power = float(np.sum(np.square(want, dtype=np.float64)))
    if not power:
        return None
    factor = float(np.sum(np.multiply(got, want, dtype=np.float64))) / power
    rest = got - factor * want
    most = float(np.max(np.abs(rest)))
    fits = most <= 0.75 if _whole(got) else _rms(rest) <= _left(got, want)
    if factor and fits:
        return f"wrong scale: got is {factor:.4g} times what is expected"
    return None


def _place(got: Numbers, want: Numbers) -> str | None:
    off = _clearly_off(got, want)
    for axis in range(got.ndim - 1, -1, -1):
        others = tuple(other for other in range(got.ndim) if other != axis)
        found = np.flatnonzero(off.any(others))
        if len(found) == 1 and got.shape[axis] > 1 and got.ndim > 1:
            return f"one place: all differences lie at index {found[0]} of axis {axis}"
    return None


_CAUSES: Final[tuple[Callable[[Numbers, Numbers], str | None], ...]] = (
    _not_finite,
    _layout,
    _offset,
    _zero_point,
    _saturation,
    _overflow,
    _rounding,
    _scale,
    _place,
)


def _explains(made: Numbers, aim: Numbers, start: Numbers) -> bool:
    """Whether a correction that makes `made` of `start` leaves nothing, or little."""
    if _whole(made):
        return bool(np.array_equal(made, aim))
    return _rms(made - aim) <= _left(start, aim)


def _left(start: Numbers, aim: Numbers) -> float:
    """What an explanation of reals may leave."""
    return _UNEXPLAINED * _rms(start - aim)


def _rms(values: Numbers) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _middle(off: Numbers) -> int | float:
    """The offset that integers have in common if they do, the mean one of reals."""
    return int(off.flat[0]) if _whole(off) else float(np.mean(off))


def _clearly_off(got: Numbers, want: Numbers) -> Bool[np.ndarray, "..."]:
    return got != want if _whole(got) else np.abs(got - want) > _left(got, want)


def _whole(values: Numbers) -> bool:
    return values.dtype.kind == "i"


def _orders(axes: int) -> list[tuple[int, ...]]:
    """All orders of the axes but the one they have; none for too many axes."""
    if not 2 <= axes <= _MOST_AXES:
        return []
    return [order for order in permutations(range(axes)) if order != (*range(axes),)]


def _transposing(got: Numbers, want: Numbers) -> tuple[int, ...] | None:
    """The order of axes that makes `want` of `got`, if there is one."""
    for axes in _orders(got.ndim):
        moved = got.transpose(axes)
        start = got if got.shape == want.shape else np.zeros_like(want)
        if moved.shape == want.shape and _explains(moved, want, start):
            return axes
    return None
