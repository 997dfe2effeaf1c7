"""Fixed-point arithmetic in Fractions and Python integers; shares no code with emu.

Modes are named by their text ("half-even", "wrap"), so that no enum is imported.
"""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from hypothesis import strategies as st

HALF = Fraction(1, 2)


# Each mode by its textbook definition.
_ROUNDED = {
    "half-even": round,
    "half-odd": lambda v: floor(v) | 1 if (v - floor(v)) == HALF else floor(v + HALF),
    "half-away": lambda v: _sign(v) * floor(abs(v) + HALF),
    "half-up": lambda v: floor(v + HALF),
    "half-down": lambda v: ceil(v - HALF),
    "half-toward-zero": lambda v: _sign(v) * ceil(abs(v) - HALF),
    "floor": floor,
    "ceil": ceil,
    "toward-zero": int,
    "away-from-zero": lambda v: _sign(v) * ceil(abs(v)),
    "truncate-magnitude": lambda v: floor(v) + (v < 0),
    "jam": lambda v: floor(v) | 1,
    "jam-unbiased": lambda v: floor(v) if v == floor(v) else floor(v) | 1,
}


def _sign(value: Fraction) -> int:
    return -1 if value < 0 else 1


def round_exactly(value: Fraction, mode: str) -> int:
    """`value` rounded to an integer."""
    return _ROUNDED[mode](value)


def bring_inside(value: int, bits: int, signed: bool, mode: str) -> int:
    """`value` in a format of `bits` bits, by the definition of the overflow mode."""
    modulus = 2**bits
    low = -modulus // 2 if signed else 0
    high = low + modulus - 1
    match mode:
        case "saturate":
            return min(max(value, low), high)
        case "saturate-symmetric":
            return min(max(value, -high if signed else 0), high)
        case "wrap":
            residue = value % modulus
            return residue - modulus if residue > high else residue
        case "saturate-to-zero":
            return value if low <= value <= high else 0
    raise ValueError(mode)


def nearest_float32(value: Fraction | int) -> Fraction:
    """The float32 number nearest to `value`, half even; normal numbers and zero."""
    if value == 0:
        return Fraction(0)
    above, below = abs(value.numerator), value.denominator
    exponent = above.bit_length() - below.bit_length() - 24
    exponent += above << max(-exponent, 0) >= below << max(exponent, 0) + 24
    # Now 2**23 <= |value| / 2**exponent < 2**24.
    up, down = 1 << max(exponent, 0), 1 << max(-exponent, 0)
    steps = round(Fraction(value.numerator * down, below * up))
    return Fraction(steps * up, down)


def near_powers_of_two(bits: int, *, signed: bool = True) -> np.ndarray:
    """Every 2**k + {-2..2} and its negative that a format holds, as int64."""
    numbers = {
        sign * 2**k + d
        for sign in (1, -1)
        for k in range(bits)
        for d in (-2, -1, 0, 1, 2)
    }
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1
    return np.array(sorted(n for n in numbers if low <= n <= high), np.int64)


def wide_integers(bits: int) -> st.SearchStrategy[int]:
    """Signed integers of `bits` bits: any, and often beside a power of two."""
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) | st.sampled_from(
        near_powers_of_two(bits).tolist()
    )
