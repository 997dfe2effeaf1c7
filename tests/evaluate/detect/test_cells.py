"""Cells and levels: their order, and outputs that do not fit them."""

import jax.numpy as jnp
import pytest

from emu.errors import UnsupportedError
from emu.evaluate.detect.cells import cells, level_shapes, rows_of


def test_cells_come_level_by_level_and_row_by_row():
    assert cells((16, 24), (8, 16)).tolist() == [
        [0, 0, 8],
        [1, 0, 8],
        [2, 0, 8],
        [0, 1, 8],
        [1, 1, 8],
        [2, 1, 8],
        [0, 0, 16],
        [1, 0, 16],
    ]


def test_a_cell_that_is_cut_off_counts():
    # The levels of SSD at 300 x 300.
    shapes = level_shapes((300, 300), (16, 32, 64, 128, 256, 512))
    assert [rows for rows, _ in shapes] == [19, 10, 5, 3, 2, 1]


@pytest.mark.parametrize("shape", [(2, 6, 3), (12, 3)])
def test_rows_may_come_with_or_without_a_batch_axis(shape):
    x = jnp.arange(36.0).reshape(shape)
    assert rows_of(x, 6, 3, "x").tolist() == x.reshape(2, 6, 3).tolist()


@pytest.mark.parametrize("shape", [(1, 5, 3), (1, 6, 4), (5, 3), (1, 1, 6, 3), (3,)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(UnsupportedError, match=r"^heads has shape .*\[n, 6, 3\]"):
        rows_of(jnp.zeros(shape), 6, 3, "heads")
