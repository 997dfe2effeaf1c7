"""Rules of the operators that follow one engine: their tables and numbers are sound.

Of the form of `emu.graph.rules`: a complaint, or None.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from emu.fixedpoint import IntFormat
from emu.graph.graph import Tensor
from emu.ops import (
    BinaryTable,
    ChannelTable,
    DequantizedAvgPool2d,
    FloatRescale,
    IntegerSoftmax,
    ResizeInteger,
    ResizeSingle,
    SoftmaxStyle,
)

Operand = Tensor | np.ndarray
Rule = Callable[[Any, list[Operand]], str | None]

_MOST_BITS: Final = 15  # of a share


def _complaint(*checks: tuple[bool, str]) -> str | None:
    """The first text whose condition does not hold."""
    return next((text for holds, text in checks if not holds), None)


def _holds(operand: Operand, fmt: IntFormat) -> bool:
    """The operand is stored as `fmt` is."""
    return np.dtype(operand.dtype) == fmt.dtype


def softmax_has_its_tables(op: IntegerSoftmax, operands: list[Operand]) -> str | None:
    """A softmax has the tables of its style, for the width of its operand."""
    wide = op.style is SoftmaxStyle.LITERT_INT16
    bits, points = (16, [513, 513]) if wide else (8, [256])
    real = op.style in (SoftmaxStyle.LITERT_FLOAT, SoftmaxStyle.ONNXRUNTIME)
    kind = "float32" if real else "int32"
    sizes = [table.shape[0] for table in operands[1:]]
    kinds = {str(np.dtype(table.dtype)) for table in operands[1:]}
    x = np.dtype(operands[0].dtype)
    return _complaint(
        (
            op.format.bits == bits and _holds(operands[0], op.format),
            f"{op.format} from {x}, expected {bits} bits on both sides",
        ),
        (
            sizes == points and kinds == {kind},
            f"tables of {sizes} {sorted(kinds)} entries, expected {points} {kind}",
        ),
        (
            op.format.min <= op.zero_point <= op.format.max,
            f"zero_point {op.zero_point} is outside {op.format}",
        ),
        (
            math.isfinite(op.scale) and op.scale > 0,
            f"scale is {op.scale}, expected a positive number",
        ),
        (
            0 <= op.multiplier < 1 << 31 and 0 <= op.shift <= 62,
            f"multiplier {op.multiplier}, shift {op.shift}: not 31 bits, or not 0..62",
        ),
    )


def pairs_are_bytes(op: BinaryTable, operands: list[Operand]) -> str | None:
    """A table of pairs has 65536 entries, for two operands of 8 bits."""
    least = (op.x_min, op.y_min)
    found = tuple(_least(operand) for operand in operands[:2])
    size = operands[2].shape[0]
    return _complaint(
        (least == found, f"least values are {least}, expected {found} as 8 bits hold"),
        (size == 1 << 16, f"{size} entries, expected 65536"),
    )


def _least(operand: Operand) -> int | None:
    """The least value of an 8-bit operand; None for another width."""
    dtype = np.dtype(operand.dtype)
    return int(np.iinfo(dtype).min) if dtype.itemsize == 1 else None


def channels_have_tables(op: ChannelTable, operands: list[Operand]) -> str | None:
    """There is a table for each channel, with an entry for each value."""
    x = operands[0]
    stated = x.format if isinstance(x, Tensor) else None
    held = stated or np.iinfo(np.dtype(x.dtype))
    expected = (x.shape[-1], int(held.max) - int(held.min) + 1)
    found = tuple(operands[1].shape)
    return _complaint(
        (found == expected, f"tables of shape {found}, expected {expected}"),
        (
            op.x_min == held.min,
            f"x_min is {op.x_min}, expected {held.min} as {stated or x.dtype} holds",
        ),
    )


def numbers_are_finite(op: FloatRescale, operands: list[Operand]) -> str | None:  # noqa: ARG001
    """Scale and offset are numbers, the zero point one of the format."""
    return _complaint(
        (
            math.isfinite(op.scale) and math.isfinite(op.offset),
            f"scale {op.scale} and offset {op.offset} must be finite",
        ),
        (
            op.format.min <= op.zero_point <= op.format.max,
            f"zero_point {op.zero_point} is outside {op.format}",
        ),
    )


def parameters_are_of_tensors(
    op: DequantizedAvgPool2d,
    operands: list[Operand],
) -> str | None:
    """The parameters are of whole tensors, in the formats that hold them."""
    held = np.iinfo(np.dtype(operands[0].dtype))
    x, y = op.x.zero_point[0], op.y.zero_point[0]
    return _complaint(
        (
            op.x.axis is None and op.y.axis is None,
            "parameters per channel, expected one scale for the tensor",
        ),
        (held.min <= x <= held.max, f"zero point {x} is outside {held.dtype}"),
        (
            op.format.min <= y <= op.format.max,
            f"zero point {y} is outside {op.format}",
        ),
    )


def pixels_are_inside(op: ResizeInteger, operands: list[Operand]) -> str | None:
    """Every pixel that a resize reads is one, and every share at most the whole."""
    if not 0 <= op.bits <= _MOST_BITS:
        return f"shares of {op.bits} bits, expected 0..{_MOST_BITS}"
    image = operands[0].shape
    for name, size, taps in zip(
        ("rows", "columns"), image[1:3], operands[1:], strict=True
    ):
        if not isinstance(taps, np.ndarray) or taps.ndim != 2 or len(taps) != 3:
            return f"{name} are no constant of shape (3, n)"
        pixels, shares = taps[:2], taps[2]
        if size is None or np.any((pixels < 0) | (pixels >= size)):
            return f"{name} name a pixel outside 0..{size} of the operand"
        if np.any((shares < 0) | (shares > 1 << op.bits)):
            return f"{name} have a share outside 0..2**{op.bits}"
    return None


def taps_are_inside(op: ResizeSingle, operands: list[Operand]) -> str | None:
    """Every pixel that a resize reads is one, and every share is a number."""
    del op
    image, *taps = operands
    for name, size, pixels, shares in zip(
        ("rows", "columns"), image.shape[1:3], taps[:2], taps[2:], strict=True
    ):
        none = f"{name} and their shares are no constants of shape (2, n)"
        if not isinstance(pixels, np.ndarray) or not isinstance(shares, np.ndarray):
            return none
        if pixels.shape != shares.shape or len(pixels) != 2:
            return none
        if size is None or np.any((pixels < 0) | (pixels >= size)):
            return f"{name} name a pixel outside 0..{size} of the operand"
        if not np.isfinite(shares).all():
            return f"{name} have a share that is not finite"
    return None


ENGINE_RULES: Final[Mapping[type[Any], Rule]] = MappingProxyType(
    {
        IntegerSoftmax: softmax_has_its_tables,
        BinaryTable: pairs_are_bytes,
        ChannelTable: channels_have_tables,
        FloatRescale: numbers_are_finite,
        DequantizedAvgPool2d: parameters_are_of_tensors,
        ResizeInteger: pixels_are_inside,
        ResizeSingle: taps_are_inside,
    }
)
