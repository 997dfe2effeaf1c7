"""Layers of one value as TFLite operators, and random parameters for them."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from emu import ops
from emu.fixedpoint import INT8, INT16, UINT8, IntFormat, QParams
from tests.oracles.litert import Lite, Resolver, run_litert, single_op_model

Array = np.ndarray[Any, Any]
FORMATS = {"int8": INT8, "uint8": UINT8, "int16": INT16}
_LIMITS = {(0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, 1.0): "RELU_0_TO_1"}
_PLAIN = {
    ops.Sigmoid: "LOGISTIC",
    ops.Tanh: "TANH",
    ops.Elu: "ELU",
    ops.Relu: "RELU",
}


def operator_of(op: ops.Op) -> tuple[str, Any]:
    """The builtin operator of a layer and its options."""
    if isinstance(op, ops.Clip):
        return _LIMITS[op.low, op.high], None
    if isinstance(op, ops.LeakyRelu):
        options = schema.LeakyReluOptionsT()
        options.alpha = op.alpha
        return "LEAKY_RELU", options
    if isinstance(op, ops.Gelu):
        options = schema.GeluOptionsT()
        options.approximate = op.approximate
        return "GELU", options
    if isinstance(op, ops.HardSwish):
        return "HARD_SWISH", schema.HardSwishOptionsT()
    if isinstance(op, ops.Exp):
        return "EXP", schema.ExpOptionsT()
    if isinstance(op, ops.Identity):
        return "QUANTIZE", schema.QuantizeOptionsT()
    return _PLAIN[type(op)], None


def every_code(fmt: IntFormat) -> Array:
    """Each value of a format once, as one row."""
    return np.arange(fmt.min, fmt.max + 1).astype(fmt.dtype)[None]


def litert_codes(
    op: ops.Op, x: QParams, y: QParams, fmt: IntFormat, resolver: Resolver
) -> Array:
    """What LiteRT gives for every code."""
    codes = every_code(fmt)
    name, options = operator_of(op)
    sides = [
        Lite(
            shape=codes.shape,
            dtype=str(fmt),
            scale=q.scale[0],
            zero_point=q.zero_point[0],
        )
        for q in (x, y)
    ]
    model = single_op_model(name, options, sides[:1], sides[1:])
    return run_litert(model, [codes], resolver)[0]


def random_qparams(
    rng: np.random.Generator, op: ops.Op, fmt: IntFormat
) -> tuple[QParams, QParams]:
    """Scales and zero points that LiteRT takes for a layer in this format."""
    wide = fmt.bits == 16
    x_scale = 10 ** (rng.uniform(-5, -3.4) if wide else rng.uniform(-3.5, -0.3))
    zero = 0 if wide else int(rng.integers(fmt.min, fmt.max + 1))
    x = QParams((x_scale,), (zero,))
    if isinstance(op, ops.Sigmoid | ops.Tanh):
        half = isinstance(op, ops.Tanh)
        middle = 0 if fmt.signed else 128
        if wide:
            return x, QParams((2.0**-15,), (0,))
        return x, QParams(
            (2.0**-7 if half else 2.0**-8,), (middle if half else fmt.min,)
        )
    zero = 0 if wide else int(rng.integers(fmt.min, fmt.max + 1))
    if isinstance(op, ops.Exp) and wide:
        top = np.exp(min(x.scale[0] * fmt.max, 30.0))
        return x, QParams((float(top) / fmt.max * rng.uniform(0.5, 2),), (zero,))
    return x, QParams((x.scale[0] * 10 ** rng.uniform(-0.3, 0.7),), (zero,))
