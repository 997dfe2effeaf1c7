"""NanoDet's distributions against loops over cells and edges."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from emu.errors import UnsupportedError
from emu.evaluate.detect.nanodet import Nanodet, nanodet
from emu.evaluate.detect.tables import Tables, softmax_table

SETTINGS = {
    "size": [32, 48],
    "strides": [8, 16],
    "scores": ["s0", "s1"],
    "boxes": ["b0", "b1"],
}
DECODER = Nanodet.model_validate(SETTINGS)
LEVELS = [(4, 6), (2, 3)]
CELLS = [
    (x, y, stride)
    for stride, (rows, columns) in zip((8, 16), LEVELS, strict=True)
    for y in range(rows)
    for x in range(columns)
]


def outputs(n=2, bins=8):
    rng = np.random.default_rng(0)
    cells = [rows * columns for rows, columns in LEVELS]
    scores = [rng.uniform(0, 1, (n, many, 3)).astype(np.float32) for many in cells]
    logits = [
        rng.normal(0, 2, (n, many, 4 * bins)).astype(np.float32) for many in cells
    ]
    return scores, logits


def test_edges_that_are_sure_lie_at_whole_strides():
    _, logits = outputs(1)
    sure = [np.full_like(x, -1e4) for x in logits]
    for x in sure:
        # Left 1, top 2, right 3, bottom 7 strides away.
        x[..., [1, 8 + 2, 16 + 3, 24 + 7]] = 0
    out = nanodet(DECODER, *map(jnp.asarray, [*outputs(1)[0], *sure]))
    for box, (x, y, stride) in zip(np.asarray(out.boxes[0]), CELLS, strict=True):
        cx, cy = x * stride + (stride - 1) / 2, y * stride + (stride - 1) / 2
        expected = [cx - stride, cy - 2 * stride, cx + 3 * stride, cy + 7 * stride]
        assert box.tolist() == expected


@pytest.mark.parametrize("bins", [8, 17])
def test_boxes_equal_loops_over_cells_and_edges(bins):
    scores, logits = outputs(bins=bins)
    decoder = DECODER.model_copy(update={"reg_max": bins - 1})
    out = nanodet(decoder, *map(jnp.asarray, [*scores, *logits]))
    whole = np.concatenate(logits, axis=1).astype(float)
    for n in range(2):
        for i, (x, y, stride) in enumerate(CELLS):
            distances = []
            for edge in range(4):
                weights = [math.exp(v) for v in whole[n, i, edge * bins :][:bins]]
                mean = sum(k * w for k, w in enumerate(weights)) / sum(weights)
                distances.append(mean * stride)
            cx, cy = x * stride + (stride - 1) / 2, y * stride + (stride - 1) / 2
            left, top, right, bottom = distances
            expected = [cx - left, cy - top, cx + right, cy + bottom]
            np.testing.assert_allclose(out.boxes[n, i], expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(out.scores, np.concatenate(scores, axis=1))


def test_outputs_without_a_batch_axis_are_one_image():
    scores, logits = outputs(1)
    with_axis = nanodet(DECODER, *map(jnp.asarray, [*scores, *logits]))
    without = nanodet(DECODER, *(jnp.asarray(x[0]) for x in [*scores, *logits]))
    np.testing.assert_array_equal(with_axis.boxes, without.boxes)
    np.testing.assert_array_equal(with_axis.scores, without.scores)


def test_sigmoid_is_applied_where_the_graph_lacks_it():
    scores, logits = outputs()
    decoder = DECODER.model_copy(update={"sigmoid": True})
    out = nanodet(decoder, *map(jnp.asarray, [*scores, *logits]))
    real = 1 / (1 + np.exp(-np.concatenate(scores, axis=1)))
    np.testing.assert_allclose(out.scores, real, rtol=1e-6)


def test_tables_replace_softmax():
    scores, logits = outputs()
    decoder = DECODER.model_copy(update={"tables": Tables()})
    out = np.asarray(nanodet(decoder, *map(jnp.asarray, [*scores, *logits])).boxes)
    q = np.clip(np.round(np.concatenate(logits, axis=1) * 8), -128, 127).astype(int)
    q = q.reshape(2, len(CELLS), 4, 8)
    weights = softmax_table(1 / 8)[q - q.max(axis=-1, keepdims=True) + 255]
    mean = (weights * np.arange(8)).sum(axis=-1) / weights.sum(axis=-1)
    widths = (mean[..., 0] + mean[..., 2]) * np.array([s for *_, s in CELLS])
    np.testing.assert_allclose(out[..., 2] - out[..., 0], widths, rtol=1e-5)


def test_each_stride_needs_its_outputs():
    with pytest.raises(ValidationError, match="1 scores and 2 boxes for 2 strides"):
        Nanodet.model_validate(SETTINGS | {"scores": ["s0"]})


def test_outputs_that_do_not_fit_are_refused_by_name():
    scores, logits = outputs()
    with pytest.raises(UnsupportedError, match="b1 has shape"):
        nanodet(DECODER, *map(jnp.asarray, [*scores, logits[0], logits[0]]))
    fewer = [scores[0], scores[1][..., :2]]
    with pytest.raises(UnsupportedError, match=r"s0, s1 have \[3, 2\] classes"):
        nanodet(DECODER, *map(jnp.asarray, [*fewer, *logits]))
