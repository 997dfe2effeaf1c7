"""Ranges of activations, transcribed formula by formula, slowly, on all data at once.

Every method takes float32 samples (the first axis) and gives (low, high). Order
statistics are made coarse, 8 significant bits, as everywhere.
"""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np

from tests.oracles.ranges_divergence import best_clip
from tests.oracles.ranges_hfmg import hfmg_range


def coarse(value):
    """Away from zero to 8 significant bits, in exact arithmetic."""
    exact = abs(Fraction(float(value)))
    if not exact:
        return 0.0
    unit = Fraction(1)
    while exact < 128 * unit:
        unit /= 2
    while exact >= 256 * unit:
        unit *= 2
    return math.copysign(float(math.ceil(exact / unit) * unit), float(value))


def minmax(x):
    return coarse(x.min()), coarse(x.max())


def ema(x, smoothing):
    low, high = None, None
    for sample in x:
        least, most = float(sample.min()), float(sample.max())
        if low is None:
            low, high = least, most
        low = smoothing * low + (1 - smoothing) * least
        high = smoothing * high + (1 - smoothing) * most
    return coarse(np.float32(low)), coarse(np.float32(high))


def percentile(x, percent):
    ordered = np.sort(x.ravel())
    rank = max(math.ceil(percent / 100.0 * x.size), 1)
    return coarse(ordered[x.size - rank]), coarse(ordered[rank - 1])


def kth(share, count):
    """Which value in descending order a share of all stands for, AMCT's rule."""
    return 1 if 1 - share < 1.1920929e-07 else max(count - int(share * count), 1)


def ends(x, upper, lower):
    """Where a search starts."""
    ordered = np.sort(x.ravel())
    high = max(0.0, coarse(ordered[x.size - kth(upper, x.size)]))
    low = min(0.0, coarse(ordered[kth(lower, x.size) - 1]))
    if low == high == 0:
        high, low = max(0.0, coarse(ordered[-1])), min(0.0, coarse(ordered[0]))
    return low, high


def ratios(start, end, step):
    """start, start + step, ... as decimals, both ends included."""
    found, ratio = [], Decimal(repr(start))
    while ratio <= Decimal(repr(end)):
        found.append(ratio)
        ratio += Decimal(repr(step))
    return found


def first_best(losses, noise=0.0):
    """The first that is the smallest but for rounding."""
    limit = min(losses) * (1 + 1e-9) + noise
    for index, loss in enumerate(losses):
        if loss <= limit:
            return index
    raise AssertionError


def usable(scale):
    return 1.0 if scale < 1.1920929e-07 else scale


def mse(x, candidates, bits, symmetric, upper, lower):
    low, high = ends(x, upper, lower)
    wide = x.ravel().astype(np.float64)
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    found, losses = [], []
    for ratio in map(float, candidates):
        if symmetric:
            largest = ratio * max(-low, high)
            clip = (-largest if low < 0 else 0.0, largest)
            scale, offset = usable(largest / most), 0
        else:
            clip = (ratio * low, ratio * high)
            scale = usable(ratio * (high - low) / (most - least))
            offset = least
            if high > low:
                # round() of a fraction is exact, ties to even.
                steps = Fraction(low) * (most - least) / Fraction(high - low)
                offset = min(max(round(least - steps), least), most)
        integers = np.clip(np.rint(wide / scale) + offset, least, most)
        losses.append(np.sum((wide - (integers - offset) * scale) ** 2))
        found.append(clip)
    return found[first_best(losses)]


def ifmr(x, candidates, bits, symmetric, upper, lower):
    low, high = ends(x, upper, lower)
    wide = x.ravel().astype(np.float64)
    found, losses = [], []
    for ratio in map(float, candidates):
        if symmetric:
            clip_max = ratio * max(abs(low), abs(high))
            clip_min = -clip_max
            limit = 2 ** (bits - 1) - (0 if abs(high) < abs(low) else 1)
            scale = usable(clip_max / limit)
        else:
            clip_min, clip_max = low, ratio * high
            scale = usable((clip_max - clip_min) / (2**bits - 1))
        clipped = np.clip(wide, clip_min, clip_max)
        losses.append(np.mean((np.rint(clipped / scale) * scale - wide) ** 2))
        found.append((clip_min if low < 0 else 0.0, clip_max))
    return found[first_best(losses)]


def divergence(x, candidates, kind, bins, bits, symmetric, upper):
    magnitudes = np.sort(np.abs(x.ravel()))[::-1]
    start = coarse(magnitudes[kth(upper, x.size) - 1]) or coarse(magnitudes[0])
    if not start:
        return 0.0, 0.0
    low, high = min(coarse(x.min()), 0.0), max(coarse(x.max()), 0.0)
    halves = 1 if low < 0 < high or symmetric else 0
    levels = 2 ** (bits - halves)
    largest = max(-low, high)
    useful = [one for one in candidates if float(one) * start <= largest]
    chosen = useful or candidates
    losses = best_clip(magnitudes, start, chosen, kind, bins, levels)
    clip = float(chosen[first_best(losses, 1e-12)]) * start
    if symmetric:
        return (-clip if low < 0 else 0.0), clip
    if high >= -low:
        return max(low, -clip), clip
    return -clip, min(high, clip)


def expected(x, observation):
    """(low, high) by the method and the parameters of an observation."""
    seen, name = observation, observation.method.value
    upper = 0.999999 if name == "ifmr" else 1.0
    lower = upper
    if seen.max_percentile is not None:
        upper = seen.max_percentile
    if seen.min_percentile is not None:
        lower = seen.min_percentile
    candidates = ratios(seen.start_ratio, seen.end_ratio, seen.step_ratio)
    if name == "minmax":
        return minmax(x)
    if name == "ema":
        return ema(x, seen.smoothing)
    if name == "percentile":
        return percentile(x, seen.percentile)
    if name == "mse":
        return mse(x, candidates, seen.bits, seen.symmetric, upper, lower)
    if name == "ifmr":
        return ifmr(x, candidates, seen.bits, seen.symmetric, upper, lower)
    if name == "hfmg":
        return hfmg_range(x, *minmax(x), seen.num_of_bins, seen.bits)
    return divergence(x, candidates, name, seen.bin, seen.bits, seen.symmetric, upper)
