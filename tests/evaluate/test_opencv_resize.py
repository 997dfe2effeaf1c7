"""OpenCV's bilinear resizing: pixels that OpenCV made, and what bilinear means."""

import hashlib
from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.evaluate.opencv_resize import resize_opencv
from emu.evaluate.preprocess import Preprocess


def pattern(h, w, c):
    """Pixels of all values, without a random generator's version in them."""
    i, j, k = np.ogrid[:h, :w, :c]
    return ((37 * i + 91 * j + 17 * k + i * j) % 256).astype(np.uint8)


# sha256 of what cv2.resize(pattern, size[::-1]) of OpenCV 5.0.0 gives.
OPENCV = [
    ((48, 64, 3), (31, 41), "8c730eb261187a67"),
    ((427, 64, 3), (277, 41), "a687a9605e8ab501"),
    ((10, 54, 3), (71, 110), "bf4a3c57a9d7c849"),
    ((64, 48, 1), (32, 24), "e4067c14a62e6c73"),
    ((7, 1, 3), (3, 5), "d0c009d4d946245d"),
    ((5, 9, 3), (5, 9), "c0f53bda14d8d20f"),
]


@pytest.mark.parametrize(("shape", "size", "digest"), OPENCV)
def test_the_pixels_are_opencvs(shape, size, digest):
    got = resize_opencv(pattern(*shape), *size)
    assert got.shape == (*size, shape[2])
    assert got.dtype == np.uint8
    assert hashlib.sha256(got.tobytes()).hexdigest()[:16] == digest


def test_a_few_pixels_of_opencv_in_full():
    x = np.array([[0, 100, 255], [200, 50, 7]], np.uint8)[:, :, None]
    assert resize_opencv(x, 3, 5)[:, :, 0].tolist() == [
        [0, 40, 100, 193, 255],
        [100, 90, 75, 109, 131],
        [200, 140, 50, 24, 7],
    ]


def exact(x, height, width):
    """Each pixel interpolated in fractions; pixels beyond the edge are those on it."""
    h, w = x.shape
    out = {}
    for row, column in product(range(height), range(width)):
        ys = neighbours(row, h, height)
        xs = neighbours(column, w, width)
        out[row, column] = sum(
            wy * wx * int(x[y, z]) for (y, wy), (z, wx) in product(ys, xs)
        )
    return out


def neighbours(position, many, wanted):
    place = (position + Fraction(1, 2)) * many / wanted - Fraction(1, 2)
    part = place - floor(place)
    pairs = ((floor(place), 1 - part), (floor(place) + 1, part))
    return [(min(max(i, 0), many - 1), weight) for i, weight in pairs]


@given(
    seed=st.integers(0, 99),
    h=st.integers(1, 7),
    w=st.integers(1, 7),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_no_pixel_is_more_than_one_off_exact_interpolation(seed, h, w, size):
    x = np.random.default_rng(seed).integers(0, 256, (h, w), dtype=np.uint8)
    got = resize_opencv(x[:, :, None], *size)[:, :, 0]
    # 0.5 by the last rounding, 0.25 by each cut product, the rest by 11-bit weights.
    wanted = exact(x, *size)
    worst = max(abs(value - int(got[place])) for place, value in wanted.items())
    assert worst < Fraction(5, 4)


@given(value=st.integers(0, 255), h=st.integers(1, 9), size=st.integers(1, 12))
def test_one_colour_stays_that_colour(value, h, size):
    x = np.full((h, 5, 3), value, np.uint8)
    assert (resize_opencv(x, size, 7) == value).all()


@pytest.mark.parametrize(
    "step",
    [
        {"op": "resize", "size": [8, 6]},
        {"op": "resize_short", "size": 6},
        {"op": "letterbox", "size": [8, 6]},
    ],
)
def test_every_step_that_scales_can_use_it(step):
    x = pattern(24, 18, 3)
    steps = [{**step, "filter": "opencv-bilinear"}]
    out = Preprocess.model_validate(steps).apply(x)
    np.testing.assert_array_equal(out, resize_opencv(x, 8, 6))
