"""FULLY_CONNECTED and BATCH_MATMUL: LiteRT has a kernel for each kind of operand.

Large layers, so that rules which differ in one result of a thousand are told apart.
"""

from typing import Any

import numpy as np
import pytest

from emu.execute import Program
from emu.quantize import lower_stated
from emu.targets import find_target
from tests.frontends.test_tflite_ops import options
from tests.frontends.tflite_models import draw, import_bytes
from tests.oracles.litert import (
    Lite,
    Resolver,
    lite_constant,
    run_litert_all,
    single_op_model,
)

Array = np.ndarray[Any, Any]

TARGETS = {
    Resolver.REFERENCE: "tflite-reference",
    Resolver.OPTIMIZED: "tflite-optimized",
    Resolver.XNNPACK: "tflite-xnnpack",
}
CHANNELS = 1000


def both(data: bytes, x: list[Array], resolver: Resolver) -> tuple[Array, Array]:
    """Our integers and LiteRT's."""
    (theirs,) = run_litert_all(data, x, resolver)[0]
    graph = lower_stated(import_bytes(data), find_target(TARGETS[resolver]))
    ours = Program(graph, 1)(dict(zip(graph.inputs, x, strict=True)))
    return ours[graph.outputs[0]], theirs


def dense(depth: int, bias: str | None, *, per_channel: bool) -> bytes:
    """A file of one FULLY_CONNECTED of int16, whose results fill the format."""
    rng = np.random.default_rng(depth)
    x_scale, scale = rng.uniform(0.5e-4, 2e-4), rng.uniform(0.005, 0.02)
    weights = rng.integers(-127, 128, (CHANNELS, depth)).astype(np.int8)
    scales = tuple(scale * rng.uniform(0.7, 1.4, CHANNELS))
    w = lite_constant(weights, scale, 0)
    if per_channel:
        w = lite_constant(weights, scales, (0,) * CHANNELS, 0)
    b = None
    if bias:
        values = rng.integers(-(10**5), 10**5, CHANNELS).astype(bias)
        b = lite_constant(values, x_scale * scale, 0)
    y_scale = x_scale * scale * depth * rng.uniform(40, 70)
    x = Lite(shape=(1, depth), dtype="int16", scale=x_scale, zero_point=0)
    y = Lite(shape=(1, CHANNELS), dtype="int16", scale=y_scale, zero_point=0)
    setting = options("FullyConnectedOptions")
    return single_op_model("FULLY_CONNECTED", setting, [x, w, b], [y])


@pytest.mark.parametrize("resolver", Resolver)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", [None, "int32", "int64"])
def test_a_dense_layer_of_16_bits_is_that_of_each_kernel_set(
    bias, per_channel, resolver
):
    for depth in (9, 23, 37, 58):
        data = dense(depth, bias, per_channel=per_channel)
        rng = np.random.default_rng(depth + 1)
        x = rng.integers(-32768, 32768, (1, depth)).astype(np.int16)
        ours, theirs = both(data, [x], resolver)
        if bias == "int32" and resolver is Resolver.REFERENCE:
            # The reference kernel takes the bytes for a bias of int64.
            assert np.mean(ours != theirs) > 0.9
        else:
            np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("resolver", Resolver)
@pytest.mark.parametrize("bias", [None, "int64"])
def test_sums_wrap_at_32_bits_where_the_kernel_has_no_more(bias, resolver):
    depth = 1200
    data = dense(depth, bias, per_channel=False)
    # The largest inputs of the signs of one channel's weights.
    weights = np.random.default_rng(depth)
    weights.uniform(size=2)
    signs = np.sign(weights.integers(-127, 128, (CHANNELS, depth))[0])
    x = (signs * 32767)[None].astype(np.int16)
    ours, theirs = both(data, [x], resolver)
    np.testing.assert_array_equal(ours, theirs, strict=True)
    wraps = bias is None and resolver is not Resolver.REFERENCE
    assert (theirs[0, 0] < 32767) == wraps


@pytest.mark.parametrize("resolver", Resolver)
@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
def test_a_matrix_product_is_that_of_each_kernel_set(
    adjoint, constant, dtype, resolver
):
    m, k, n = 32, 40, 48
    sizes = (1, n, k) if adjoint else (1, k, n)
    rng = np.random.default_rng(4)
    wide = dtype == "int16"
    held = np.iinfo(dtype)
    zeros = (0, 0, 0) if wide else (3, -5, 7)
    x = Lite(shape=(1, m, k), dtype=dtype, scale=0.0133, zero_point=zeros[0])
    y = Lite(shape=sizes, dtype=dtype, scale=0.0171, zero_point=zeros[1])
    if constant:
        values = rng.integers(-127, 128, sizes).astype(dtype)
        y = lite_constant(values, 0.0171, 0)
    steps = {(False, True): 1e3, (False, False): 1e3, (True, True): 200}
    scale = 0.0133 * 0.0171 * steps.get((wide, constant), 1.6e5)
    z = Lite(shape=(1, m, n), dtype=dtype, scale=scale, zero_point=zeros[2])
    setting = options("BatchMatMulOptions", adjY=adjoint)
    data = single_op_model("BATCH_MATMUL", setting, [x, y], [z])
    feeds = [draw(rng, t, 1) for t in ([x] if constant else [x, y])]
    ours, theirs = both(data, feeds, resolver)
    assert np.mean((theirs > held.min) & (theirs < held.max)) > 0.5
    np.testing.assert_array_equal(ours, theirs, strict=True)
