"""The digest: one for equal bits, another for any other bit."""

import numpy as np
import pytest

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat, QParams
from emu.gate.digest import BIT_SAMPLES, BitDigest, integer_outputs
from emu.graph import GraphBuilder, Tensor
from emu.ops import Dequantize, Quantize, Relu, Softmax

Q = QParams(scale=(0.5,), zero_point=(3,))
FORMAT = IntFormat(8)


def digest(*batches: np.ndarray) -> str:
    total = BitDigest(("a", "b"))
    for x in batches:
        total.add({"a": x, "b": x[:, :2].astype(np.int32)})
    return total.hexdigest()


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (count, 5)).astype(np.int8)


@pytest.mark.parametrize("size", [1, 3, 32, 64, 100])
def test_digest_does_not_depend_on_the_batch_size(size):
    x = rows(100)
    parts = [x[start : start + size] for start in range(0, len(x), size)]
    assert digest(*parts) == digest(x)


def test_only_the_first_rows_count():
    x = rows(BIT_SAMPLES + 5)
    assert digest(x) == digest(x[:BIT_SAMPLES])
    assert digest(x[: BIT_SAMPLES - 1]) != digest(x)


def test_one_bit_changes_the_digest():
    x = rows(8)
    y = x.copy()
    y[7, 4] ^= 1
    assert digest(x) != digest(y)


def test_dtype_shape_and_order_of_rows_count():
    x = rows(8)
    assert digest(x) != digest(x.astype(np.int16))
    assert digest(x) != digest(x[::-1])
    assert digest(x[:, :4]) != digest(x[:, :4].reshape(8, 2, 2)[:, :, :2])


def test_byte_order_in_memory_does_not_count():
    x = rows(8).astype(np.int16)
    assert digest(x) == digest(x.astype(x.dtype.newbyteorder(">")))


def softmax_graph(*, integer: bool):
    builder = GraphBuilder("g")
    builder.input("x", Tensor(shape=(None, 4)))
    if not integer:
        return builder.build((builder.add(Relu(), ("x",), "y"),))
    quantize = Quantize(format=FORMAT, qparams=Q)
    q = builder.add(quantize, ("x",), "x:q", format=FORMAT, qparams=Q)
    real = builder.add(Dequantize(qparams=Q), (q,), "y")
    return builder.build((builder.add(Softmax(axis=-1), (real,), "z"), q))


def test_integers_behind_a_float_tail_are_found_once():
    assert integer_outputs(softmax_graph(integer=True)) == ("x:q",)


def test_a_graph_without_integers_has_no_digest():
    with pytest.raises(ConfigError, match="made of integers"):
        integer_outputs(softmax_graph(integer=False))
