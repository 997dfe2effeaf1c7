"""Fixed-point formats as of ap_fixed<W,I,Q,O>: integers that count binary fractions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, Integer

from emu.errors import ConfigError
from emu.fixedpoint.formats import IntFormat, QParams
from emu.fixedpoint.overflow import Overflow, apply_overflow
from emu.fixedpoint.rounding import Rounding, round_shift
from emu.fixedpoint.wide import to_int64

# The quantization and overflow modes of the AC and AP datatypes of high-level
# synthesis (Vitis HLS user guide UG1399, "Arbitrary Precision Fixed-Point").
AP_ROUNDINGS: Final[Mapping[str, Rounding]] = MappingProxyType(
    {
        "TRN": Rounding.FLOOR,
        "TRN_ZERO": Rounding.TOWARD_ZERO,
        "RND": Rounding.HALF_UP,
        "RND_ZERO": Rounding.HALF_TOWARD_ZERO,
        "RND_INF": Rounding.HALF_AWAY,
        "RND_MIN_INF": Rounding.HALF_DOWN,
        "RND_CONV": Rounding.HALF_EVEN,
    }
)
AP_OVERFLOWS: Final[Mapping[str, Overflow]] = MappingProxyType(
    {
        "WRAP": Overflow.WRAP,
        "SAT": Overflow.SATURATE,
        "SAT_ZERO": Overflow.SATURATE_TO_ZERO,
        "SAT_SYM": Overflow.SATURATE_SYMMETRIC,
    }
)

_NAME: Final = re.compile(
    r"ap_(u?)fixed<\s*([0-9]{1,3})\s*,\s*(-?[0-9]{1,3})\s*"
    r"(?:,\s*(?:AP_)?(\w+)\s*)?(?:,\s*(?:AP_)?(\w+)\s*)?>"
)
# Beyond this a difference of fraction bits changes nothing, or does not fit.
_LONGEST_RIGHT: Final = 40
_LONGEST_LEFT: Final = 31


@dataclass(frozen=True, slots=True)
class FixedFormat:
    """A number of `bits` bits, `integer_bits` of them before the binary point.

    Its value is an integer of `format` times 2**-fraction_bits. `integer_bits` counts
    the sign and may be negative or more than `bits`, as in ap_fixed<W,I>.

    Raises:
        ConfigError: a width outside 2..32, or a step that is no normal float32.
    """

    bits: int
    integer_bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        # Both refuse what they cannot hold.
        _ = self.format, self.qparams

    @property
    def fraction_bits(self) -> int:
        """Bits behind the binary point."""
        return self.bits - self.integer_bits

    @property
    def format(self) -> IntFormat:
        """The integers that hold the numbers."""
        return IntFormat(self.bits, self.signed)

    @property
    def qparams(self) -> QParams:
        """One step as a scale, for `quantize` and `dequantize`: both are exact then."""
        if abs(self.fraction_bits) > 126:
            raise ConfigError(
                f"a step of 2**{-self.fraction_bits} is no float32 number"
            )
        return QParams(scale=(2.0**-self.fraction_bits,), zero_point=(0,))

    def __str__(self) -> str:
        return f"ap_{'' if self.signed else 'u'}fixed<{self.bits},{self.integer_bits}>"


def parse_fixed(text: str) -> tuple[FixedFormat, Rounding, Overflow]:
    """Format and modes of a type as HLS writes it: "ap_fixed<16,6,AP_RND,AP_SAT>".

    Without modes TRN and WRAP hold, the defaults of the language.

    Raises:
        ConfigError: anything else.
    """
    match = _NAME.fullmatch(text.strip())
    rounding = match and AP_ROUNDINGS.get(match[4] or "TRN")
    overflow = match and AP_OVERFLOWS.get(match[5] or "WRAP")
    if match is None or rounding is None or overflow is None:
        raise ConfigError(
            f"expected a type such as ap_fixed<16,6,RND,SAT>, found {text!r}; modes "
            f"are {', '.join(AP_ROUNDINGS)} and {', '.join(AP_OVERFLOWS)}"
        )
    return FixedFormat(int(match[2]), int(match[3]), not match[1]), rounding, overflow


def refix(
    codes: Integer[Array, "*s"],
    source: FixedFormat,
    target: FixedFormat,
    rounding: Rounding = Rounding.FLOOR,
    overflow: Overflow = Overflow.WRAP,
    seed: int = 0,
) -> Integer[Array, "*s"]:
    """The codes of the same numbers in another fixed-point format, exactly.

    In the storage dtype of `target`. Where no bit is cut off nothing is rounded, but
    JAM sets the last bit there too. `seed` is for roundings that draw. Needs 64-bit
    types.

    Raises:
        ConfigError: `target` has more than 31 fraction bits more than `source`.
    """
    shift = source.fraction_bits - target.fraction_bits
    if shift < -_LONGEST_LEFT:
        raise ConfigError(f"{source} to {target}: a shift to the left by {-shift} bits")
    wide = to_int64(codes)
    if shift > 0:
        wide = round_shift(wide, min(shift, _LONGEST_RIGHT), rounding, seed)
    else:
        wide = wide << jnp.int64(-shift)
        wide = wide | 1 if rounding is Rounding.JAM else wide
    return apply_overflow(wide, target.format, overflow).astype(target.format.dtype)
