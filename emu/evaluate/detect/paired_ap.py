"""Whether two runs on the same images differ in COCO's AP by more than chance.

Source: the percentile interval of Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13, over images drawn for both runs alike (paired).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pycocotools.cocoeval import COCOeval

from emu.errors import DataError
from emu.evaluate.detect.boxes import Category, Detections, Objects
from emu.evaluate.detect.coco_ap import match_detections


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """AP after less AP before, in shares of 1, and where most resamples lie."""

    low: float
    high: float
    difference: float


def bootstrap_difference(
    objects: Sequence[Objects],
    categories: Sequence[Category],
    before: Sequence[Detections],
    after: Sequence[Detections],
    *,
    resamples: int = 200,
    seed: int = 0,
    alpha: float = 0.05,
) -> Interval:
    """Draw as many images as there are, again and again, and compare both runs on them.

    A draw without objects, where AP is not defined, is left out.

    Arguments:
        objects: of each image.
        categories: what classes mean.
        before: what one run detects in each image.
        after: what the other run detects in the same images.
        resamples: how often images are drawn, >= 1.
        seed: of the draws; equal seeds draw equal images.
        alpha: the share of resamples outside of the interval, half of it on each side.

    Raises:
        DataError: objects and detections do not fit together; there are no objects;
            `resamples` is below 1.
    """
    if resamples < 1:
        raise DataError(f"found {resamples} resamples; expected 1 or more")
    runs = [
        keep_matches(match_detections(objects, run, categories))
        for run in (before, after)
    ]
    if not runs[0].wanted.any():
        raise DataError("there are no objects to find, so AP is not defined")
    n = len(objects)
    whole = np.arange(n, dtype=np.int64)
    draws = np.random.default_rng(seed).integers(0, n, (resamples, n))
    # Sorted, so that equal scores rank by image as they do in the whole.
    differences = [
        mean_ap(runs[1], drawn) - mean_ap(runs[0], drawn)
        for drawn in np.sort(draws, axis=1)
        if runs[0].wanted[:, drawn].any()
    ]
    if not differences:
        raise DataError(f"none of {resamples} draws of images holds objects")
    low, high = np.quantile(differences, [alpha / 2, 1 - alpha / 2])
    return Interval(
        low=float(low),
        high=float(high),
        difference=mean_ap(runs[1], whole) - mean_ap(runs[0], whole),
    )


def own_ap(
    objects: Sequence[Objects],
    categories: Sequence[Category],
    detections: Sequence[Detections],
) -> Float64[np.ndarray, " images"]:
    """COCO's AP of each image alone, 0 to 1; -1 where it has no objects.

    Errors as of `coco_ap`.
    """
    matches = keep_matches(match_detections(objects, detections, categories))
    return np.array([mean_ap(matches, np.array([i])) for i in range(len(objects))])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """What a run's AP needs of every detection and image, kept for all resamples.

    The detections lie by image, then by class, then by score.

    Fields:
        starts: of each image's detections; the last entry is their number.
        classes, scores: of the detections.
        right, wrong: what they count at each IoU; neither if they are left out.
        wanted: how many objects of each class each image has, crowds left out.
        recalls: at which precision is read off.
    """

    starts: Int64[np.ndarray, " starts"]
    classes: Int64[np.ndarray, " d"]
    scores: Float64[np.ndarray, " d"]
    right: Bool[np.ndarray, "t d"]
    wrong: Bool[np.ndarray, "t d"]
    wanted: Int64[np.ndarray, "k images"]
    recalls: Float64[np.ndarray, " r"]


def keep_matches(evaluation: COCOeval) -> Matches:
    """Take objects of all sizes and 100 detections out of COCOeval's `evalImgs`."""
    params = evaluation.params
    images, classes = len(params.imgIds), len(params.catIds)
    sizes, thresholds = len(params.areaRng), len(params.iouThrs)
    wanted = np.zeros((classes, images), np.int64)
    counts = np.zeros(images, np.int64)
    labels: list[Int64[np.ndarray, " n"]] = [np.zeros(0, np.int64)]
    scores: list[Float64[np.ndarray, " n"]] = [np.zeros(0)]
    matched: list[Bool[np.ndarray, "t n"]] = [np.zeros((thresholds, 0), np.bool_)]
    ignored: list[Bool[np.ndarray, "t n"]] = [np.zeros((thresholds, 0), np.bool_)]
    for image in range(images):
        for klass in range(classes):
            # It lies by category, then by size (the first is all), then by image.
            entry = evaluation.evalImgs[klass * sizes * images + image]
            if entry is None:
                continue
            wanted[klass, image] = np.count_nonzero(entry["gtIgnore"] == 0)
            found = len(entry["dtScores"])
            counts[image] += found
            labels.append(np.full(found, klass, np.int64))
            scores.append(np.array(entry["dtScores"], np.float64))
            matched.append(entry["dtMatches"] != 0)
            ignored.append(entry["dtIgnore"] != 0)
    hits = np.concatenate(matched, axis=1)
    left_out = np.concatenate(ignored, axis=1)
    return Matches(
        starts=np.concatenate([[0], np.cumsum(counts)]),
        classes=np.concatenate(labels),
        scores=np.concatenate(scores),
        right=hits & ~left_out,
        wrong=~hits & ~left_out,
        wanted=wanted,
        recalls=params.recThrs,
    )


def mean_ap(matches: Matches, drawn: Int64[np.ndarray, " n"]) -> float:
    """Return COCO's AP of the images `drawn`; -1 if they have no objects."""
    values = precisions(matches, drawn)
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def precisions(
    matches: Matches, drawn: Int64[np.ndarray, " n"]
) -> Float64[np.ndarray, "t r k"]:
    """Return what COCOeval.accumulate returns for these images, a seventh of its time.

    The precision at a recall is the highest at that recall or a higher one. Recall
    rises only where a detection is right, so precision is needed only there: the n-th
    right detection of a class is where n of its objects are found. A class without
    objects has -1.
    """
    wanted = matches.wanted[:, drawn].sum(axis=1)
    rows = _rows(matches, drawn)
    rows = rows[np.lexsort((-matches.scores[rows], matches.classes[rows]))]
    classes = matches.classes[rows]
    right = matches.right[:, rows]
    bounds = np.searchsorted(classes, np.arange(len(wanted)))
    level, at = np.nonzero(right)
    hits = _counts(right, bounds, classes)[level, at]
    misses = _counts(matches.wrong[:, rows], bounds, classes)[level, at]
    # One more than the most hits: a last entry of 0 for recalls that are not reached.
    width = int(hits.max(initial=0)) + 1
    highest = np.zeros((len(right), len(wanted), width))
    # COCOeval's own formula, so that results are equal to the bit.
    highest[level, classes[at], hits - 1] = hits / (misses + hits + np.spacing(1))
    highest = np.maximum.accumulate(highest[:, :, ::-1], axis=2)[:, :, ::-1]
    needed = np.minimum(_needed(wanted, matches.recalls), width)
    result = highest[:, np.arange(len(wanted))[None, :], needed - 1]
    result[:, :, wanted == 0] = -1
    return result


def _rows(matches: Matches, drawn: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " d"]:
    """Return the detections of the images, one image after the other."""
    starts = matches.starts[drawn]
    counts = matches.starts[drawn + 1] - starts
    shifts = starts - (np.cumsum(counts) - counts)
    return np.arange(counts.sum()) + np.repeat(shifts, counts)


def _counts(
    marks: Bool[np.ndarray, "t d"],
    bounds: Int64[np.ndarray, " k"],
    classes: Int64[np.ndarray, " d"],
) -> Int64[np.ndarray, "t d"]:
    """Count the marks up to each detection within its class; `bounds` starts each."""
    totals = np.zeros((len(marks), marks.shape[1] + 1), np.int64)
    np.cumsum(marks, axis=1, out=totals[:, 1:])
    return totals[:, 1:] - totals[:, bounds][:, classes]


def _needed(
    wanted: Int64[np.ndarray, " k"], recalls: Float64[np.ndarray, " r"]
) -> Int64[np.ndarray, "r k"]:
    """Return the fewest hits, at least 1, whose recall reaches each of `recalls`.

    Recalls are compared as COCOeval does, as rounded quotients; the product may be off
    by one either way.
    """
    objects = np.maximum(wanted, 1)[None, :]
    hits = np.maximum(np.floor(recalls[:, None] * objects).astype(np.int64) - 1, 1)
    for _ in range(3):
        hits += hits / objects < recalls[:, None]
    return hits
