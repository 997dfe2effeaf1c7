"""Target: an accelerator as data, one TOML each; consulted only while lowering."""

from collections.abc import Iterable
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from emu.config import Config, as_value_error, nearest, read_toml
from emu.errors import MissingError
from emu.fixedpoint import (
    Accumulator,
    BiasStage,
    IntFormat,
    Overflow,
    QuantizeRule,
    RescaleScheme,
    Rounding,
    Stage,
)
from emu.ops import KERNELS, FloatType, GemmKind, SoftmaxStyle
from emu.targets.kernels import (
    AverageKernel,
    MeanStyle,
    ProductStyle,
    RequantizeStyle,
    ResizeStyle,
    SumStyle,
    TableStyle,
    TransposedStyle,
)

_Bits = Annotated[int, Field(ge=2, le=16)]


def _own_width(found: dict[str, Any]) -> tuple[int, ...]:
    return (found["bits"],) if "bits" in found else ()


class Widths(Config):
    """Bits by default, and the `widths` that a recipe may choose (default: no other)."""

    bits: _Bits = 8
    widths: tuple[_Bits, ...] = Field(default_factory=_own_width)

    @model_validator(mode="after")
    def _has_the_default(self) -> "Widths":
        if self.bits not in self.widths:
            raise ValueError(f"widths lacks the default of {self.bits} bits")
        return self


class ActivationFormat(Widths):
    """Integers that flow between layers.

    `wide_symmetric` is `symmetric` for more than 8 bits, by default the same. With
    `fraction_bits` all of them have the scale 2**-fraction_bits and no zero point,
    whatever calibration finds: fixed-point numbers. `rule` and `rounding` are those of
    real inputs, `overflow` that of every activation.
    """

    signed: bool = True
    symmetric: bool = False
    wide_symmetric: bool | None = None
    fraction_bits: Annotated[int, Field(ge=-16, le=32)] | None = None
    rule: QuantizeRule = QuantizeRule.DIVIDE
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE

    def is_symmetric(self, bits: int) -> bool:
        """Whether activations of so many bits have no zero point."""
        wide = bits > 8 and self.wide_symmetric is not None
        return bool(self.wide_symmetric) if wide else self.symmetric


class WeightFormat(Widths):
    """Signed symmetric weights; `narrow` leaves out the lowest value.

    With `fraction_bits` their scale is 2**-fraction_bits (`per_channel` says nothing
    then), and `rounding` makes them integers.
    """

    narrow: bool = True
    per_channel: bool = True
    fraction_bits: Annotated[int, Field(ge=-16, le=32)] | None = None
    rounding: Rounding = Rounding.HALF_EVEN


class BiasFormat(Config):
    """Biases in units of input scale times weight scale."""

    bits: Annotated[int, Field(ge=8, le=32)] = 32


class AccumulatorFormat(Config):
    """Where products are summed; `wide_bits` for activations of more than 8 bits.

    `saturate`, `tile`, `order` and `bias` as in fixedpoint.Accumulator.
    """

    bits: Annotated[int, Field(ge=8, le=48)] = 32
    wide_bits: Annotated[int, Field(ge=8, le=64)] = 48
    overflow: Overflow = Overflow.WRAP
    saturate: Stage = Stage.END
    tile: Annotated[int, Field(ge=0)] = 0
    order: tuple[Literal["kd", "kh", "kw", "ci"], ...] = ("kh", "kw", "ci")
    bias: BiasStage = BiasStage.PRELOADED

    @model_validator(mode="after")
    def _is_an_accumulator(self) -> "AccumulatorFormat":
        with as_value_error():
            for bits in (8, 16):
                self.of(bits)
        return self

    def of(self, bits: int) -> Accumulator:
        """The register for activations of so many bits."""
        return Accumulator(
            self.bits if bits <= 8 else self.wide_bits,
            self.overflow,
            self.saturate,
            self.tile,
            self.order,
            self.bias,
        )


class ScaleProduct(Enum):
    """How the factor input scale * weight scale / output scale is computed.

    FLOAT64: in double precision. FLOAT32_INPUT: the product of the first two is
    rounded to float32, the quotient is double. FLOAT32_PER_TENSOR: so where the weights
    have one scale, FLOAT64 where they have one a channel. FLOAT32: both steps in float32.
    """

    FLOAT64 = "float64"
    FLOAT32_INPUT = "float32-input"
    FLOAT32_PER_TENSOR = "float32-per-tensor"
    FLOAT32 = "float32"


class LayerRescale(Config):
    """What one kind of layer does otherwise; `wide_scheme` as in RescaleFormat.

    `wide_product` is that of activations of more than 8 bits, by default the same;
    `wide_bits` as in AccumulatorFormat.
    """

    scheme: RescaleScheme | None = None
    wide_scheme: RescaleScheme | None = None
    wide_bits: Annotated[int, Field(ge=8, le=64)] | None = None
    product: ScaleProduct | None = None
    wide_product: ScaleProduct | None = None


# Layers that sum products, by the names of `RescaleFormat.layer`.
_SUMS_OF_PRODUCTS: Final = (
    *("Conv", "GroupedConv", "ConvTranspose", "BatchGemm"),
    *(kind.value for kind in GemmKind),
)


def _check_layers(names: Iterable[str], *more: str) -> None:
    """Raise ValueError for what is no operator, nor one of `more`."""
    known = sorted({op.__name__ for op in KERNELS} | set(more))
    for name in names:
        if name not in known:
            raise ValueError(f"no layer {name!r}{nearest(name, known)}")


class RescaleFormat(Config):
    """How accumulators become activations.

    `wide_scheme` is that of sums of products with activations of more than 8 bits,
    `unsigned_product` that of unsigned ones, by default the same; `layer` holds
    exceptions for 8 bits by the name of a float layer (Conv, Gemm, Add, ...;
    GroupedConv: a Conv with groups; ops.GemmKind has those of Gemm). `rounding` is that of power-of-two shifts.
    """

    scheme: RescaleScheme = RescaleScheme.SINGLE_ROUND
    wide_scheme: RescaleScheme | None = None
    product: ScaleProduct = ScaleProduct.FLOAT64
    unsigned_product: ScaleProduct | None = None
    rounding: Rounding = Rounding.HALF_UP
    layer: dict[str, LayerRescale] = Field(default_factory=dict)

    @field_validator("layer")
    @classmethod
    def _names_layers(cls, layer: dict[str, LayerRescale]) -> dict[str, LayerRescale]:
        _check_layers(layer, *_SUMS_OF_PRODUCTS)
        return layer

    def of(self, layer: str, fmt: IntFormat) -> tuple[RescaleScheme, ScaleProduct]:
        """Scheme and product for a kind of layer with activations of a format."""
        special = self.layer.get(layer, LayerRescale())
        product = None if fmt.signed else self.unsigned_product
        scheme = special.scheme or self.scheme
        wide = special.wide_scheme or self.wide_scheme
        own = special.product
        if fmt.bits > 8:
            own = special.wide_product or own
            if wide and layer in _SUMS_OF_PRODUCTS:
                scheme = wide
        return scheme, own or product or self.product


class Kernels(Config):
    """Arithmetic of the layers that are no sums of products.

    `limit_rounding` makes integers of the limits of fused activations;
    `sum_left_shift` and `wide_sum_left_shift` (activations of more than 8 bits) are
    those of SumStyle.LEFT_SHIFT, by default 28 less the bits of the activations.
    """

    limit_rounding: Rounding = Rounding.HALF_EVEN
    table: TableStyle = TableStyle.EXACT
    sum: SumStyle = SumStyle.LEFT_SHIFT
    sum_left_shift: Annotated[int, Field(ge=0, le=24)] | None = None
    wide_sum_left_shift: Annotated[int, Field(ge=0, le=24)] | None = None
    product: ProductStyle = ProductStyle.RESCALE
    average: AverageKernel = AverageKernel.MEAN
    mean: MeanStyle = MeanStyle.RESCALE
    requantize: RequantizeStyle = RequantizeStyle.RESCALE
    transposed: TransposedStyle = TransposedStyle.RESCALE
    resize: ResizeStyle = ResizeStyle.LITERT
    softmax: SoftmaxStyle | None = None
    wide_softmax: SoftmaxStyle | None = None

    def left_shift(self, bits: int) -> int:
        """The left shift of sums of activations with so many bits."""
        stated = self.sum_left_shift if bits <= 8 else self.wide_sum_left_shift
        return 28 - bits if stated is None else stated


class Operators(Config):
    """Which layers the integer datapath does not run, and how others run them.

    `float` layers are computed on reals of `precision`, layers that a recipe takes
    from the integer datapath on those of `excluded`. float16: operands and results are
    float16 numbers, sums of products are float32. Layers that read or make integers of
    more than 8 bits are computed as the target `wide` does, by default this one.
    """

    float: tuple[str, ...] = ()
    precision: FloatType = FloatType.FLOAT32
    excluded: FloatType = FloatType.FLOAT16
    wide: str | None = None

    @field_validator("float")
    @classmethod
    def _names_layers(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        _check_layers(layers)
        return layers

    @field_validator("wide")
    @classmethod
    def _names_a_target(cls, name: str | None) -> str | None:
        if name is not None and name not in target_names():
            raise ValueError(f"no target {name!r}{nearest(name, target_names())}")
        return name


class Target(Config):
    """One accelerator."""

    name: str
    description: str = ""
    activation: ActivationFormat = ActivationFormat()
    weight: WeightFormat = WeightFormat()
    bias: BiasFormat = BiasFormat()
    accumulator: AccumulatorFormat = AccumulatorFormat()
    rescale: RescaleFormat = RescaleFormat()
    kernels: Kernels = Kernels()
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
