"""The options of TFLite's builtin operators, as a table of what is read of each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import tflite

from emu.errors import ModelError


class OptionsTable(NamedTuple):
    """A table of the TFLite schema and those of its fields that are read."""

    table: str
    fields: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


_FUSED: Final = ("FusedActivationFunction",)
_STRIDES: Final = ("Padding", "StrideH", "StrideW")
_DILATED: Final = (*_STRIDES, "DilationHFactor", "DilationWFactor", *_FUSED)
_POOL: Final = OptionsTable(
    "Pool2DOptions", (*_STRIDES, "FilterHeight", "FilterWidth", *_FUSED)
)
_REDUCER: Final = OptionsTable("ReducerOptions", ("KeepDims",))
_RESIZE: Final = ("AlignCorners", "HalfPixelCenters")

# Operators that are not here have no options, or none that matter.
OPTIONS: Final[Mapping[str, OptionsTable]] = MappingProxyType(
    {
        "CONV_2D": OptionsTable("Conv2DOptions", _DILATED),
        "DEPTHWISE_CONV_2D": OptionsTable("DepthwiseConv2DOptions", _DILATED),
        "TRANSPOSE_CONV": OptionsTable("TransposeConvOptions", (*_STRIDES, *_FUSED)),
        "FULLY_CONNECTED": OptionsTable(
            "FullyConnectedOptions", ("KeepNumDims", "WeightsFormat", *_FUSED)
        ),
        "BATCH_MATMUL": OptionsTable("BatchMatMulOptions", ("AdjX", "AdjY")),
        "ADD": OptionsTable("AddOptions", _FUSED),
        "SUB": OptionsTable("SubOptions", _FUSED),
        "MUL": OptionsTable("MulOptions", _FUSED),
        "AVERAGE_POOL_2D": _POOL,
        "MAX_POOL_2D": _POOL,
        "MEAN": _REDUCER,
        "SUM": _REDUCER,
        "REDUCE_MAX": _REDUCER,
        "REDUCE_MIN": _REDUCER,
        "SOFTMAX": OptionsTable("SoftmaxOptions", ("Beta",)),
        "LEAKY_RELU": OptionsTable("LeakyReluOptions", ("Alpha",)),
        "GELU": OptionsTable("GeluOptions", ("Approximate",)),
        "CONCATENATION": OptionsTable("ConcatenationOptions", ("Axis", *_FUSED)),
        "PACK": OptionsTable("PackOptions", ("Axis",)),
        "SPLIT": OptionsTable("SplitOptions", ("NumSplits",)),
        "STRIDED_SLICE": OptionsTable(
            "StridedSliceOptions",
            (
                "BeginMask",
                "EndMask",
                "EllipsisMask",
                "NewAxisMask",
                "ShrinkAxisMask",
                "Offset",
            ),
        ),
        "RESHAPE": OptionsTable("ReshapeOptions", lists=("NewShape",)),
        "SQUEEZE": OptionsTable("SqueezeOptions", lists=("SqueezeDims",)),
        "RESIZE_BILINEAR": OptionsTable("ResizeBilinearOptions", _RESIZE),
        "RESIZE_NEAREST_NEIGHBOR": OptionsTable(
            "ResizeNearestNeighborOptions", _RESIZE
        ),
    }
)

# A table without fields: its list of fields says 4 bytes, and the table that the list
# lies 4 bytes before it.
_EMPTY: Final = bytes((4, 0, 4, 0, 4, 0, 0, 0))


def read_options(
    kind: str,
    operator: Any,  # noqa: ANN401 - flatbuffer table
    numbers: Callable[[Any], list[int]],
) -> dict[str, Any]:
    """The options of an operator by field name, the schema's defaults where absent.

    `numbers` reads a list. Raises ModelError where the file has the options of
    another operator.
    """
    form = OPTIONS[kind]
    options = getattr(tflite, form.table)()
    tag, union = operator.BuiltinOptionsType(), operator.BuiltinOptions()
    if not tag or union is None:
        options.Init(_EMPTY, len(_EMPTY) // 2)
    elif tag == getattr(tflite.BuiltinOptions, form.table):
        options.Init(union.Bytes, union.Pos)
    else:
        raise ModelError(f"{kind} with options of type {tag}, not {form.table}")
    found: dict[str, Any] = {name: getattr(options, name)() for name in form.fields}
    for name in form.lists:
        found[name] = tuple(numbers(getattr(options, f"{name}AsNumpy")()))
    return found
