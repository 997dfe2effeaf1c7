"""RetinaNet's anchors and deltas: known anchors, and boxes there and back."""

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from emu.errors import UnsupportedError
from emu.evaluate.detect.retinanet import Retinanet, retinanet, retinanet_anchors
from emu.evaluate.detect.tables import Tables, exp_table, sigmoid_table

SETTINGS = {"size": [32, 48], "strides": [8, 16], "scores": ["s"], "boxes": ["b"]}
DECODER = Retinanet.model_validate(SETTINGS)
MANY = (4 * 6 + 2 * 3) * 9


def with_(**settings):
    return Retinanet.model_validate(SETTINGS | settings)


def heads(n=2, classes=3):
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (n, MANY, classes)).astype(np.float32)
    return scores, rng.normal(0, 0.5, (n, MANY, 4)).astype(np.float32)


def test_the_base_anchors_are_those_of_detectron():
    anchors = retinanet_anchors(with_(octaves=[1.0]))[:3]
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1
    )
    # A size of 32 on stride 8, rounded to whole pixels.
    assert np.round(corners).tolist() == [
        [-23, -11, 23, 11],
        [-16, -16, 16, 16],
        [-11, -23, 11, 23],
    ]


def test_anchors_come_by_level_row_column_and_shape():
    anchors = retinanet_anchors(DECODER)
    assert len(anchors) == MANY
    assert anchors[9 * 7, :2].tolist() == [8, 8]
    assert anchors[9 * 24, :2].tolist() == [0, 0]
    # Ratios change slower than octaves; the other way round if told so.
    areas = np.prod(anchors[:9, 2:], axis=1) ** 0.5
    steps = 32 * 2 ** (np.arange(3) / 3)
    np.testing.assert_allclose(areas, np.tile(steps, 3))
    turned = retinanet_anchors(with_(slow="octaves"))
    np.testing.assert_allclose(
        np.prod(turned[:9, 2:], axis=1) ** 0.5, np.repeat(steps, 3)
    )
    np.testing.assert_allclose(turned[:3, 3] / turned[:3, 2], [0.5, 1, 2])


def test_sizes_and_offset_are_as_told():
    anchors = retinanet_anchors(with_(sizes=[10.0, 99.0], octaves=[1.0], offset=0.5))
    np.testing.assert_allclose(anchors[1], [4, 4, 10, 10])
    np.testing.assert_allclose(anchors[-2], [40, 24, 99, 99])


def test_deltas_of_a_box_give_the_box():
    rng = np.random.default_rng(1)
    anchors = retinanet_anchors(DECODER)
    centre = rng.uniform(0, 40, (MANY, 2))
    sides = rng.uniform(5, 100, (MANY, 2))
    means, stds = np.array([0.1, 0.2, 0, -0.1]), np.array([0.1, 0.1, 0.2, 0.2])
    deltas = np.concatenate(
        [(centre - anchors[:, :2]) / anchors[:, 2:], np.log(sides / anchors[:, 2:])], 1
    )
    codes = ((deltas - means) / stds).astype(np.float32)
    decoder = with_(means=means.tolist(), stds=stds.tolist())
    out = retinanet(decoder, jnp.zeros((1, MANY, 3)), jnp.asarray(codes[None]))
    expected = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
    np.testing.assert_allclose(out.boxes[0], expected, rtol=1e-4, atol=1e-3)


def test_levels_may_come_one_by_one():
    scores, codes = heads()
    whole = retinanet(DECODER, jnp.asarray(scores), jnp.asarray(codes))
    parts = [jnp.split(jnp.asarray(x), [24 * 9], axis=1) for x in (scores, codes)]
    decoder = with_(scores=["s0", "s1"], boxes=["b0", "b1"])
    split = retinanet(decoder, *parts[0], *parts[1])
    np.testing.assert_array_equal(whole.boxes, split.boxes)
    np.testing.assert_array_equal(whole.scores, split.scores)
    assert decoder.outputs() == ("s0", "s1", "b0", "b1")


def test_boxes_grow_to_no_more_than_62_anchors():
    _, codes = heads(1)
    codes[..., 2:] = 50
    out = retinanet(DECODER, jnp.zeros((1, MANY, 3)), jnp.asarray(codes))
    widths = np.asarray(out.boxes[0, :, 2] - out.boxes[0, :, 0])
    expected = 62.5 * retinanet_anchors(DECODER)[:, 2]
    np.testing.assert_allclose(widths, expected, rtol=1e-4)


def test_scores_are_sigmoids_unless_told_otherwise():
    scores, codes = heads()
    out = retinanet(DECODER, jnp.asarray(scores), jnp.asarray(codes))
    np.testing.assert_allclose(out.scores, 1 / (1 + np.exp(-scores)), rtol=1e-5)
    plain = retinanet(with_(sigmoid=False), jnp.asarray(scores), jnp.asarray(codes))
    np.testing.assert_array_equal(plain.scores, scores)


def test_tables_replace_exp_and_sigmoid():
    scores, codes = heads()
    out = retinanet(with_(tables=True), jnp.asarray(scores), jnp.asarray(codes))
    assert with_(tables=True).tables == Tables()
    q = np.clip(np.round(scores * 16), -128, 127).astype(int)
    np.testing.assert_array_equal(out.scores, sigmoid_table(1 / 16)[q + 128] / 256)
    q = np.clip(np.round(codes[..., 2] * 32), -128, 127).astype(int)
    widths = exp_table(1 / 32)[q + 128] / 256 * retinanet_anchors(DECODER)[:, 2]
    np.testing.assert_allclose(out.boxes[..., 2] - out.boxes[..., 0], widths, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": [1.0]}, "1 sizes for 2 strides"),
        ({"scores": ["a", "b"]}, "2 scores and 1 boxes"),
        ({"scores": ["a"] * 3, "boxes": ["b"] * 3}, "one of each, or 2 of each"),
        ({"stds": [1, 1, 1, 0]}, "greater than 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        with_(**settings)


def test_outputs_that_do_not_fit_are_refused_by_name():
    scores, codes = heads()
    with pytest.raises(UnsupportedError, match=rf"^b has shape .*\[n, {MANY}, 4\]"):
        retinanet(DECODER, jnp.asarray(scores), jnp.asarray(codes[:, 1:]))
