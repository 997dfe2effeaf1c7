"""Metrics as exact counts: Top-k hits, and the area under the ROC curve."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, Real

from emu.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class AucCounts:
    """The area under the ROC curve as a ratio of two whole numbers.

    `numerator` is twice the number of pairs (positive, negative) in which the
    positive scores higher, plus the pairs that tie; `denominator` is twice the number
    of pairs.
    """

    numerator: int
    denominator: int

    @property
    def auc(self) -> float:
        """The area, 0 to 1."""
        return self.numerator / self.denominator


def top_class(scores: Real[np.ndarray, "n classes"]) -> Int64[np.ndarray, " n"]:
    """Return the class of the highest score; of equal scores the lowest class."""
    return np.argmax(scores, axis=1).astype(np.int64)


def topk_hits(
    scores: Real[np.ndarray, "n classes"], labels: Int64[np.ndarray, " n"], k: int
) -> Bool[np.ndarray, " n"]:
    """Tell for each sample whether its label is among the k highest scores.

    Equal scores rank by class, the lowest first, so that the outcome depends on the
    scores alone. `labels` outside 0 ... classes - 1 never hit. The scores must not be
    NaN; k >= 1, and with k >= classes every valid label hits.
    """
    n, classes = scores.shape
    valid = (labels >= 0) & (labels < classes)
    safe = np.where(valid, labels, 0)
    own = scores[np.arange(n), safe][:, None]
    before = np.arange(classes)[None, :] < safe[:, None]
    rank = np.count_nonzero((scores > own) | ((scores == own) & before), axis=1)
    return valid & (rank < k)


def auc(scores: Real[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> AucCounts:
    """Count the pairs that `scores` orders rightly (Mann-Whitney U, doubled).

    Equal scores get the average of their ranks. Doubled ranks are whole numbers, so
    nothing is rounded; legal for n < 2**31.

    Raises:
        DataError: all samples are positive, or none is.
    """
    positives = int(np.count_nonzero(positive))
    negatives = len(positive) - positives
    if not positives or not negatives:
        raise DataError(
            f"found {positives} positive and {negatives} negative samples; "
            "the area under the ROC curve needs both"
        )
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(sizes) - sizes
    double_rank = (2 * below + sizes + 1).astype(np.int64)[group]
    numerator = int(double_rank[positive].sum()) - positives * (positives + 1)
    return AucCounts(numerator=numerator, denominator=2 * positives * negatives)
