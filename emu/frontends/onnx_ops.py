"""The table of ONNX operators that are imported, each by one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from emu.frontends.onnx_dense import (
    import_add,
    import_batch_normalization,
    import_gemm,
    import_matmul,
    import_mul,
    import_sub,
)
from emu.frontends.onnx_layout import Scope
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_pointwise import (
    import_clip,
    import_dropout,
    import_hard_sigmoid,
    import_hard_swish,
    import_identity,
    import_leaky_relu,
    import_relu,
    import_sigmoid,
    import_softmax,
)
from emu.frontends.onnx_shape import (
    import_concat,
    import_flatten,
    import_pad,
    import_reduce_mean,
    import_reshape,
    import_squeeze,
    import_transpose,
    import_unsqueeze,
)
from emu.frontends.onnx_window import (
    import_average_pool,
    import_conv,
    import_global_average_pool,
    import_global_max_pool,
    import_max_pool,
)

IMPORTERS: Final[Mapping[str, Callable[[Scope, OnnxNode], None]]] = MappingProxyType(
    {
        "Conv": import_conv,
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
        "Relu": import_relu,
        "Clip": import_clip,
        "LeakyRelu": import_leaky_relu,
        "Sigmoid": import_sigmoid,
        "HardSigmoid": import_hard_sigmoid,
        "HardSwish": import_hard_swish,
        "Softmax": import_softmax,
        "Identity": import_identity,
        "Dropout": import_dropout,
        "Reshape": import_reshape,
        "Flatten": import_flatten,
        "Squeeze": import_squeeze,
        "Unsqueeze": import_unsqueeze,
        "Transpose": import_transpose,
        "Concat": import_concat,
        "Pad": import_pad,
        "ReduceMean": import_reduce_mean,
    }
)
