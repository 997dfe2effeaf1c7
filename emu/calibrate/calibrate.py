"""calibrate: one range for every tensor, the simple form of `collect`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from emu.calibrate.collect import Batches, Progress, collect
from emu.calibrate.observation import Observation, Range
from emu.graph import Graph
from emu.recall import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What calibration found, by tensor name.

    `means` are mean samples: the shape of one sample, float64.
    """

    ranges: Mapping[str, Range]
    means: Mapping[str, np.ndarray] = field(default_factory=dict)


def calibrate(
    graph: Graph,
    batches: Batches,
    observations: Mapping[str, Observation],
    averaged: Collection[str] = (),
    progress: Progress | None = None,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> Calibration:
    """Range of every tensor in `observations`, mean sample of each in `averaged`.

    Arguments and errors as those of `collect`.
    """
    wishes = {name: (seen,) for name, seen in observations.items()}
    found = collect(graph, batches, wishes, averaged, progress, checkpoint)
    ranges = {name: found.range(name, seen) for name, seen in observations.items()}
    return Calibration(ranges=ranges, means=found.means)
