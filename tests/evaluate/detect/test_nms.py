"""Suppression against plain Python, box for box; ties, limits and thresholds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.evaluate.detect.nms import suppress
from emu.evaluate.detect.raw import RawBoxes
from tests.oracles import nms as oracle

SETTINGS = {
    "score_threshold": 0.0,
    "iou_threshold": 0.5,
    "max_candidates": 3000,
    "max_boxes": 300,
    "class_wise": True,
}


# Few shapes and limits: each new one compiles.
ANCHORS, CLASSES = 130, 2


def found(boxes, scores, **settings):
    """Boxes, scores and classes of one image, without what fills up."""
    missing = (0, max(ANCHORS - len(boxes), 0))
    more = (0, max(CLASSES - scores.shape[1], 0))
    whole = np.pad(scores, (missing, more), constant_values=-np.inf)
    raw = RawBoxes(
        jnp.asarray(np.pad(boxes, (missing, (0, 0))))[None], jnp.asarray(whole)[None]
    )
    out = jax.tree.map(lambda x: np.asarray(x)[0], suppress(raw, **settings))
    n = int(out.counts)
    assert (out.boxes[n:] == 0).all()
    assert (out.scores[n:] == 0).all()
    assert (out.classes[n:] == -1).all()
    return out.boxes[:n], out.scores[:n], out.classes[:n]


def assert_like_oracle(boxes, scores, **settings):
    got_boxes, got_scores, got_classes = found(boxes, scores, **settings)
    kept = oracle.suppress(boxes, scores, **settings)
    anchors, classes = np.array(kept, np.int32).reshape(-1, 2).T
    np.testing.assert_array_equal(got_classes, classes)
    np.testing.assert_array_equal(got_boxes, boxes[anchors])
    np.testing.assert_array_equal(got_scores, scores[anchors, classes])
    return kept


def random_case(seed, anchors, classes, *, levels, extent, whole):
    """Boxes that crowd as `extent` shrinks; `levels` of score, so that many tie."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, extent, (anchors, 2))
    sides = rng.uniform(0, 20, (anchors, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1)
    if whole:
        boxes = np.round(boxes)  # some sides become 0, some overlaps equal
    scores = rng.integers(0, levels + 1, (anchors, classes)) / levels
    return boxes.astype(np.float32), scores.astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([1, 3, 1000]),
    extent=st.sampled_from([1, 30, 300]),
    whole=st.booleans(),
    score_threshold=st.sampled_from([0.0, 1 / 3, 0.9]),
    iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 0.65, 1.0]),
    limits=st.sampled_from([(3000, 300), (50, 300), (3000, 5)]),
    class_wise=st.booleans(),
)
@example(0, 1, 1, True, 0.0, 0.5, (3000, 300), True)
def test_suppression_equals_plain_python(
    seed, levels, extent, whole, score_threshold, iou_threshold, limits, class_wise
):
    boxes, scores = random_case(
        seed, ANCHORS, CLASSES, levels=levels, extent=extent, whole=whole
    )
    assert_like_oracle(
        boxes,
        scores,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_candidates=limits[0],
        max_boxes=limits[1],
        class_wise=class_wise,
    )


@pytest.mark.parametrize("seed", range(3))
def test_many_blocks_equal_plain_python(seed):
    boxes, scores = random_case(seed, 400, 4, levels=100, extent=60, whole=seed == 0)
    kept = assert_like_oracle(boxes, scores, **SETTINGS | {"max_candidates": 1000})
    assert len(kept) > 100


def test_equal_scores_come_by_lower_anchor_then_by_lower_class():
    boxes = np.array([[0, 0, 1, 1], [5, 0, 6, 1], [9, 0, 10, 1]], np.float32)
    scores = np.array([[0.5, 0.5], [0.9, 0.5], [0.5, 0.9]], np.float32)
    out = found(boxes, scores, **SETTINGS)
    assert out[0][:, 0].tolist() == [5, 9, 0, 0, 5, 9]
    assert out[2].tolist() == [0, 1, 0, 1, 1, 0]


def test_of_equal_boxes_with_equal_scores_the_first_stays():
    boxes = np.array([[0, 0, 4, 4]] * 3, np.float32)
    scores = np.array([[0.3], [0.7], [0.7]], np.float32)
    assert found(boxes, scores, **SETTINGS)[1].tolist() == [np.float32(0.7)]
    assert oracle.suppress(boxes, scores, **SETTINGS) == [(1, 0)]


@pytest.mark.parametrize("percent", range(1, 101))
def test_an_overlap_of_exactly_the_threshold_is_allowed(percent):
    # The smaller box lies in the larger one, so the overlap is the ratio of areas.
    boxes = np.array([[3, 0, 4, 100], [3, 0, 4, percent]], np.float32)
    scores = np.array([[0.9], [0.8]], np.float32)
    settings = {**SETTINGS, "iou_threshold": percent / 100}
    assert len(found(boxes, scores, **settings)[0]) == 2
    below = {**SETTINGS, "iou_threshold": np.nextafter(percent / 100, 0)}
    assert len(found(boxes, scores, **below)[0]) == 1


def test_boxes_without_area_overlap_nothing():
    boxes = np.array([[1, 1, 1, 5], [1, 1, 1, 5], [0, 0, 9, 9]], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    assert len(found(boxes, scores, **{**SETTINGS, "iou_threshold": 0.0})[0]) == 3


def test_a_score_at_the_threshold_is_no_candidate():
    boxes = np.array([[0, 0, 1, 1]], np.float32)
    for threshold in (0.001, 0.05, 0.5):
        settings = {**SETTINGS, "score_threshold": threshold}
        assert (
            len(found(boxes, np.array([[threshold]], np.float32), **settings)[0]) == 0
        )
        above = np.nextafter(np.float32(threshold), np.float32(1))
        assert len(found(boxes, np.array([[above]]), **settings)[0]) == 1


def test_nan_and_scores_below_all_find_nothing():
    boxes = np.zeros((3, 4), np.float32)
    scores = np.array([[np.nan], [0.0], [-1.0]], np.float32)
    assert len(found(boxes, scores, **SETTINGS)[0]) == 0


def test_without_class_wise_the_better_class_takes_the_place():
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 4]], np.float32)
    scores = np.array([[0.2, 0.9], [0.8, 0.1]], np.float32)
    assert found(boxes, scores, **SETTINGS)[2].tolist() == [1, 0]
    together = {**SETTINGS, "class_wise": False}
    assert found(boxes, scores, **together)[2].tolist() == [1]


def test_a_long_chain_of_overlaps_is_followed_to_its_end():
    # Each box overlaps only its neighbours: every second one stays.
    left = np.arange(ANCHORS, dtype=np.float32) * 4
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    scores = np.linspace(1, 0.1, ANCHORS, dtype=np.float32)[:, None]
    settings = {**SETTINGS, "iou_threshold": 0.4}
    assert found(boxes, scores, **settings)[0][:, 0].tolist() == left[::2].tolist()


def test_images_of_a_batch_do_not_touch_each_other():
    cases = [
        random_case(s, ANCHORS, CLASSES, levels=9, extent=30, whole=False)
        for s in (1, 2)
    ]
    raw = RawBoxes(*(jnp.stack(parts) for parts in zip(*cases, strict=True)))
    both = suppress(raw, **SETTINGS)
    for i, (boxes, scores) in enumerate(cases):
        alone = suppress(
            RawBoxes(jnp.asarray(boxes[None]), jnp.asarray(scores[None])), **SETTINGS
        )
        for one, part in zip(alone, both, strict=True):
            np.testing.assert_array_equal(one[0], part[i])


def test_suppression_leaves_64_bit_types_off():
    raw = RawBoxes(jnp.zeros((1, ANCHORS, 4)), jnp.ones((1, ANCHORS, CLASSES)))
    out = suppress(raw, **SETTINGS)
    assert [str(x.dtype) for x in out] == ["float32", "float32", "int32", "int32"]
    assert jnp.arange(2).dtype == jnp.int32


@pytest.mark.parametrize("limit", ["max_candidates", "max_boxes"])
def test_limits_below_one_are_refused(limit):
    raw = RawBoxes(jnp.zeros((1, 1, 4)), jnp.ones((1, 1, 1)))
    with pytest.raises(ValueError, match=f"{limit}=0"):
        suppress(raw, **{**SETTINGS, limit: 0})
