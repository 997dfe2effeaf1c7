"""The table of TFLite operators that are imported, each by one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from emu.frontends.tflite_dense import (
    import_add,
    import_batch_matmul,
    import_fully_connected,
    import_maximum,
    import_minimum,
    import_mul,
    import_squared_difference,
    import_sub,
)
from emu.frontends.tflite_detection import import_detection_postprocess
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_pointwise import (
    import_dequantize,
    import_elu,
    import_exp,
    import_gelu,
    import_hard_swish,
    import_leaky_relu,
    import_logistic,
    import_prelu,
    import_quantize,
    import_relu,
    import_relu6,
    import_relu_0_to_1,
    import_relu_n1_to_1,
    import_softmax,
    import_tanh,
)
from emu.frontends.tflite_scope import Scope
from emu.frontends.tflite_shape import (
    import_concatenation,
    import_expand_dims,
    import_mean,
    import_pack,
    import_pad,
    import_reduce_max,
    import_reduce_min,
    import_reshape,
    import_slice,
    import_split,
    import_squeeze,
    import_strided_slice,
    import_sum,
    import_transpose,
)
from emu.frontends.tflite_window import (
    import_average_pool,
    import_conv,
    import_depthwise_conv,
    import_max_pool,
    import_resize_bilinear,
    import_resize_nearest,
    import_transpose_conv,
)

IMPORTERS: Final[Mapping[str, Callable[[Scope, TfliteNode], None]]] = MappingProxyType(
    {
        "CONV_2D": import_conv,
        "DEPTHWISE_CONV_2D": import_depthwise_conv,
        "TRANSPOSE_CONV": import_transpose_conv,
        "FULLY_CONNECTED": import_fully_connected,
        "BATCH_MATMUL": import_batch_matmul,
        "ADD": import_add,
        "SUB": import_sub,
        "MUL": import_mul,
        "MINIMUM": import_minimum,
        "MAXIMUM": import_maximum,
        "SQUARED_DIFFERENCE": import_squared_difference,
        "AVERAGE_POOL_2D": import_average_pool,
        "MAX_POOL_2D": import_max_pool,
        "MEAN": import_mean,
        "SUM": import_sum,
        "REDUCE_MAX": import_reduce_max,
        "REDUCE_MIN": import_reduce_min,
        "SOFTMAX": import_softmax,
        "LOGISTIC": import_logistic,
        "TANH": import_tanh,
        "HARD_SWISH": import_hard_swish,
        "LEAKY_RELU": import_leaky_relu,
        "PRELU": import_prelu,
        "ELU": import_elu,
        "GELU": import_gelu,
        "EXP": import_exp,
        "RELU": import_relu,
        "RELU6": import_relu6,
        "RELU_N1_TO_1": import_relu_n1_to_1,
        "RELU_0_TO_1": import_relu_0_to_1,
        "CONCATENATION": import_concatenation,
        "PACK": import_pack,
        "SPLIT": import_split,
        "SLICE": import_slice,
        "STRIDED_SLICE": import_strided_slice,
        "PAD": import_pad,
        "PADV2": import_pad,
        "RESHAPE": import_reshape,
        "SQUEEZE": import_squeeze,
        "EXPAND_DIMS": import_expand_dims,
        "TRANSPOSE": import_transpose,
        "RESIZE_BILINEAR": import_resize_bilinear,
        "RESIZE_NEAREST_NEIGHBOR": import_resize_nearest,
        "QUANTIZE": import_quantize,
        "DEQUANTIZE": import_dequantize,
        "custom TFLite_Detection_PostProcess": import_detection_postprocess,
    }
)
