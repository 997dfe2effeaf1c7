"""Every TFLite operator in integers, imported and lowered, beside LiteRT's kernels.

The float cases of tests/frontends/test_tflite_ops.py are quantized here: int8, uint8
and int16 activations; the target of each kernel set computes the same integers.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytest

from emu.execute import Program
from emu.quantize import lower_stated
from emu.targets import find_target
from tests.frontends.test_tflite_ops import CASES
from tests.frontends.tflite_models import draw, import_bytes, run_ours
from tests.oracles.litert import (
    Lite,
    Resolver,
    lite_constant,
    run_litert_all,
    single_op_model,
)

Array = np.ndarray[Any, Any]
Code = tuple[float, int]

DTYPES: Final = ("int8", "uint8", "int16")
TARGETS: Final = {
    Resolver.REFERENCE: "tflite-reference",
    Resolver.OPTIMIZED: "tflite-optimized",
    Resolver.XNNPACK: "tflite-xnnpack",
}
# Operators whose operands and result have one scale.
ONE_SCALE: Final = {
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    *("PAD", "PADV2", "PACK", "SPLIT", "SLICE", "STRIDED_SLICE", "CONCATENATION"),
    *("TRANSPOSE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"),
    *("REDUCE_MAX", "REDUCE_MIN", "MINIMUM", "MAXIMUM"),
}
# Operators whose result has a scale that LiteRT prescribes, and its zero points.
PRESCRIBED: Final[dict[str, dict[str, Code]]] = {
    "SOFTMAX": {"int8": (2**-8, -128), "uint8": (2**-8, 0), "int16": (2**-15, 0)},
    "LOGISTIC": {"int8": (2**-8, -128), "uint8": (2**-8, 0), "int16": (2**-15, 0)},
    "TANH": {"int8": (2**-7, 0), "uint8": (2**-7, 128), "int16": (2**-15, 0)},
}
# Operators that sum products: positions of weights and bias, axis of the outputs.
WEIGHTED: Final = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "TRANSPOSE_CONV": (1, 3, 0),
    "FULLY_CONNECTED": (1, 2, 0),
}

ALL: Final = tuple(Resolver)
REFERENCE, OPTIMIZED, XNNPACK = ALL
# Kernels that LiteRT does not have.
ABSENT: Final[dict[tuple[str, str], Sequence[Resolver]]] = {
    ("BATCH_MATMUL", "uint8"): ALL,
    ("SQUARED_DIFFERENCE", "uint8"): ALL,
    ("SQUARED_DIFFERENCE", "int16"): ALL,
    ("HARD_SWISH", "int16"): ALL,
    ("EXP", "uint8"): ALL,
    ("ELU", "int8"): (REFERENCE,),
    ("ELU", "uint8"): ALL,
    ("ELU", "int16"): ALL,
    ("RELU_N1_TO_1", "int16"): ALL,
    ("RELU_0_TO_1", "int16"): ALL,
}
# Kernels that are not computed exactly, and why.
APART: Final[dict[tuple[str, str], tuple[Sequence[Resolver], str]]] = {
    ("SUM", "int8"): ((REFERENCE,), "LiteRT's kernel gives numbers without meaning"),
    ("SUM", "int16"): ((REFERENCE,), "LiteRT's kernel gives numbers without meaning"),
}
# Those that run every time; the others with -m slow.
ALWAYS: Final = ("dense-of-images", "add-relu", "resize-bilinear")


def code_of(rng: np.random.Generator, low: float, high: float, dtype: str) -> Code:
    """A scale and zero point for about this range."""
    low, high = min(low, 0.0), max(high, 1e-3)
    if dtype == "int16":
        return max(-low, high) / 32767 * rng.uniform(0.9, 1.0), 0
    held = np.iinfo(dtype)
    scale = (high - low) / 255 * rng.uniform(0.8, 1.0)
    return scale, int(np.clip(round(held.min - low / scale), held.min, held.max))


def constant(values: Array, code: Code, dtype: str) -> Lite:
    scale, zero = code
    held = np.iinfo(dtype)
    codes = np.clip(np.rint(values / scale) + zero, held.min, held.max)
    return lite_constant(codes.astype(dtype), scale, zero)


def weights(values: Array, axis: int, dtype: str) -> Lite:
    """By channel and symmetric; legacy uint8 ones have one scale and a zero point."""
    if dtype == "uint8":
        code = code_of(np.random.default_rng(0), values.min(), values.max(), dtype)
        return constant(values, code, dtype)
    others = tuple(a for a in range(values.ndim) if a != axis)
    scales = (np.abs(values).max(axis=others, keepdims=True) / 127).astype(np.float32)
    codes = np.clip(np.rint(values / scales), -127, 127).astype(np.int8)
    each = tuple(map(float, scales.ravel()))
    return lite_constant(codes, each, (0,) * len(each), axis)


def bias(values: Array, x_scale: float, of_weights: Lite, dtype: str) -> Lite:
    scales = np.float32(x_scale) * np.atleast_1d(
        np.asarray(of_weights.scale, np.float32)
    )
    held = np.int64 if dtype == "int16" else np.int32
    each = tuple(map(float, scales))
    return lite_constant(np.rint(values / scales).astype(held), each, (0,) * len(each))


def quantized_inputs(
    operator: str, inputs: Sequence[Lite | None], dtype: str, rng: np.random.Generator
) -> list[Lite | None]:
    """The operands of a float case as integers."""
    first = code_of(rng, -5.0, 5.0, dtype)
    at_weights, at_bias, axis = WEIGHTED.get(operator, (-1, -1, 0))
    made: list[Lite | None] = []
    for position, tensor in enumerate(inputs):
        if tensor is None or tensor.dtype != "float32":
            made.append(tensor)
        elif tensor.data is None:
            one = operator in ONE_SCALE or not any(made)
            scale, zero = first if one else code_of(rng, -3.0, 6.0, dtype)
            shape = tensor.shape
            made.append(Lite(shape=shape, dtype=dtype, scale=scale, zero_point=zero))
        elif position == at_weights:
            made.append(weights(tensor.data, axis, dtype))
        elif position == at_bias:
            of_weights = made[at_weights]
            assert of_weights
            made.append(bias(tensor.data, first[0], of_weights, dtype))
        elif operator == "PRELU" and dtype == "int16":
            # An int16 PRELU has slopes of 8 bits.
            made.append(constant(tensor.data, (0.02, 0), "int8"))
        else:
            ends = float(tensor.data.min()), float(tensor.data.max())
            code = first if operator in ONE_SCALE else code_of(rng, *ends, dtype)
            made.append(constant(tensor.data, code, dtype))
    return made


def quantized(name: str, dtype: str) -> tuple[bytes, list[Lite]]:
    """The file of a case in integers, and its inputs."""
    operator, options, inputs, outputs = CASES[name]
    rng = np.random.default_rng(1)
    reals = import_bytes(single_op_model(operator, options, inputs, outputs))
    computed = [t for t in inputs if t is not None and t.data is None]
    values = run_ours(reals, [draw(rng, tensor, 2) for tensor in computed])
    made = quantized_inputs(operator, inputs, dtype, rng)
    feeds = [t for t in made if t is not None and t.data is None]
    results = []
    for tensor, result in zip(outputs, reals.outputs, strict=True):
        # A few results lie outside the format.
        low, high = np.percentile(values[result], [2, 98])
        code = code_of(rng, float(low), float(high), dtype)
        if operator in PRESCRIBED:
            code = PRESCRIBED[operator][dtype]
        elif operator in ONE_SCALE:
            scale, zero = feeds[0].scale, feeds[0].zero_point
            assert isinstance(scale, float)
            assert isinstance(zero, int)
            code = scale, zero
        shape, (scale, zero) = tensor.shape, code
        results.append(Lite(shape=shape, dtype=dtype, scale=scale, zero_point=zero))
    return single_op_model(operator, options, made, results), feeds


def largest_step(data: bytes, feeds: Sequence[Lite], resolver: Resolver) -> int:
    """How far our integers are from LiteRT's for two samples over the whole range."""
    rng = np.random.default_rng(5)
    x = [draw(rng, tensor, 2) for tensor in feeds]
    theirs = [
        run_litert_all(data, [a[i : i + 1] for a in x], resolver)[0] for i in (0, 1)
    ]
    graph = lower_stated(import_bytes(data), find_target(TARGETS[resolver]))
    ours = Program(graph, 2)(dict(zip(graph.inputs, x, strict=True)))
    apart = 0
    for name, *each in zip(graph.outputs, *theirs, strict=True):
        expected = np.concatenate([np.atleast_1d(one) for one in each])
        assert ours[name].dtype == expected.dtype
        assert ours[name].shape == expected.shape
        steps = np.abs(ours[name].astype(int) - expected)
        apart = max(apart, int(steps.max(initial=0)))
    return apart


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    [
        name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_an_operator_gives_the_integers_of_each_kernel_set(name, dtype):
    data, feeds = quantized(name, dtype)
    kind = (CASES[name][0], dtype)
    absent, (apart, _) = ABSENT.get(kind, ()), APART.get(kind, ((), ""))
    for resolver in Resolver:
        if resolver in absent:
            with pytest.raises((RuntimeError, ValueError)):
                run_litert_all(data, [draw_one(t) for t in feeds], resolver)
        elif resolver in apart:
            assert largest_step(data, feeds, resolver) > 0, resolver
        else:
            assert largest_step(data, feeds, resolver) == 0, resolver


def draw_one(tensor: Lite) -> Array:
    return draw(np.random.default_rng(5), tensor, 1)
