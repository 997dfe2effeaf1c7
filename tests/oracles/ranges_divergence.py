"""Divergences of clips, one candidate, one level and one bin at a time."""

import math
from functools import cache

import numpy as np


def histogram(magnitudes, start, ratio, bins):
    """Counts in (0, T], a bin holds its upper edge; and how many lie above T."""
    above, below = ratio.as_integer_ratio()
    counts = [0] * bins
    # Both products are exact in float64, so the quotient is whole where it should be.
    place = np.ceil(magnitudes.astype(np.float64) * (bins * below) / (above * start))
    for index, count in zip(*np.unique(place, return_counts=True), strict=True):
        if 0 < index <= bins:
            counts[int(index) - 1] = int(count)
    return counts, int(np.sum(place > bins))


@cache
def parts_of(bins, levels):
    """The parts of bins that each level holds, as {bin: share of it}."""
    found = []
    for level in range(levels):
        start, stop = level * bins / levels, (level + 1) * bins / levels
        touched = range(math.floor(start), min(math.ceil(stop), bins))
        shares = {one: min(stop, one + 1) - max(start, one) for one in touched}
        found.append({one: share for one, share in shares.items() if share > 0})
    return found


def merged(counts, clipped, levels):
    """Each level spreads what it holds of the bins over those that are occupied."""
    found = [0.0] * len(counts)
    for parts in parts_of(len(counts), levels):
        held = sum(share * counts[one] for one, share in parts.items())
        if held:
            room = sum(share for one, share in parts.items() if clipped[one])
            for one, share in parts.items():
                if clipped[one]:
                    found[one] += held * share / room
    return found


def smooth(counts):
    total = sum(counts) or 1
    return [0.9999 * count / total + 0.0001 / len(counts) for count in counts]


def kl(p, q):
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def best_clip(magnitudes, start, candidates, kind, bins, levels):
    """The divergence of every candidate."""
    losses = []
    for ratio in candidates:
        counts, outside = histogram(magnitudes, start, ratio, bins)
        clipped = [*counts[:-1], counts[-1] + outside]
        p, q = smooth(clipped), smooth(merged(counts, clipped, levels))
        middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        losses.append(
            {
                "kl": lambda p=p, q=q: kl(p, q),
                "symkl": lambda p=p, q=q: kl(p, q) + kl(q, p),
                "jsd": lambda p=p, q=q, m=middle: kl(p, m) / 2 + kl(q, m) / 2,
            }[kind]()
        )
    return losses
