"""YOLOX's rows against loops over the cells."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from emu.errors import UnsupportedError
from emu.evaluate.detect.tables import Tables, exp_table
from emu.evaluate.detect.yolox import Yolox, yolox

DECODER = Yolox(size=(64, 96))
CELLS = [
    (x, y, stride)
    for stride in (8, 16, 32)
    for y in range(64 // stride)
    for x in range(96 // stride)
]


def rows(n=2, classes=3):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (n, len(CELLS), 5 + classes))
    x[..., 4:] = rng.uniform(0, 1, x[..., 4:].shape)
    return x.astype(np.float32)


def test_a_row_of_zeros_is_a_box_of_one_stride_at_the_corner_of_its_cell():
    out = yolox(DECODER, jnp.zeros((1, len(CELLS), 6)))
    for box, (x, y, stride) in zip(np.asarray(out.boxes[0]), CELLS, strict=True):
        middle = np.array([x, y, x, y]) * stride
        half = np.array([-1, -1, 1, 1]) * stride / 2
        assert box.tolist() == (middle + half).tolist()


def test_boxes_and_scores_equal_loops_over_the_cells():
    x = rows()
    out = yolox(DECODER, jnp.asarray(x))
    assert out.boxes.shape == (2, 126, 4)
    for n in range(2):
        for i, (column, row, stride) in enumerate(CELLS):
            tx, ty, tw, th = map(float, x[n, i, :4])
            cx, cy = (tx + column) * stride, (ty + row) * stride
            w, h = math.exp(tw) * stride, math.exp(th) * stride
            expected = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
            np.testing.assert_allclose(out.boxes[n, i], expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(out.scores, x[..., 4:5] * x[..., 5:])


def test_tables_replace_exp():
    x = np.zeros((1, len(CELLS), 6), np.float32)
    x[..., 2], x[..., 3] = 1.01, -2.0
    out = np.asarray(yolox(Yolox(size=(64, 96), tables=Tables()), jnp.asarray(x)).boxes)
    table = exp_table(1 / 32) / 256
    strides = np.array([stride for _, _, stride in CELLS])
    np.testing.assert_allclose(out[0, :, 2] - out[0, :, 0], table[128 + 32] * strides)
    np.testing.assert_allclose(out[0, :, 3] - out[0, :, 1], table[128 - 64] * strides)


@pytest.mark.parametrize("shape", [(1, 125, 8), (1, 126, 5), (126, 4)])
def test_another_shape_is_refused(shape):
    with pytest.raises(UnsupportedError, match=r"expected \[n, 126, "):
        yolox(DECODER, jnp.zeros(shape))
