"""percentile: on each side the value that a percentage of all values does not exceed.

high is the ceil(p / 100 * N)-th smallest of N values, low the as many-th largest.

Source: the nearest-rank definition of percentiles; clipping activations by it: Li et
al., Fully Quantized Network for Object Detection (CVPR 2019), facts A3.1.
"""

import math

from emu.calibrate.keys import KEYS, nth_smallest
from emu.calibrate.observation import Observation, Range
from emu.calibrate.statistic import Found


def percentile_range(observation: Observation, found: Found) -> Range:
    """The two order statistics, coarse."""
    counts = found[KEYS]["counts"]
    total = int(counts.sum())
    rank = max(math.ceil(observation.percentile / 100.0 * total), 1)
    return Range(
        low=nth_smallest(counts, total - rank + 1), high=nth_smallest(counts, rank)
    )
