"""Target: an accelerator as data, one TOML each; consulted only while lowering."""

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from emu.config import Config, nearest, read_toml
from emu.errors import MissingError
from emu.fixedpoint import Overflow, RescaleScheme, Rounding


class ActivationFormat(Config):
    """Integers that flow between layers."""

    bits: Annotated[int, Field(ge=2, le=16)] = 8
    signed: bool = True
    symmetric: bool = False
    rounding: Rounding = Rounding.HALF_EVEN


class WeightFormat(Config):
    """Signed symmetric weights; `narrow` leaves out the lowest value."""

    bits: Annotated[int, Field(ge=2, le=8)] = 8
    narrow: bool = True
    per_channel: bool = True


class BiasFormat(Config):
    """Biases in units of input scale times weight scale."""

    bits: Annotated[int, Field(ge=8, le=32)] = 32


class AccumulatorFormat(Config):
    """Where products are summed; overflow is applied once, to the full sum."""

    bits: Annotated[int, Field(ge=8, le=48)] = 32
    overflow: Overflow = Overflow.WRAP


class RescaleFormat(Config):
    """How accumulators become activations."""

    scheme: RescaleScheme = RescaleScheme.SINGLE_ROUND


class Operators(Config):
    """Which layers the integer datapath does not run."""

    float: tuple[str, ...] = ()


class Target(Config):
    """One accelerator."""

    name: str
    description: str = ""
    activation: ActivationFormat = ActivationFormat()
    weight: WeightFormat = WeightFormat()
    bias: BiasFormat = BiasFormat()
    accumulator: AccumulatorFormat = AccumulatorFormat()
    rescale: RescaleFormat = RescaleFormat()
    operators: Operators = Operators()


def target_names() -> list[str]:
    """Names of the targets that come with emu."""
    files = resources.files("emu.targets").iterdir()
    return sorted(
        file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")
    )


def find_target(ref: str) -> Target:
    """The built-in target of that name, or the TOML file at that path.

    Raises MissingError naming the nearest known target, ConfigError for a bad file.
    """
    names = target_names()
    if ref in names:
        with resources.as_file(resources.files("emu.targets") / f"{ref}.toml") as path:
            return read_toml(path, Target)
    if ref.endswith(".toml"):
        return read_toml(Path(ref), Target)
    raise MissingError(f"there is no target {ref!r}{nearest(ref, names)}")
