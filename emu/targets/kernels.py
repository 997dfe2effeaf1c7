"""Names of the arithmetic that engines use beside sums of products, as data of a target."""

from enum import Enum


class TableStyle(Enum):
    """Whose rounding a table of a function of one value has.

    EXACT: the real function in float64, rounded once. LITERT: LiteRT's reference
    kernels and its optimized ones. LITERT_OPTIMIZED: the same but for requantization,
    which rounds half up. XNNPACK, ONNXRUNTIME: theirs. FLOAT32: dequantize, function
    and quantize in float32, one rounding each.
    """

    EXACT = "exact"
    LITERT = "litert"
    LITERT_OPTIMIZED = "litert-optimized"
    XNNPACK = "xnnpack"
    ONNXRUNTIME = "onnxruntime"
    FLOAT32 = "float32"


class SumStyle(Enum):
    """How Add and Sub are computed.

    LEFT_SHIFT: both operands shifted left and rescaled to one scale in 32 bits, the
    sum rescaled to the result (LiteRT). FACTORS: both operands times integer factors,
    the sum shifted right (XNNPACK). TABLE: over all pairs of 8-bit operands as the
    table style rounds them.
    """

    LEFT_SHIFT = "left-shift"
    FACTORS = "factors"
    TABLE = "table"


class ProductStyle(Enum):
    """How Mul is computed: in 32 bits and rescaled, or by a table of all pairs."""

    RESCALE = "rescale"
    TABLE = "table"


class AverageKernel(Enum):
    """How AveragePool is computed.

    MEAN: over the whole image as a ReduceMean, else as TOSA's AVG_POOL2D. TOSA: always
    that. HALF_AWAY: the exact quotient of the sum of codes, half away from zero
    (LiteRT). FLOAT32: the mean of reals in float32 (ONNX Runtime); over the whole
    image as a ReduceMean.
    """

    MEAN = "mean"
    TOSA = "tosa"
    HALF_AWAY = "half-away"
    FLOAT32 = "float32"


class MeanStyle(Enum):
    """How ReduceMean and ReduceSum are rescaled.

    RESCALE: by one real factor. LITERT: the multiplier divided by the count as an
    integer (reference kernel). LITERT_OPTIMIZED: the same but for 8-bit means over
    the image, which sum the codes and round 16 channels at a time otherwise than the
    rest; sums in float32. XNNPACK: in float32, zero points in an offset.
    """

    RESCALE = "rescale"
    LITERT = "litert"
    LITERT_OPTIMIZED = "litert-optimized"
    XNNPACK = "xnnpack"


class RequantizeStyle(Enum):
    """How integers change scale where no sum does it (Identity, operands of Concat).

    RESCALE: by the rescale scheme. TABLE: by a table, as the table style rounds.
    LITERT_VECTOR: SRDHM, then half up for all but the last n mod 16 values of a
    sample, which shift half away from zero (LiteRT's optimized kernel); operands of
    Concat by table.
    """

    RESCALE = "rescale"
    TABLE = "table"
    LITERT_VECTOR = "litert-vector"


class TransposedStyle(Enum):
    """How the 8-bit sums of a transposed convolution are rescaled.

    RESCALE: by the rescale scheme. LITERT_VECTOR: in vectors SRDHM, then half up: of
    int8 groups of 8 channels, of uint8 groups of 16 values of a sample; what is left
    over shifts half away from zero (LiteRT's optimized kernels).
    """

    RESCALE = "rescale"
    LITERT_VECTOR = "litert-vector"


class ResizeStyle(Enum):
    """Whose shares and rounding an integer resize has.

    LITERT: shares of 10 bits, half away (nearest neighbour too), but uint8 bilinear in
    float32. LITERT_OPTIMIZED: the same, floats in the order of the optimized kernel.
    XNNPACK: shares of 11 bits, half up (8-bit bilinear).
    """

    LITERT = "litert"
    LITERT_OPTIMIZED = "litert-optimized"
    XNNPACK = "xnnpack"
