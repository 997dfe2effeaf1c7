"""Histograms: both counted in the same bins, whole steps of the integers wide."""

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from emu.fixedpoint import QParams
from emu.gate.histograms import histogram


@given(
    arrays(np.float32, 12, elements=st.floats(-50, 50, width=32)),
    arrays(np.int8, 12),
    st.sampled_from([0.25, 0.5, 2.0]),
    st.integers(-128, 127),
)
def test_every_value_is_counted_once(golden, codes, scale, zero_point):
    found = histogram("a", golden, codes, QParams((scale,), (zero_point,)))
    assert (sum(found.golden), sum(found.program)) == (golden.size, codes.size)
    assert len(found.golden) == len(found.program)
    steps = found.step / found.scale
    assert steps == int(steps)
    reals = (codes.astype(np.float64) - zero_point) * scale
    # As numpy counts them, where no value lies on an edge.
    edges = found.start + found.step * np.arange(len(found.program) + 1)
    assert found.program == tuple(np.histogram(reals, edges)[0])


def test_bins_are_about_64_whatever_the_width():
    codes = np.arange(-128, 128, dtype=np.int8)
    wide = np.arange(-30000, 30000, 7, dtype=np.int16)
    golden = np.zeros(3, np.float32)
    for values, steps in ((codes, 4), (wide, 938)):
        found = histogram("a", golden, values, QParams((0.5,), (0,)))
        assert (found.step, 60 <= len(found.golden) <= 65) == (steps * 0.5, True)


def test_integers_on_their_grid_make_no_pattern():
    codes = np.repeat(np.arange(-100, 100, dtype=np.int8), 3)
    found = histogram("a", np.zeros(1, np.float32), codes, QParams((0.1,), (3,)))
    inner = found.program[1:-2]
    assert set(inner) == {found.program[1]}


def test_channels_with_scales_of_their_own_are_counted_as_reals():
    codes = np.array([[1, 1], [2, 2]], np.int8)
    qparams = QParams((1.0, 10.0), (0, 0), axis=1)
    found = histogram("a", np.array([20.0, np.inf], np.float32), codes, qparams)
    assert (found.scale, found.start) == (0.0, 0.0)
    assert (sum(found.golden), sum(found.program)) == (1, 4)
    assert found.program[-1] == found.golden[-1] == 1
