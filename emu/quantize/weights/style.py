"""WeightStyle: which method makes integers of a layer's weights, and its parameters."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat

# A codebook's index is a byte, and its levels are those of at most a byte.
_CODEBOOK_BITS: Final = 8


class WeightMethod(Enum):
    """MAX: nothing is clipped (AMCT's ARQ). MSE: least squared error of the weights.

    NUQ: as MAX, then few of the levels stand for all weights (a codebook).
    """

    MAX = "max"
    MSE = "mse"
    NUQ = "nuq"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightStyle:
    """A method with its parameters.

    `num_steps`: levels that NUQ keeps, by default 32 or all there are.
    `num_of_iteration`: how often NUQ improves the scales for its levels at most.
    """

    method: WeightMethod = WeightMethod.MAX
    num_steps: int | None = None
    num_of_iteration: int = 10

    def steps(self, fmt: IntFormat, *, narrow: bool) -> int:
        """How many levels of a format NUQ keeps; ConfigError for what it has not."""
        there = fmt.max - fmt.min + 1 - narrow
        if fmt.bits > _CODEBOOK_BITS:
            raise ConfigError(
                f"weight_method is 'nuq' on {fmt}; a codebook holds at most "
                f"{_CODEBOOK_BITS} bits (weight_bits)"
            )
        if self.num_steps is None:
            return min(32, there)
        if self.num_steps > there:
            raise ConfigError(
                f"num_steps is {self.num_steps}, but weights of {fmt} have {there} "
                "levels"
            )
        return self.num_steps
