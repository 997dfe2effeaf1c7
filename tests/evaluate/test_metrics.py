"""Metrics against definitions written out with Python numbers."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.errors import DataError
from emu.evaluate.metrics import auc, top_class, topk_hits

# Few distinct values, so that ties are common.
scores_2d = st.sampled_from([(1, 1), (3, 2), (4, 7), (2, 11)]).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.sampled_from([-2, 0, 1, 3]))
)


@given(scores=scores_2d, k=st.integers(1, 12), data=st.data())
def test_topk_ranks_by_score_then_by_lowest_class(scores, k, data):
    n, classes = scores.shape
    label = st.integers(0, classes - 1)
    labels = np.array(data.draw(st.lists(label, min_size=n, max_size=n)), np.int64)
    for row, own, hit, top in zip(
        scores, labels, topk_hits(scores, labels, k), top_class(scores), strict=True
    ):
        ranking = sorted(range(classes), key=lambda c: (-float(row[c]), c))
        assert hit == (own in ranking[:k])
        assert top == ranking[0]


def test_topk_of_int8_scores_does_not_negate_them():
    scores = np.array([[-128, 127, 0]], np.int8)
    assert topk_hits(scores, np.array([0]), 2).tolist() == [False]
    assert topk_hits(scores, np.array([1]), 1).tolist() == [True]


def test_a_label_beyond_the_classes_never_hits():
    scores = np.zeros((2, 3), np.float32)
    assert topk_hits(scores, np.array([3, -1]), 3).tolist() == [False, False]


@given(
    data=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.booleans()), min_size=2
    ).filter(lambda rows: len({positive for _, positive in rows}) == 2)
)
def test_auc_counts_the_ordered_pairs(data):
    scores = np.array([score for score, _ in data])
    positive = np.array([flag for _, flag in data])
    pairs = [(p, q) for p, a in data if a for q, b in data if not b]
    counts = auc(scores, positive)
    assert counts.numerator == sum(2 * (p > q) + (p == q) for p, q in pairs)
    assert counts.denominator == 2 * len(pairs)
    assert counts.auc == counts.numerator / counts.denominator


def test_auc_of_one_class_is_refused():
    with pytest.raises(DataError, match="found 2 positive and 0 negative"):
        auc(np.array([1.0, 2.0]), np.array([True, True]))
