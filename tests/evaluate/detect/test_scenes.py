"""Scenes: the same bytes everywhere, boxes that agree with pixels, sound input only."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import DataError
from emu.evaluate.detect.scenes import FULL, compose, open_scenes, parts_of_ink

DIGITS = Path(__file__).parents[3] / "golden" / "digits" / "digits.npz"
NUMBERS = st.integers(0, 2**64 - 1)


def of_digits(count=4, seed=7, part="test"):
    names = {"x": f"x_{part}", "y": f"y_{part}"}
    return open_scenes(DIGITS, name="scenes", **names, count=count, seed=seed)


def written(folder, **arrays):
    np.savez(folder / "a.npz", allow_pickle=False, **arrays)
    return folder / "a.npz"


def solid(seed, number=0):
    """A scene of images that are ink all over, of three classes."""
    return compose(np.full((3, 8, 8), FULL), np.arange(3), number, seed)


def inside(shape, box):
    mask = np.zeros(shape, np.bool_)
    x0, y0, x1, y1 = (int(edge) for edge in box)
    mask[y0:y1, x0:x1] = True
    return mask


def test_the_bytes_of_a_seed_are_the_same_everywhere():
    assert of_digits().digest() == (
        "784635ca02725fe7d6dbcc822e3eb1b06aafd6c029a8826e7c78a710f7c9c159"
    )


def test_a_scene_depends_neither_on_their_number_nor_on_the_others():
    few, many = of_digits(count=2), of_digits(count=5)
    assert few.digest() == many.first(2).digest()


def test_another_seed_gives_other_scenes():
    assert not np.array_equal(of_digits(seed=7).load(0), of_digits(seed=8).load(0))


@given(seed=NUMBERS, number=NUMBERS)
def test_boxes_of_solid_images_are_where_their_ink_is(seed, number):
    scene = solid(seed, number)
    pixels = scene.pixels[:, :, 0].astype(np.int64)
    owner = np.full(pixels.shape, -1)
    for position, box in enumerate(scene.objects.boxes):
        owner[inside(pixels.shape, box)] = position
    greys = [np.unique(pixels[owner == p]) for p in range(len(scene.objects.boxes))]
    assert all(len(grey) == 1 for grey in greys)
    # The canvas never comes near to ink: contrast 64 less half the slopes and noise.
    canvas = pixels[owner == -1]
    assert np.abs(canvas[:, None] - np.array(greys).T).min() >= 64 - 32 - 8


@given(seed=NUMBERS)
def test_boxes_lie_on_the_canvas_and_share_a_quarter_at_most(seed):
    boxes = solid(seed).objects.boxes
    assert len(boxes) >= 1
    assert boxes.min() >= 0
    assert boxes.max() <= 96
    for first, second in combinations(boxes, 2):
        a, b = (inside((96, 96), box) for box in (first, second))
        assert 4 * (a & b).sum() <= min(a.sum(), b.sum())


def test_a_scene_holds_several_digits_of_many_sizes_some_of_them_overlapping():
    objects = of_digits(count=50).objects or ()
    counts = [len(one.boxes) for one in objects]
    sides = np.concatenate([one.boxes[:, 2:] - one.boxes[:, :2] for one in objects])
    assert min(counts) >= 1
    assert max(counts) >= 5
    assert sides.max() >= 44
    assert sides[:, 1].min() <= 22
    assert any(
        (inside((96, 96), a) & inside((96, 96), b)).any()
        for one in objects
        for a, b in combinations(one.boxes, 2)
    )


def test_a_box_is_around_half_of_the_deepest_ink_however_deep_that_is():
    """A faint frame around a core does not count, nor does it count when all is faint."""
    image = np.full((1, 8, 8), FULL // 4)
    image[:, 2:6, 2:6] = FULL
    label = np.zeros(1, np.int64)
    for number in range(10):
        deep, faint = (compose(ink, label, number, 0) for ink in (image, image // 2))
        assert deep.objects.boxes.tolist() == faint.objects.boxes.tolist()
        sides = deep.objects.boxes[:, 2:] - deep.objects.boxes[:, :2]
        # 4 of 8 pixels and a sixth on each side, of at most 57 and 48; rounded outwards.
        assert np.all(sides <= np.array([57, 48]) * (4 + 2 / 6) / 8 + 1)


def test_objects_have_the_classes_of_the_images():
    classes = np.array([4, 9])
    ink = np.zeros((2, 8, 8), np.int64)
    ink[0], ink[1, :, :4] = FULL, FULL
    for seed in range(10):
        scene = compose(ink, classes, 0, seed)
        sides = scene.objects.boxes[:, 2:] - scene.objects.boxes[:, :2]
        # The width is 80 to 120 % of the height, or half of that.
        wide = sides[:, 0] / sides[:, 1] > 0.7
        assert scene.objects.classes.tolist() == np.where(wide, 4, 9).tolist()


def test_the_largest_value_is_full_ink():
    x = np.array([[[0, 4], [8, 16]]], np.uint8)
    assert parts_of_ink(x).tolist() == [[[0, 64], [128, 256]]]


def test_categories_are_the_classes_by_number(tmp_path):
    x = np.ones((2, 8, 8), np.uint8)
    path = written(tmp_path, x=x, y=np.array([0, 2]))
    data = open_scenes(path, name="s", x="x", y="y", count=1, seed=0)
    assert [(c.id, c.name) for c in data.categories] == [(0, "0"), (1, "1"), (2, "2")]
    assert data.load(0).shape == (96, 96, 1)
    assert data.load(0).dtype == np.uint8


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 8, 8), np.uint8)}, "holds no array 'y' of classes"),
        (
            {"x": np.ones((2, 8, 8), np.float32), "y": np.zeros(2, np.int64)},
            "found float32 of shape",
        ),
        (
            {"x": np.ones((2, 8, 8, 3), np.uint8), "y": np.zeros(2, np.int64)},
            "expected uint8 .n, h, w.",
        ),
        (
            {"x": np.zeros((2, 8, 8), np.uint8), "y": np.zeros(2, np.int64)},
            "that are not all 0",
        ),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    path = written(tmp_path, **arrays)
    with pytest.raises(DataError, match=message):
        open_scenes(path, name="s", x="x", y="y", count=1, seed=0)
