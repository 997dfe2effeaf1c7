"""The layout of a TOSA flatbuffer, as literal data: tables, fields, enumerations.

Source: tosa.fbs of the TOSA serialization library (package tosa-tools 2026.8.0),
which names the fields of a table in the order of their slots. Only what a graph of
the integer profile needs is listed; the JSON form (flatc) has the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Kind(Enum):
    """How the value of a field is stored."""

    BOOL = "bool"
    INT32 = "int32"
    UINT64 = "uint64"
    BYTES = "bytes"
    INT32S = "int32s"
    STRING = "string"
    STRINGS = "strings"
    ENUM = "enum"  # `of` names the enumeration
    TABLE = "table"  # `of` names the table
    TABLES = "tables"
    ATTRIBUTE = "attribute"  # the table that the operator's own kind names


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table: its slot in the vtable, its name, how it is stored."""

    slot: int
    name: str
    kind: Kind
    of: str = ""


TABLES: Final[Mapping[str, tuple[Field, ...]]] = MappingProxyType(
    {
        "TosaGraph": (
            Field(0, "version", Kind.TABLE, "Version"),
            Field(1, "regions", Kind.TABLES, "TosaRegion"),
        ),
        "Version": (
            Field(0, "_major", Kind.INT32),
            Field(1, "_minor", Kind.INT32),
            Field(2, "_patch", Kind.INT32),
        ),
        "TosaRegion": (
            Field(0, "name", Kind.STRING),
            Field(1, "blocks", Kind.TABLES, "TosaBasicBlock"),
        ),
        "TosaBasicBlock": (
            Field(0, "name", Kind.STRING),
            Field(1, "operators", Kind.TABLES, "TosaOperator"),
            Field(2, "tensors", Kind.TABLES, "TosaTensor"),
            Field(3, "inputs", Kind.STRINGS),
            Field(4, "outputs", Kind.STRINGS),
            Field(5, "shapes", Kind.TABLES, "TosaShape"),
        ),
        "TosaOperator": (
            Field(0, "op", Kind.ENUM, "Op"),
            # Slot 1 is the type of the union, which repeats `op`.
            Field(2, "attribute", Kind.ATTRIBUTE),
            Field(3, "inputs", Kind.STRINGS),
            Field(4, "outputs", Kind.STRINGS),
        ),
        "TosaTensor": (
            Field(0, "name", Kind.STRING),
            Field(1, "shape", Kind.INT32S),
            Field(2, "type", Kind.ENUM, "DType"),
            Field(3, "data", Kind.BYTES),
            Field(4, "variable", Kind.BOOL),
            Field(5, "is_unranked", Kind.BOOL),
            Field(7, "offset", Kind.UINT64),
        ),
        "TosaShape": (
            Field(0, "name", Kind.STRING),
            Field(1, "rank", Kind.INT32),
            Field(2, "data", Kind.BYTES),
        ),
    }
)

_AXIS: Final = (Field(0, "axis", Kind.INT32),)
_CONV: Final = (
    Field(0, "pad", Kind.INT32S),
    Field(1, "stride", Kind.INT32S),
    Field(2, "dilation", Kind.INT32S),
    Field(4, "acc_type", Kind.ENUM, "DType"),
)
_POOL: Final = (
    Field(0, "kernel", Kind.INT32S),
    Field(1, "stride", Kind.INT32S),
    Field(2, "pad", Kind.INT32S),
)

# Operator -> the fields of its attribute; no entry: it has none that matters.
ATTRIBUTES: Final[Mapping[str, tuple[Field, ...]]] = MappingProxyType(
    {
        "ARGMAX": _AXIS,
        "AVG_POOL2D": (*_POOL, Field(3, "acc_type", Kind.ENUM, "DType")),
        "CONV2D": _CONV,
        "CONV3D": _CONV,
        "DEPTHWISE_CONV2D": _CONV,
        "MAX_POOL2D": _POOL,
        "TRANSPOSE_CONV2D": (
            Field(0, "out_pad", Kind.INT32S),
            Field(1, "stride", Kind.INT32S),
            Field(3, "acc_type", Kind.ENUM, "DType"),
        ),
        "CLAMP": (
            Field(0, "min_val", Kind.BYTES),
            Field(1, "max_val", Kind.BYTES),
        ),
        "ARITHMETIC_RIGHT_SHIFT": (Field(0, "round", Kind.BOOL),),
        "REDUCE_ALL": _AXIS,
        "REDUCE_ANY": _AXIS,
        "REDUCE_MAX": _AXIS,
        "REDUCE_MIN": _AXIS,
        "REDUCE_PRODUCT": _AXIS,
        "REDUCE_SUM": _AXIS,
        "CONCAT": _AXIS,
        "REVERSE": _AXIS,
        "TRANSPOSE": (Field(0, "perms", Kind.INT32S),),
        "RESIZE": (Field(0, "mode", Kind.ENUM, "ResizeMode"),),
        "RESCALE": (
            Field(0, "scale32", Kind.BOOL),
            Field(1, "rounding_mode", Kind.ENUM, "RoundingMode"),
            Field(2, "per_channel", Kind.BOOL),
            Field(3, "input_unsigned", Kind.BOOL),
            Field(4, "output_unsigned", Kind.BOOL),
        ),
    }
)

_OPERATORS: Final = """
UNKNOWN ARGMAX AVG_POOL2D CONV2D CONV3D DEPTHWISE_CONV2D FFT2D MATMUL MAX_POOL2D RFFT2D
TRANSPOSE_CONV2D CLAMP ERF SIGMOID TANH ADD ARITHMETIC_RIGHT_SHIFT BITWISE_AND
BITWISE_OR BITWISE_XOR INTDIV LOGICAL_AND LOGICAL_LEFT_SHIFT LOGICAL_RIGHT_SHIFT
LOGICAL_OR LOGICAL_XOR MAXIMUM MINIMUM MUL POW SUB TABLE ABS BITWISE_NOT CEIL CLZ COS
EXP FLOOR LOG LOGICAL_NOT NEGATE RECIPROCAL RSQRT SIN SELECT EQUAL GREATER
GREATER_EQUAL REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PRODUCT REDUCE_SUM
CONCAT PAD RESHAPE REVERSE SLICE TILE TRANSPOSE GATHER SCATTER RESIZE CAST RESCALE
CONST IDENTITY CUSTOM COND_IF WHILE_LOOP VARIABLE VARIABLE_WRITE VARIABLE_READ
CONST_SHAPE MATMUL_T_BLOCK_SCALED CAST_FROM_BLOCK_SCALED CAST_TO_BLOCK_SCALED DIM
CONCAT_SHAPE ADD_SHAPE SUB_SHAPE MUL_SHAPE SLICE_SHAPE EXP2_SHAPE LOG2_CEIL_SHAPE
LOG2_FLOOR_SHAPE MAX_SHAPE MIN_SHAPE MOD_SHAPE DIV_CEIL_SHAPE DIV_FLOOR_SHAPE
ASSERT_EQUAL_SHAPE CONV2D_BLOCK_SCALED MAX_POOL2D_ADAPTIVE AVG_POOL2D_ADAPTIVE
RESHAPE_BLOCK_SCALED ROW_GATHER_BLOCK_SCALED ROW_GATHER MATMUL_T
"""
_DTYPES: Final = """
UNKNOWN BOOL INT4 INT8 INT16 INT32 INT48 FP32 FP16 BF16 SHAPE FP8E4M3 FP8E5M2 FP6E2M3
FP6E3M2 FP4E2M1 FP8UE8M0 INT64 MXINT8
"""

# Names in the order of their numbers.
ENUMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Op": tuple(_OPERATORS.split()),
        "DType": tuple(_DTYPES.split()),
        "ResizeMode": ("UNKNOWN", "NEAREST", "BILINEAR"),
        "RoundingMode": ("UNKNOWN", "SINGLE_ROUND", "INEXACT_ROUND", "DOUBLE_ROUND"),
    }
)
