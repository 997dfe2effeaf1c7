"""QLinear operators as what they mean: DequantizeLinear, a float operator, QuantizeLinear.

Each becomes a few nodes as a QDQ file would have them, which the importers of those
read. The real tensor `y:real` before a quantized y, and `x:dequantized` after a
quantized x, have names of ours.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from onnx import TensorProto

from emu.errors import UnsupportedError
from emu.fixedpoint import QParams
from emu.frontends.onnx_node import MUL_ALONE, OnnxNode
from emu.frontends.onnx_quantize import read_qparams
from emu.frontends.onnx_scope import Scope


class Codes(NamedTuple):
    """Where an operator has a quantized operand: its integers, scale, zero point."""

    codes: int
    scale: int
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A QLinear operator: its float operator, and the places of its operands.

    `axes` are those along which the operands' parameters may be, counted from the
    first or, negative, from the last. `result` has the places of the result's scale
    and zero point, `bias` that of an int32 bias with scale x_scale * w_scale, `plain`
    those of operands that are passed on before all others.
    """

    kind: str
    operands: tuple[Codes, ...]
    result: tuple[int, int]
    axes: tuple[int, ...] = (0, 0)
    bias: int | None = None
    plain: tuple[int, ...] = ()


_X: Final = Codes(0, 1, 2)
_Y: Final = Codes(3, 4, 5)

# Sources: ONNX operators QLinearConv and QLinearMatMul; ContribOperators.md of ONNX
# Runtime for com.microsoft.
MEANINGS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "QLinearConv": Meaning(
            kind="Conv", operands=(_X, _Y), result=(6, 7), axes=(1, 0), bias=8
        ),
        "QLinearMatMul": Meaning(
            kind="MatMul", operands=(_X, _Y), result=(6, 7), axes=(-2, -1)
        ),
        "com.microsoft.QGemm": Meaning(
            kind="Gemm", operands=(_X, _Y), result=(7, 8), axes=(0, 1), bias=6
        ),
        "com.microsoft.QLinearAdd": Meaning(
            kind="Add", operands=(_X, _Y), result=(6, 7)
        ),
        "com.microsoft.QLinearMul": Meaning(
            kind="Mul", operands=(_X, _Y), result=(6, 7)
        ),
        "com.microsoft.QLinearSigmoid": Meaning(
            kind="Sigmoid", operands=(_X,), result=(3, 4)
        ),
        "com.microsoft.QLinearLeakyRelu": Meaning(
            kind="LeakyRelu", operands=(_X,), result=(3, 4)
        ),
        "com.microsoft.QLinearSoftmax": Meaning(
            kind="Softmax", operands=(_X,), result=(3, 4)
        ),
        "com.microsoft.QLinearWhere": Meaning(
            kind="Where",
            operands=(Codes(1, 2, 3), Codes(4, 5, 6)),
            result=(7, 8),
            plain=(0,),
        ),
        "com.microsoft.QLinearGlobalAveragePool": Meaning(
            kind="GlobalAveragePool", operands=(_X,), result=(3, 4)
        ),
        "com.microsoft.QLinearAveragePool": Meaning(
            kind="AveragePool", operands=(_X,), result=(3, 4)
        ),
    }
)

_CONCAT: Final = "com.microsoft.QLinearConcat"


def _meaning(node: OnnxNode) -> Meaning:
    """What the node means; QLinearConcat has as many operands as it likes."""
    if node.kind != _CONCAT:
        return MEANINGS[node.kind]
    triples = tuple(Codes(i, i + 1, i + 2) for i in range(2, len(node.inputs), 3))
    axes = (0,) * len(triples)
    return Meaning(kind="Concat", operands=triples, result=(0, 1), axes=axes)


def expand(scope: Scope, node: OnnxNode) -> tuple[OnnxNode, ...]:
    """The nodes that a QLinear operator stands for."""
    meaning = _meaning(node)
    if node.integer("channels_last", 0):
        raise UnsupportedError("channels_last")
    if node.kind == "com.microsoft.QGemm" and node.integer("transB", 0):
        meaning = replace(meaning, axes=(0, 0))
    parts = [
        _dequantize(scope, node, place, axis)
        for place, axis in zip(meaning.operands, meaning.axes, strict=False)
    ]
    inputs = [node.operand(place) for place in meaning.plain]
    inputs += [part.outputs[0] for part in parts]
    if meaning.bias is not None and node.operand(meaning.bias):
        parts.append(_dequantize_bias(scope, node, meaning.bias))
        inputs.append(parts[-1].outputs[0])
    name = node.outputs[0]
    scale, zero_point = (node.operand(place) for place in meaning.result)
    real = scope.constants.derived(f"{name}:real") if scale else name
    attributes = dict(node.attributes)
    if meaning.kind == "Softmax":
        attributes.setdefault("axis", -1)
    parts.append(
        replace(
            node,
            kind=meaning.kind,
            inputs=tuple(inputs),
            outputs=(real,),
            attributes=attributes,
            opset=node.integer("opset", node.opset),
        )
    )
    if scale:
        inputs = (real, _float32(scope, scale), zero_point)
        parts.append(_part(node, "QuantizeLinear", inputs, name, {}))
    return tuple(parts)


def expand_integer_product(scope: Scope, node: OnnxNode) -> tuple[OnnxNode, ...]:
    """MatMulIntegerToFloat: the product of integers, scaled, and a bias in float.

    Its scale is a_scale * b_scale in float32, then float32(sum) * scale + bias.
    Source: onnxruntime/contrib_ops/cpu/quantization/dynamic_quantize_matmul.cc.
    """
    a, b, a_scale, b_scale = node.inputs[:4]
    points = (node.operand(4), node.operand(5))
    name, bias = node.outputs[0], node.operand(6)
    sums, reals, scale, scaled = (
        _fresh(scope, f"{name}:{what}") for what in ("sums", "reals", "scale", "scaled")
    )
    last = scaled if bias else name
    parts = [
        _part(node, "MatMulInteger", (a, b, *points), sums, {}),
        _part(node, "Cast", (sums,), reals, {"to": TensorProto.FLOAT}),
    ]
    known = scope.constants
    if a_scale in known and b_scale in known:
        factors = (known.value(name, "scale") for name in (a_scale, b_scale))
        known.arrays[scale] = np.asarray(np.multiply(*factors))
    else:
        parts.append(_part(node, "Mul", (a_scale, b_scale), scale, {}))
    parts.append(_part(node, MUL_ALONE, (reals, scale), last, {}))
    if bias:
        parts.append(_part(node, "Add", (scaled, bias), name, {}))
    return tuple(parts)


def expand_dynamic_product(scope: Scope, node: OnnxNode) -> tuple[OnnxNode, ...]:
    """DynamicQuantizeMatMul: DynamicQuantizeLinear, then MatMulIntegerToFloat."""
    a, b, b_scale = node.inputs[:3]
    found = tuple(
        _fresh(scope, f"{node.outputs[0]}:{what}")
        for what in ("codes", "a-scale", "a-zero-point")
    )
    codes, a_scale, a_point = found
    quantize = _part(node, "DynamicQuantizeLinear", (a,), codes, {})
    operands = (codes, b, a_scale, b_scale, a_point, *map(node.operand, (3, 4)))
    product = replace(node, inputs=operands)
    return (
        replace(quantize, outputs=found),
        *expand_integer_product(scope, product),
    )


def _part(
    node: OnnxNode,
    kind: str,
    inputs: Iterable[str],
    output: str,
    attributes: Mapping[str, int],
) -> OnnxNode:
    """One of the nodes that `node` stands for."""
    return replace(
        node,
        name=output,
        kind=kind,
        inputs=tuple(inputs),
        outputs=(output,),
        attributes=attributes,
    )


def _dequantize(scope: Scope, node: OnnxNode, place: Codes, axis: int) -> OnnxNode:
    codes, scale, zero_point = (node.operand(i) for i in place)
    inputs = (codes, _float32(scope, scale), zero_point)
    output = _fresh(scope, f"{codes}:dequantized")
    return _part(node, "DequantizeLinear", inputs, output, {"axis": axis})


def _dequantize_bias(scope: Scope, node: OnnxNode, place: int) -> OnnxNode:
    """The bias counts in x_scale * w_scale, one for each output or for all."""
    x_scale, w_scale = (scope.constants.value(node.inputs[i], "scale") for i in (1, 4))
    scale = _fresh(scope, f"{node.inputs[place]}:scale")
    product = np.float32(1) * x_scale.astype(np.float32) * w_scale.astype(np.float32)
    scope.constants.arrays[scale] = product.reshape(-1)
    inputs = (node.inputs[place], scale, "")
    output = _fresh(scope, f"{node.inputs[place]}:dequantized")
    return _part(node, "DequantizeLinear", inputs, output, {"axis": 0})


def _fresh(scope: Scope, name: str) -> str:
    """A name made from `name` that neither the file nor the import has used."""
    name, free, count = scope.constants.derived(name), name, 1
    while scope.known(free) or free in scope.constants:
        count += 1
        free = f"{name}.{count}"
    return free


def _float32(scope: Scope, name: str) -> str:
    """A scale as float32; one of float16 under another name."""
    array = scope.constants.value(name, "scale")
    if array.dtype != np.float16:
        return name
    wide = scope.constants.derived(f"{name}:float32")
    scope.constants.arrays[wide] = array.astype(np.float32)
    return wide


def stated_qparams(
    scope: Scope, name: str, shape: Iterable[int | None], nodes: Iterable[OnnxNode]
) -> QParams | None:
    """Parameters that the first reader of an integer input states; None for none."""
    sizes = tuple(size or 0 for size in shape)
    for node in nodes:
        for codes, scale, zero_point in _places(node):
            if node.operand(codes) == name and node.operand(scale) in scope.constants:
                names = node.operand(scale), node.operand(zero_point)
                axis = node.integer("axis", 1)
                return read_qparams(scope.constants, *names, axis, sizes)
    return None


def _places(node: OnnxNode) -> tuple[Codes, ...]:
    if node.kind in ("DequantizeLinear", "com.microsoft.DequantizeLinear"):
        return (_X,)
    known = node.kind in MEANINGS or node.kind == _CONCAT
    return _meaning(node).operands if known else ()


Expansion = Callable[[Scope, OnnxNode], tuple[OnnxNode, ...]]
EXPANSIONS: Final[Mapping[str, Expansion]] = MappingProxyType(
    {
        **dict.fromkeys((*MEANINGS, _CONCAT), expand),
        "com.microsoft.MatMulIntegerToFloat": expand_integer_product,
        "com.microsoft.DynamicQuantizeMatMul": expand_dynamic_product,
    }
)
