"""HFMG: shrink a histogram bin by bin, integrate errors part by part."""

import math

import numpy as np


def search_ranges(counts):
    left, right = 0, len(counts) - 1
    step = max(math.ceil(sum(counts) / 100_000), 1)
    least = math.ceil(len(counts) / 4)
    found = []
    while right - left > least:
        new_left, new_right = left, right
        dropped_left = dropped_right = 0
        while new_left < new_right and dropped_left < step:
            dropped_left += counts[new_left]
            new_left += 1
        while new_left < new_right and dropped_right < step:
            dropped_right += counts[new_right]
            new_right -= 1
        if right - new_right >= new_left - left:
            right = new_right
        else:
            left = new_left
        found.append((left, right))
    return found


def norm(begin, end, density):
    return density * (end**3 - begin**3) / 3


def loss(counts, width, left, right, levels):
    """Errors of the bins: alone in a part, or a first, whole and a last part."""
    part = width * (right - left + 1) / levels
    begins = (np.arange(len(counts)) - left) * width
    stops = begins + width
    density = np.array(counts) / width
    first = np.clip(np.floor(begins / part), 0, levels - 1)
    last = np.clip(np.floor(stops / part), 0, levels - 1)
    from_first = begins - (first + 0.5) * part
    alone = norm(from_first, stops - (first + 0.5) * part, density)
    several = norm(from_first, part / 2, density)
    several += (last - first - 1) * norm(-part / 2, part / 2, density)
    several += norm(-part / 2, stops - (last + 0.5) * part, density)
    return math.fsum(np.where(first == last, alone, several))


def hfmg_range(x, low, high, bins, bits):
    """The candidate of the smallest loss; `low` and `high` are the coarse extremes."""
    if not low < high:
        return low, high
    place = np.floor((x.astype(np.float64) - low) * bins / (high - low))
    counts = [0] * bins
    for index, count in zip(*np.unique(place, return_counts=True), strict=True):
        counts[int(min(max(index, 0), bins - 1))] += int(count)
    width, levels = (high - low) / bins, 2**bits
    ranges = search_ranges(counts)
    losses = []
    for left, right in ranges:
        tiny = width * (right - left + 1) / levels < 1.1920929e-07
        losses.append(0.0 if tiny else loss(counts, width, left, right, levels))
    limit = min(losses) * (1 + 1e-9)
    left, right = ranges[[value <= limit for value in losses].index(True)]
    return low + left * width, low + (right + 1) * width
