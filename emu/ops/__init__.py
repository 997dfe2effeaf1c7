"""The operators: frozen data and a kernel each, joined in one literal table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jax import Array

from emu.ops import (
    activation,
    conv,
    elementwise,
    matmul,
    normalization,
    pool,
    scale,
    shape,
)
from emu.ops.activation import (
    Clamp as Clamp,
    Clip as Clip,
    HardSigmoid as HardSigmoid,
    HardSwish as HardSwish,
    LeakyRelu as LeakyRelu,
    Relu as Relu,
    Sigmoid as Sigmoid,
    Softmax as Softmax,
    Table as Table,
)
from emu.ops.conv import (
    Conv as Conv,
    Conv2d as Conv2d,
    DepthwiseConv2d as DepthwiseConv2d,
)
from emu.ops.elementwise import Add as Add, Mul as Mul, Sub as Sub
from emu.ops.matmul import Gemm as Gemm, MatMul as MatMul
from emu.ops.normalization import BatchNormalization as BatchNormalization
from emu.ops.pool import (
    AveragePool as AveragePool,
    AvgPool2d as AvgPool2d,
    MaxPool as MaxPool,
    ReduceMean as ReduceMean,
    ReduceSum as ReduceSum,
)
from emu.ops.scale import (
    Dequantize as Dequantize,
    Quantize as Quantize,
    Rescale as Rescale,
)
from emu.ops.shape import (
    Concat as Concat,
    Pad as Pad,
    Reshape as Reshape,
    Transpose as Transpose,
)

Op = (
    Conv
    | Conv2d
    | DepthwiseConv2d
    | Gemm
    | MatMul
    | Add
    | Sub
    | Mul
    | Relu
    | Clip
    | LeakyRelu
    | Sigmoid
    | HardSigmoid
    | HardSwish
    | Softmax
    | Clamp
    | Table
    | BatchNormalization
    | MaxPool
    | AveragePool
    | AvgPool2d
    | ReduceMean
    | ReduceSum
    | Reshape
    | Transpose
    | Concat
    | Pad
    | Rescale
    | Quantize
    | Dequantize
)

Kernel = Callable[..., Array]

# Every operator and the function that computes it: kernel(op, *operands) -> result.
KERNELS: Final[Mapping[type[Op], Kernel]] = MappingProxyType(
    {
        Conv: conv.conv,
        Conv2d: conv.conv2d,
        DepthwiseConv2d: conv.depthwise_conv2d,
        Gemm: matmul.gemm,
        MatMul: matmul.matmul,
        Add: elementwise.add,
        Sub: elementwise.sub,
        Mul: elementwise.mul,
        Relu: activation.relu,
        Clip: activation.clip,
        LeakyRelu: activation.leaky_relu,
        Sigmoid: activation.sigmoid,
        HardSigmoid: activation.hard_sigmoid,
        HardSwish: activation.hard_swish,
        Softmax: activation.softmax,
        Clamp: activation.clamp,
        Table: activation.table,
        BatchNormalization: normalization.batch_normalization,
        MaxPool: pool.max_pool,
        AveragePool: pool.average_pool,
        AvgPool2d: pool.avg_pool2d,
        ReduceMean: pool.reduce_mean,
        ReduceSum: pool.reduce_sum,
        Reshape: shape.reshape,
        Transpose: shape.transpose,
        Concat: shape.concat,
        Pad: shape.pad,
        Rescale: scale.rescale,
        Quantize: scale.quantize,
        Dequantize: scale.dequantize,
    }
)

# The operators that sum products into accumulators; their kernels take a `carrier`.
Accumulating = Conv2d | DepthwiseConv2d | MatMul
