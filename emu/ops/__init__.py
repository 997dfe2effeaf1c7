"""The operators: frozen data and a kernel each, joined in one literal table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jax import Array

from emu.ops import (
    activation,
    codebook,
    conv,
    conv3d,
    dequantized,
    detection,
    dynamic,
    elementwise,
    gather,
    half,
    integer,
    interpolate,
    logic,
    matmul,
    normalization,
    pool,
    rearrange,
    reduce,
    resize,
    scale,
    shape,
    softmax,
    transposed,
)
from emu.ops.activation import (
    ChannelTable as ChannelTable,
    Clamp as Clamp,
    Clip as Clip,
    Elu as Elu,
    Exp as Exp,
    Gelu as Gelu,
    HardSigmoid as HardSigmoid,
    HardSwish as HardSwish,
    LeakyRelu as LeakyRelu,
    PRelu as PRelu,
    Relu as Relu,
    Sigmoid as Sigmoid,
    Silu as Silu,
    Softmax as Softmax,
    Table as Table,
    Tanh as Tanh,
)
from emu.ops.codebook import Codebook as Codebook
from emu.ops.conv import (
    Conv as Conv,
    Conv2d as Conv2d,
    DepthwiseConv2d as DepthwiseConv2d,
)
from emu.ops.conv3d import Conv3d as Conv3d
from emu.ops.dequantized import (
    DequantizedAvgPool2d as DequantizedAvgPool2d,
    FloatRescale as FloatRescale,
)
from emu.ops.detection import DetectionPostprocess as DetectionPostprocess
from emu.ops.dynamic import (
    Div as Div,
    DynamicScale as DynamicScale,
    DynamicZeroPoint as DynamicZeroPoint,
    QuantizeBy as QuantizeBy,
    Round as Round,
    SubtractZeroPoint as SubtractZeroPoint,
)
from emu.ops.elementwise import (
    Add as Add,
    BinaryTable as BinaryTable,
    Maximum as Maximum,
    Minimum as Minimum,
    Mul as Mul,
    SquaredDifference as SquaredDifference,
    Sub as Sub,
)
from emu.ops.gather import (
    Gather as Gather,
    Scatter as Scatter,
)
from emu.ops.half import (
    FloatCast as FloatCast,
    FloatType as FloatType,
    to_half as to_half,
)
from emu.ops.integer import (
    Abs as Abs,
    Cast as Cast,
    Clz as Clz,
    IntDiv as IntDiv,
    IntType as IntType,
    Negate as Negate,
    Reinterpret as Reinterpret,
)
from emu.ops.interpolate import (
    InterpolatedTable as InterpolatedTable,
    Resize2d as Resize2d,
)
from emu.ops.logic import (
    ArithmeticRightShift as ArithmeticRightShift,
    BitwiseAnd as BitwiseAnd,
    BitwiseNot as BitwiseNot,
    BitwiseOr as BitwiseOr,
    BitwiseXor as BitwiseXor,
    Equal as Equal,
    Greater as Greater,
    GreaterEqual as GreaterEqual,
    LogicalAnd as LogicalAnd,
    LogicalLeftShift as LogicalLeftShift,
    LogicalNot as LogicalNot,
    LogicalOr as LogicalOr,
    LogicalRightShift as LogicalRightShift,
    LogicalXor as LogicalXor,
    Select as Select,
)
from emu.ops.matmul import (
    BatchGemm as BatchGemm,
    BatchMatMul as BatchMatMul,
    Gemm as Gemm,
    GemmKind as GemmKind,
    MatMul as MatMul,
)
from emu.ops.normalization import BatchNormalization as BatchNormalization
from emu.ops.pool import (
    AveragePool as AveragePool,
    AverageStyle as AverageStyle,
    AvgPool2d as AvgPool2d,
    MaxPool as MaxPool,
    ReduceMean as ReduceMean,
    ReduceSum as ReduceSum,
)
from emu.ops.rearrange import Reverse as Reverse, Slice as Slice, Tile as Tile
from emu.ops.reduce import (
    ArgMax as ArgMax,
    ReduceAll as ReduceAll,
    ReduceAny as ReduceAny,
    ReduceMax as ReduceMax,
    ReduceMin as ReduceMin,
    ReduceProduct as ReduceProduct,
)
from emu.ops.resize import (
    Coordinates as Coordinates,
    Interpolation as Interpolation,
    NearestRounding as NearestRounding,
    Resize as Resize,
    ResizeInteger as ResizeInteger,
    ResizeSingle as ResizeSingle,
    nearest_pixels as nearest_pixels,
)
from emu.ops.scale import (
    Dequantize as Dequantize,
    Quantize as Quantize,
    Rescale as Rescale,
)
from emu.ops.shape import (
    Concat as Concat,
    Identity as Identity,
    Pad as Pad,
    Reshape as Reshape,
    Transpose as Transpose,
)
from emu.ops.softmax import (
    IntegerSoftmax as IntegerSoftmax,
    SoftmaxStyle as SoftmaxStyle,
)
from emu.ops.transposed import (
    ConvTranspose as ConvTranspose,
    TransposeConv2d as TransposeConv2d,
)
from emu.ops.watch import WATCHERS as WATCHERS, watch as watch

Op = (
    Conv
    | Conv2d
    | DepthwiseConv2d
    | Conv3d
    | ConvTranspose
    | TransposeConv2d
    | Gemm
    | BatchGemm
    | MatMul
    | BatchMatMul
    | Add
    | Sub
    | Mul
    | Minimum
    | Maximum
    | SquaredDifference
    | BinaryTable
    | Relu
    | Clip
    | LeakyRelu
    | Sigmoid
    | HardSigmoid
    | HardSwish
    | Tanh
    | Exp
    | Elu
    | Gelu
    | Silu
    | PRelu
    | Softmax
    | IntegerSoftmax
    | Clamp
    | Table
    | ChannelTable
    | Codebook
    | BatchNormalization
    | MaxPool
    | AveragePool
    | AvgPool2d
    | DequantizedAvgPool2d
    | ReduceMean
    | ReduceSum
    | Resize
    | ResizeInteger
    | ResizeSingle
    | Identity
    | Reshape
    | Transpose
    | Concat
    | Pad
    | Slice
    | Tile
    | Reverse
    | Equal
    | Greater
    | GreaterEqual
    | LogicalAnd
    | LogicalOr
    | LogicalXor
    | LogicalNot
    | BitwiseAnd
    | BitwiseOr
    | BitwiseXor
    | BitwiseNot
    | ArithmeticRightShift
    | LogicalRightShift
    | LogicalLeftShift
    | Select
    | Negate
    | Abs
    | Clz
    | IntDiv
    | Cast
    | Reinterpret
    | Gather
    | Scatter
    | ReduceMax
    | ReduceMin
    | ReduceProduct
    | ReduceAll
    | ReduceAny
    | ArgMax
    | InterpolatedTable
    | Resize2d
    | Rescale
    | FloatRescale
    | Quantize
    | Dequantize
    | FloatCast
    | DynamicScale
    | DynamicZeroPoint
    | QuantizeBy
    | SubtractZeroPoint
    | Div
    | Round
    | DetectionPostprocess
)

Kernel = Callable[..., Array]

# Every operator and the function that computes it on integers or float32.
_KERNELS: Final[Mapping[type[Op], Kernel]] = MappingProxyType(
    {
        Conv: conv.conv,
        Conv2d: conv.conv2d,
        DepthwiseConv2d: conv.depthwise_conv2d,
        Conv3d: conv3d.conv3d,
        ConvTranspose: transposed.conv_transpose,
        TransposeConv2d: transposed.transpose_conv2d,
        Gemm: matmul.gemm,
        BatchGemm: matmul.batch_gemm,
        MatMul: matmul.matmul,
        BatchMatMul: matmul.batch_matmul,
        Add: elementwise.add,
        Sub: elementwise.sub,
        Mul: elementwise.mul,
        Minimum: elementwise.minimum,
        Maximum: elementwise.maximum,
        SquaredDifference: elementwise.squared_difference,
        BinaryTable: elementwise.binary_table,
        Relu: activation.relu,
        Clip: activation.clip,
        LeakyRelu: activation.leaky_relu,
        Sigmoid: activation.sigmoid,
        HardSigmoid: activation.hard_sigmoid,
        HardSwish: activation.hard_swish,
        Tanh: activation.tanh,
        Exp: activation.exp,
        Elu: activation.elu,
        Gelu: activation.gelu,
        Silu: activation.silu,
        PRelu: activation.prelu,
        Softmax: activation.softmax,
        IntegerSoftmax: softmax.integer_softmax,
        Clamp: activation.clamp,
        Table: activation.table,
        ChannelTable: activation.channel_table,
        Codebook: codebook.codebook,
        BatchNormalization: normalization.batch_normalization,
        MaxPool: pool.max_pool,
        AveragePool: pool.average_pool,
        AvgPool2d: pool.avg_pool2d,
        DequantizedAvgPool2d: dequantized.dequantized_avg_pool2d,
        ReduceMean: pool.reduce_mean,
        ReduceSum: pool.reduce_sum,
        Resize: resize.resize,
        ResizeInteger: resize.resize_integer,
        ResizeSingle: resize.resize_single,
        Identity: shape.identity,
        Reshape: shape.reshape,
        Transpose: shape.transpose,
        Concat: shape.concat,
        Pad: shape.pad,
        Slice: rearrange.slice_,
        Tile: rearrange.tile,
        Reverse: rearrange.reverse,
        Equal: logic.equal,
        Greater: logic.greater,
        GreaterEqual: logic.greater_equal,
        LogicalAnd: logic.logical_and,
        LogicalOr: logic.logical_or,
        LogicalXor: logic.logical_xor,
        LogicalNot: logic.logical_not,
        BitwiseAnd: logic.bitwise_and,
        BitwiseOr: logic.bitwise_or,
        BitwiseXor: logic.bitwise_xor,
        BitwiseNot: logic.bitwise_not,
        ArithmeticRightShift: logic.arithmetic_right_shift,
        LogicalRightShift: logic.logical_right_shift,
        LogicalLeftShift: logic.logical_left_shift,
        Select: logic.select,
        Negate: integer.negate,
        Abs: integer.absolute,
        Clz: integer.clz,
        IntDiv: integer.intdiv,
        Cast: integer.cast,
        Reinterpret: integer.reinterpret,
        Gather: gather.gather,
        Scatter: gather.scatter,
        ReduceMax: reduce.reduce_max,
        ReduceMin: reduce.reduce_min,
        ReduceProduct: reduce.reduce_product,
        ReduceAll: reduce.reduce_all,
        ReduceAny: reduce.reduce_any,
        ArgMax: reduce.argmax,
        InterpolatedTable: interpolate.interpolated_table,
        Resize2d: interpolate.resize2d,
        Rescale: scale.rescale,
        FloatRescale: dequantized.float_rescale,
        Quantize: scale.quantize,
        Dequantize: scale.dequantize,
        FloatCast: half.float_cast,
        DynamicScale: dynamic.dynamic_scale,
        DynamicZeroPoint: dynamic.dynamic_zero_point,
        QuantizeBy: dynamic.quantize_by,
        SubtractZeroPoint: dynamic.subtract_zero_point,
        Div: dynamic.div,
        Round: dynamic.round_,
        DetectionPostprocess: detection.detection_postprocess,
    }
)

# kernel(op, *operands) -> result. float16 operands of any operator are computed with in
# float32, and the result is rounded once.
KERNELS: Final[Mapping[type[Op], Kernel]] = MappingProxyType(
    {
        op: kernel if op is FloatCast else half.on_halves(kernel)
        for op, kernel in _KERNELS.items()
    }
)

# The operators that sum products into accumulators; their kernels take a `carrier`.
Accumulating = (
    Conv2d | DepthwiseConv2d | Conv3d | TransposeConv2d | MatMul | BatchMatMul
)
