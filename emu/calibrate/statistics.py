"""Statistics: what one run over the calibration samples found; ranges without data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from emu.calibrate.methods import METHODS
from emu.calibrate.observation import Observation, Range
from emu.calibrate.statistic import Found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistics:
    """What `collect` found, of fixed size whatever the number of samples.

    Attributes:
        samples: number of samples.
        means: mean sample of each averaged tensor: the shape of one sample, float64.
        wishes: the observations that were asked for, by tensor.
        found: finished states by tensor and statistic.
    """

    samples: int
    means: Mapping[str, np.ndarray]
    wishes: Mapping[str, Collection[Observation]]
    found: Mapping[str, Found]
    _known: dict[tuple[str, Observation], Range] = field(
        default_factory=dict, init=False, repr=False
    )

    def range(self, tensor: str, observation: Observation) -> Range:
        """The range that an observation gives a tensor; no data is touched.

        Raises ValueError unless the observation was asked for of the tensor, or one
        that needs the same statistics.
        """
        wish = (tensor, observation)
        if wish not in self._known:
            try:
                found = self.found[tensor]
                concluded = METHODS[observation.method].conclude(observation, found)
            except KeyError as error:
                raise ValueError(
                    f"nobody asked for {observation} of tensor {tensor!r}"
                ) from error
            self._known[wish] = concluded
        return self._known[wish]
