"""The tables of ONNX operators that are imported, each by one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from emu.frontends.onnx_constants import Constants
from emu.frontends.onnx_dense import (
    import_add,
    import_batch_normalization,
    import_div,
    import_gemm,
    import_matmul,
    import_max,
    import_min,
    import_mul,
    import_mul_alone,
    import_prelu,
    import_sub,
    import_where,
)
from emu.frontends.onnx_integer import (
    import_cast,
    import_conv_integer,
    import_matmul_integer,
)
from emu.frontends.onnx_node import MUL_ALONE, OnnxNode
from emu.frontends.onnx_pointwise import (
    import_clip,
    import_dropout,
    import_elu,
    import_exp,
    import_gelu,
    import_hard_sigmoid,
    import_hard_swish,
    import_identity,
    import_leaky_relu,
    import_relu,
    import_round,
    import_sigmoid,
    import_softmax,
    import_tanh,
)
from emu.frontends.onnx_qonnx import fold_quant, import_quant, import_trunc
from emu.frontends.onnx_quantize import (
    fold_dequantize_linear,
    import_dequantize_linear,
    import_dynamic_quantize_linear,
    import_quantize_linear,
    relaid,
)
from emu.frontends.onnx_resize import import_resize, import_slice, import_split
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_shape import (
    import_concat,
    import_flatten,
    import_pad,
    import_reduce_max,
    import_reduce_mean,
    import_reduce_min,
    import_reduce_sum,
    import_reshape,
    import_shape,
    import_squeeze,
    import_transpose,
    import_unsqueeze,
)
from emu.frontends.onnx_stated import Stated
from emu.frontends.onnx_window import (
    import_average_pool,
    import_conv,
    import_conv_transpose,
    import_global_average_pool,
    import_global_max_pool,
    import_max_pool,
)

IMPORTERS: Final[Mapping[str, Callable[[Scope, OnnxNode], None]]] = MappingProxyType(
    {
        "Conv": import_conv,
        "ConvTranspose": import_conv_transpose,
        "MaxPool": import_max_pool,
        "AveragePool": import_average_pool,
        "GlobalAveragePool": import_global_average_pool,
        "GlobalMaxPool": import_global_max_pool,
        "Gemm": import_gemm,
        "MatMul": import_matmul,
        "BatchNormalization": import_batch_normalization,
        "Add": import_add,
        "Sub": import_sub,
        "Mul": import_mul,
        MUL_ALONE: import_mul_alone,
        "Where": import_where,
        "Div": import_div,
        "Min": import_min,
        "Max": import_max,
        "Relu": import_relu,
        "Clip": import_clip,
        "LeakyRelu": import_leaky_relu,
        "PRelu": import_prelu,
        "Sigmoid": import_sigmoid,
        "HardSigmoid": import_hard_sigmoid,
        "HardSwish": import_hard_swish,
        "Tanh": import_tanh,
        "Exp": import_exp,
        "Elu": import_elu,
        "Gelu": import_gelu,
        "Round": import_round,
        "Softmax": import_softmax,
        "Identity": import_identity,
        "Dropout": import_dropout,
        "Reshape": import_reshape,
        "Flatten": import_flatten,
        "Squeeze": import_squeeze,
        "Unsqueeze": import_unsqueeze,
        "Transpose": import_transpose,
        "Shape": import_shape,
        "Concat": import_concat,
        "Pad": import_pad,
        "Slice": import_slice,
        "Split": import_split,
        "Resize": import_resize,
        "Upsample": import_resize,
        "ReduceMean": import_reduce_mean,
        "ReduceSum": import_reduce_sum,
        "ReduceMax": import_reduce_max,
        "ReduceMin": import_reduce_min,
        "QuantizeLinear": import_quantize_linear,
        "DequantizeLinear": import_dequantize_linear,
        "DynamicQuantizeLinear": import_dynamic_quantize_linear,
        "ConvInteger": import_conv_integer,
        "MatMulInteger": import_matmul_integer,
        "Cast": import_cast,
        "com.microsoft.QuantizeLinear": import_quantize_linear,
        "com.microsoft.DequantizeLinear": import_dequantize_linear,
        "qonnx.Quant": import_quant,
        "qonnx.IntQuant": import_quant,
        "qonnx.BipolarQuant": import_quant,
        "qonnx.Trunc": import_trunc,
    }
)

# Operators of constants alone whose result is a constant that integers state; they
# give None where it is one of plain numbers.
STATED_FOLDS: Final[Mapping[str, Callable[[Constants, OnnxNode], Stated | None]]] = (
    MappingProxyType(
        {
            "DequantizeLinear": fold_dequantize_linear,
            "com.microsoft.DequantizeLinear": fold_dequantize_linear,
            "qonnx.Quant": fold_quant,
            "qonnx.IntQuant": fold_quant,
            "qonnx.BipolarQuant": fold_quant,
            "Identity": relaid,
            "Transpose": relaid,
        }
    )
)
