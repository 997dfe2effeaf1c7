"""Importers of QONNX: Quant (IntQuant), BipolarQuant, Trunc; any number of bits.

Each gives real numbers that integers state: an activation becomes the integers
`y:quantized` and y, their Dequantize; a constant becomes integers at once.

Source: QONNX 1.0, qonnx/custom_op/general (intquant.py, bipolar_quant.py, trunc.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.errors import UnsupportedError
from emu.fixedpoint import IntFormat, Overflow, QParams, QuantizeRule, Rounding
from emu.frontends.onnx_constants import Constants
from emu.frontends.onnx_layout import Coding
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_stated import Stated, make_qparams, moved
from emu.graph import Shape
from emu.ops import Clamp, Op, Quantize, Table

# HALF_UP and HALF_DOWN of QONNX mean the magnitude, as in Java.
ROUNDINGS: Final[Mapping[str, Rounding]] = MappingProxyType(
    {
        "ROUND": Rounding.HALF_EVEN,
        "HALF_EVEN": Rounding.HALF_EVEN,
        "CEIL": Rounding.CEIL,
        "FLOOR": Rounding.FLOOR,
        "DOWN": Rounding.TOWARD_ZERO,
        "ROUND_TO_ZERO": Rounding.TOWARD_ZERO,
        "HALF_UP": Rounding.HALF_AWAY,
        "HALF_DOWN": Rounding.HALF_TOWARD_ZERO,
    }
)

# The same for constants, in NumPy: without compilation, and exact in float64.
_ROUNDED: Final[Mapping[Rounding, Callable[[np.ndarray], np.ndarray]]] = (
    MappingProxyType(
        {
            Rounding.HALF_EVEN: np.rint,
            Rounding.CEIL: np.ceil,
            Rounding.FLOOR: np.floor,
            Rounding.TOWARD_ZERO: np.trunc,
            Rounding.HALF_AWAY: lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
            Rounding.HALF_TOWARD_ZERO: lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
        }
    )
)

_TWO_BITS: Final = IntFormat(2)
# What the sign of a number, floor(x / scale) kept to two bits, stands for.
_SIGNS: Final = np.array([-1, -1, 1, 1], np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    """How real numbers become the integers that state them, step by step.

    `clamp` narrows what the format allows; `sign` turns the integers into -1 and 1.
    """

    quantize: Quantize
    clamp: Clamp | None = None
    sign: bool = False
    qparams: QParams  # of the result


def _spread(name: str, array: np.ndarray, shape: Shape) -> tuple[np.ndarray, int]:
    """Scales or zero points as a vector, and the axis of a tensor of `shape` they follow."""
    rank = len(shape)
    if array.ndim > rank and array.size > 1:
        raise UnsupportedError(f"{name} of shape {array.shape} for rank {rank}")
    sizes = (1,) * (rank - array.ndim) + array.shape
    axes = [axis for axis, size in enumerate(sizes[-rank:]) if size > 1]
    if len(axes) > 1:
        raise UnsupportedError(f"{name} along several axes: shape {array.shape}")
    axis = axes[0] if axes else 0
    if axes and shape[axis] != array.size:
        raise UnsupportedError(f"{name} of shape {array.shape} for shape {shape}")
    return array.reshape(-1), axis


def _qparams(constants: Constants, scale: str, zero: str, shape: Shape) -> QParams:
    scales, axis = _spread("scale", constants.value(scale, "scale"), shape)
    points = np.zeros(1)
    if zero:
        points, other = _spread("zeropt", constants.value(zero, "zeropt"), shape)
        if points.size > 1 and (other != axis or scales.size == 1):
            raise UnsupportedError("zero points along another axis than the scales")
    if (points != np.rint(points)).any():
        raise UnsupportedError("zero points that are no integers")
    return make_qparams(scales.astype(np.float32), points, axis)


def _bits(constants: Constants, name: str) -> int:
    bits = constants.value(name, "bit width")
    if bits.size != 1 or not 1 <= bits.reshape(()) <= 32 or bits != np.rint(bits):
        raise UnsupportedError(f"a bit width of {bits.tolist()}, expected 1 to 32")
    return int(bits.reshape(()))


def _rounding(node: OnnxNode, default: str) -> Rounding:
    mode = node.text("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        known = ", ".join(ROUNDINGS)
        raise UnsupportedError(f"rounding_mode {mode}; known: {known}")
    return ROUNDINGS[mode]


def _quant(
    bits: int, signed: bool, narrow: bool, rounding: Rounding, qparams: QParams
) -> Coder:
    """clip(round(x / scale + zero_point)) to the range of the bits.

    `narrow` leaves out the least number, of unsigned ones the greatest. One bit with
    sign is -1 and 1.
    """
    if bits == 1 and signed:
        return _bipolar(qparams)
    zero = not any(qparams.zero_point)
    fmt = IntFormat(max(bits, 2), signed)
    quantize = Quantize(
        format=fmt,
        qparams=qparams,
        rounding=rounding,
        overflow=Overflow.SATURATE_SYMMETRIC
        if signed and narrow
        else Overflow.SATURATE,
        rule=QuantizeRule.DIVIDE if zero else QuantizeRule.OFFSET_THEN_ROUND,
    )
    clamp = None
    if not signed and (narrow or bits == 1):
        clamp = Clamp(low=0, high=(1 << bits) - 1 - narrow)
    return Coder(quantize=quantize, clamp=clamp, qparams=qparams)


def _bipolar(qparams: QParams) -> Coder:
    """1 where x >= 0, else -1, times the scale."""
    if any(qparams.zero_point):
        raise UnsupportedError("a zero point of one bit with sign")
    quantize = Quantize(format=_TWO_BITS, qparams=qparams, rounding=Rounding.FLOOR)
    return Coder(quantize=quantize, sign=True, qparams=qparams)


def _read_quant(constants: Constants, node: OnnxNode, shape: Shape) -> Coder:
    scale, zero, bits = node.inputs[1:4]
    return _quant(
        _bits(constants, bits),
        node.integer("signed", 1) == 1,
        node.integer("narrow", 0) == 1,
        _rounding(node, "ROUND"),
        _qparams(constants, scale, zero, shape),
    )


def _read_bipolar(constants: Constants, node: OnnxNode, shape: Shape) -> Coder:
    return _bipolar(_qparams(constants, node.inputs[1], "", shape))


def _read(constants: Constants, node: OnnxNode, shape: Shape) -> Coder:
    kind = node.kind.removeprefix("qonnx.")
    read = _read_bipolar if kind == "BipolarQuant" else _read_quant
    return read(constants, node, shape)


def import_quant(scope: Scope, node: OnnxNode) -> None:
    """Quant, IntQuant and BipolarQuant of an activation."""
    x = node.inputs[0]
    coder = _read(scope.constants, node, scope.shape(x))
    _emit(scope, node, x, coder, node.outputs[0])


def _emit(scope: Scope, node: OnnxNode, x: str, coder: Coder, name: str) -> None:
    """Append the integers `name:quantized`, and let `name` be what they mean."""
    axis = coder.quantize.qparams.axis
    scope.keeps_batch(axis != 0, "it has a scale for each of the batch")
    perm, held = scope.held(x)
    codes = scope.constants.derived(f"{name}:quantized")
    step = replace(node, outputs=(codes,), name=codes)
    quantize = replace(coder.quantize, qparams=moved(coder.quantize.qparams, perm))
    last: Op | None = coder.clamp
    operands: tuple[str, ...] = ()
    if coder.sign:
        last = Table(x_min=_TWO_BITS.min)
        operands = (scope.constants.integers(f"{codes}:signs", _SIGNS),)
    coding = Coding(format=quantize.format, qparams=coder.qparams)
    if last is not None:
        wide = scope.constants.derived(f"{name}:{'sign' if coder.sign else 'wide'}")
        first = replace(step, outputs=(wide,), name=wide)
        scope.emit(first, quantize, (held,), perm, coding=coding)
        inputs = (scope.view(wide, perm), *operands)
        scope.emit(step, last, inputs, perm, coding=coding)
    else:
        scope.emit(step, quantize, (held,), perm, coding=coding)
    scope.decode(name, codes, coder.qparams)


def fold_quant(constants: Constants, node: OnnxNode) -> Stated:
    """Quant, IntQuant and BipolarQuant of a constant."""
    x, name = node.inputs[0], node.outputs[0]
    array = constants.value(x, "operand")
    coder = _read(constants, node, array.shape)
    return Stated(
        name=name,
        source=constants.derived(f"{name}:quantized"),
        codes=_codes(coder, array.astype(np.float32)),
        format=coder.quantize.format,
        qparams=coder.qparams,
    )


def _codes(coder: Coder, x: np.ndarray) -> np.ndarray:
    """The integers that the coder gives, as its Quantize gives them at run time."""
    op, qparams = coder.quantize, coder.quantize.qparams
    along = [-1 if axis == qparams.axis else 1 for axis in range(x.ndim)]
    scale, zero_point = (
        np.array(values, np.float32).reshape(along if qparams.axis is not None else ())
        for values in (qparams.scale, qparams.zero_point)
    )
    steps = (x / scale + zero_point).astype(np.float64)
    low, high = op.format.min, op.format.max
    if op.overflow is Overflow.SATURATE_SYMMETRIC:
        low = max(low, -high)
    if coder.clamp:
        low, high = max(low, coder.clamp.low), min(high, coder.clamp.high)
    codes = np.clip(_ROUNDED[op.rounding](steps), low, high).astype(np.int64)
    if coder.sign:
        codes = _SIGNS[codes - _TWO_BITS.min]
    return codes.astype(op.format.dtype)


def import_trunc(scope: Scope, node: OnnxNode) -> None:
    """Trunc: integers of in_bitwidth, of which the upper out_bitwidth are kept.

    Version 1 keeps the scale: y = (round(q / 2**t) - zeropt) * scale with t = in_bitwidth
    - out_bitwidth. Version 2 has an output scale, 2**t scales, and clips.
    """
    x, name = node.inputs[0], node.outputs[0]
    constants, shape = scope.constants, scope.shape(node.inputs[0])
    qparams = _qparams(constants, node.inputs[1], node.inputs[2], shape)
    if any(qparams.zero_point):
        raise UnsupportedError("a zero point")
    wide, narrow = _bits(constants, node.inputs[3]), _bits(constants, node.inputs[-1])
    rounding = _rounding(node, "FLOOR")
    if len(node.inputs) == 5:
        shift, result, signed, least = wide - narrow, qparams, True, False
        # The integers are not clipped: a format that holds all there can be.
        narrow = 32
    else:
        result = _qparams(constants, node.inputs[4], node.inputs[2], shape)
        shift = _shift(qparams, result)
        signed = node.integer("signed", 1) == 1
        least = node.integer("narrow", 0) == 1
    if not 0 <= shift < 24:
        raise UnsupportedError(f"it cuts {shift} bits")
    whole = constants.derived(f"{name}:whole")
    _emit(scope, node, x, _quant(32, True, False, Rounding.HALF_EVEN, qparams), whole)
    # q / 2**t is a float32 number for |q| < 2**24, and is rounded here alone.
    shares = QParams((2.0**-shift,), (0,))
    parts = constants.derived(f"{name}:parts")
    scope.decode(parts, constants.derived(f"{whole}:quantized"), shares)
    cut = _quant(narrow, signed, least, rounding, QParams((1.0,), (0,)))
    _emit(scope, node, parts, replace(cut, qparams=result), name)


def _shift(qparams: QParams, result: QParams) -> int:
    """The power of two between two scales."""
    ratios = {
        float(np.rint(np.log2(out / scale)))
        for out, scale in zip(result.scale, qparams.scale, strict=False)
    }
    if len(ratios) != 1 or len(result.scale) != len(qparams.scale):
        raise UnsupportedError("output scales that are no common multiple")
    return int(ratios.pop())
