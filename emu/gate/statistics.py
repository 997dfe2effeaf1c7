"""Whether two runs over the same samples differ by more than chance.

Average precision is judged by a paired bootstrap (`emu.evaluate.detect.paired_ap`).

Top-1 is judged by the exact McNemar test: of the samples that only one of two runs has
right, each belongs to either with probability 1/2 if the runs are equally good.
Sources: McNemar, "Note on the sampling error of the difference between correlated
proportions or percentages", Psychometrika 12, 1947; exact form: Agresti, "Categorical
Data Analysis", section 11.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool
from scipy.stats import binomtest

from emu.evaluate import Detections, DetectResult
from emu.evaluate.detect.paired_ap import bootstrap_difference, own_ap

ALPHA: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedChange:
    """The same samples before and after a change.

    Fields:
        samples: how many there are.
        newly_wrong, newly_right: names of those that the change loses and wins.
        p_value: exact and two-sided: how likely so uneven a split, or a more uneven
            one, is if both runs are equally good, 0 to 1.
    """

    samples: int
    newly_wrong: tuple[str, ...]
    newly_right: tuple[str, ...]
    p_value: float

    @property
    def points(self) -> float:
        """Points of the metric that the change wins; negative if it loses."""
        won = len(self.newly_right) - len(self.newly_wrong)
        return 100 * won / self.samples

    @property
    def resolvable_points(self) -> float:
        """The smallest drop that so many samples can tell from chance, in points."""
        return 100 * smallest_loss(self.samples) / self.samples

    def is_worse(self, alpha: float) -> bool:
        """Whether samples were lost, by more than chance at this level."""
        lost = len(self.newly_wrong) > len(self.newly_right)
        return lost and self.p_value < alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionChange:
    """The same images before and after a change of what a detector finds in them.

    Fields:
        samples: how many images there are.
        points: 100 times mAP that the change wins; negative if it loses.
        low, high: where 95 of 100 resamples of the images have it, in points.
        worse, better: names of images whose own mAP falls and rises, most first.
    """

    samples: int
    points: float
    low: float
    high: float
    worse: tuple[str, ...]
    better: tuple[str, ...]

    @property
    def resolvable_points(self) -> float:
        """The smallest drop that these images tell from chance: half the interval."""
        return (self.high - self.low) / 2


def paired_change(
    ids: Sequence[str],
    right_before: Bool[np.ndarray, " n"],
    right_after: Bool[np.ndarray, " n"],
) -> PairedChange:
    """Compare what is right before and after, sample by sample."""
    lost = np.flatnonzero(right_before & ~right_after)
    won = np.flatnonzero(right_after & ~right_before)
    return PairedChange(
        samples=len(ids),
        newly_wrong=tuple(ids[int(i)] for i in lost),
        newly_right=tuple(ids[int(i)] for i in won),
        p_value=mcnemar(len(lost), len(won)),
    )


def detection_change(
    before: Sequence[Detections], after: DetectResult
) -> DetectionChange:
    """Compare what was found before and after, image by image.

    Raises DataError where there are no objects to find, and where what was found does
    not fit the images or categories.
    """
    objects, categories = after.objects, after.categories
    interval = bootstrap_difference(
        objects, categories, before, after.detections, alpha=ALPHA
    )
    gains = own_ap(objects, categories, after.detections)
    gains -= own_ap(objects, categories, before)
    order = np.argsort(gains, kind="stable")
    return DetectionChange(
        samples=after.n,
        points=100 * interval.difference,
        low=100 * interval.low,
        high=100 * interval.high,
        worse=tuple(after.ids[i] for i in order if gains[i] < 0),
        better=tuple(after.ids[i] for i in order[::-1] if gains[i] > 0),
    )


def mcnemar(lost: int, won: int) -> float:
    """The exact two-sided p-value of so many samples lost and won; 1 for none."""
    if lost + won == 0:
        return 1.0
    return float(binomtest(lost, lost + won, 0.5).pvalue)


def smallest_loss(samples: int, alpha: float = ALPHA) -> int:
    """The fewest samples, all lost and none won, that are more than chance.

    As many as there are, if not even those are.
    """
    for lost in range(1, samples + 1):
        if mcnemar(lost, 0) < alpha:
            return lost
    return samples
