"""Cases of float16: every operator that takes float32, and the casts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from emu import ops
from tests.ops.operands import Array, Case, Operand, activation

# float32 tables, multipliers and scales of these are no reals of a layer.
_INTEGER: Final = (ops.Rescale, ops.IntegerSoftmax, ops.QuantizeBy)
# So many cases of an operator are enough: the kernels are those of float32.
_EACH: Final = 2


def _half(operand: Operand) -> Operand:
    given = operand.given
    if given is not None and given.dtype == np.float32:
        with np.errstate(over="ignore"):
            return replace(operand, given=given.astype(np.float16))
    narrow = operand.dtype == "float32"
    return replace(operand, dtype="float16") if narrow else operand


def halves(cases: Iterable[Case]) -> list[Case]:
    """The first cases of each operator that have float32 operands, made float16."""
    found: list[Case] = []
    taken = Counter[type]()
    for case in cases:
        operands = tuple(map(_half, case.operands))
        changed = operands != case.operands and not isinstance(case.op, _INTEGER)
        if changed and taken[type(case.op)] < _EACH:
            taken[type(case.op)] += 1
            name = f"{case.name}-float16"
            found.append(Case(name=name, op=case.op, operands=operands))
    return found


def _between(numbers: Array) -> Array:
    """float32 numbers that are float16 ones, half-way between two, or beside those."""
    wide = numbers.astype(np.float64)
    middle = ((wide[1:] + wide[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(middle, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.concatenate([numbers.astype(np.float32), middle, *beside])


_POSITIVE: Final = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
_LIMITS: Final = np.array(
    [65519.996, 65520, 1e38, 1e-40, -1e-40, np.inf, np.nan], np.float32
)
_EVERY: Final = np.concatenate([_between(_POSITIVE), -_between(_POSITIVE), _LIMITS])
_TO_HALF: Final = ops.FloatCast(dtype=ops.FloatType.FLOAT16)
_TO_SINGLE: Final = ops.FloatCast(dtype=ops.FloatType.FLOAT32)
_HALVES: Final = np.arange(1 << 16, dtype=np.uint16).view(np.float16)

CASTS: Final = [
    Case(
        name="every-half-way",
        op=_TO_HALF,
        operands=(Operand(given=_EVERY.reshape(1, -1)),),
    ),
    Case(
        name="to-float32",
        op=_TO_SINGLE,
        operands=(Operand(given=_HALVES.reshape(2, -1)),),
    ),
    Case(name="same16", op=_TO_HALF, operands=(activation(3, 4, dtype="float16"),)),
    Case(name="same32", op=_TO_SINGLE, operands=(activation(3, 4, dtype="float32"),)),
]
