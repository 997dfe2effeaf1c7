"""Integers of ONNX files: their formats, parameters, and constants given by integers."""

import math
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper

from emu.errors import ConfigError, UnsupportedError
from emu.fixedpoint import IntFormat, QParams

# The elements of a tensor that is integers: "UINT4" of the file is uint4 of ours.
_INTEGERS = frozenset(
    f"{sign}INT{bits}" for sign in ("", "U") for bits in (2, 4, 8, 16, 32)
)


def element_name(number: int) -> str:
    """The name of an element type, or its number where onnx has no name for it."""
    names = {value: name for name, value in onnx.TensorProto.DataType.items()}
    return names.get(number, str(number))


def element_format(number: int) -> IntFormat:
    """The format of integer elements; UnsupportedError for any other elements."""
    name = element_name(number)
    if name not in _INTEGERS:
        raise UnsupportedError(f"elements {name}, expected integers of 2 to 32 bits")
    return IntFormat.parse(name.lower())


def array_format(array: np.ndarray) -> IntFormat:
    """The format of a constant's integers, those of fewer than 8 bits too."""
    try:
        number = helper.np_dtype_to_tensor_dtype(array.dtype)
    except (KeyError, ValueError) as error:
        raise UnsupportedError(f"elements {array.dtype}") from error
    return element_format(number)


def make_qparams(
    scale: np.ndarray, zero_point: np.ndarray, axis: int | None
) -> QParams:
    """Parameters of a tensor, or of each index of `axis`; several need the axis."""
    scales, points = (values.reshape(-1) for values in (scale, zero_point))
    if points.size not in (1, scales.size):
        raise UnsupportedError(f"{scales.size} scales beside {points.size} zero points")
    points = np.broadcast_to(points, scales.shape)
    try:
        return QParams(
            scale=tuple(float(value) for value in scales),
            zero_point=tuple(int(value) for value in points),
            axis=axis if scales.size > 1 else None,
        )
    except ConfigError as error:
        raise UnsupportedError(error.message) from error


def moved(qparams: QParams, perm: tuple[int, ...]) -> QParams:
    """The parameters of the transposed tensor."""
    if qparams.axis is None:
        return qparams
    return replace(qparams, axis=perm.index(qparams.axis))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stated:
    """A constant of the file that is given by integers: what DequantizeLinear reads.

    real = scale * (codes - zero_point). `name` is that of the real numbers in the
    file, `source` that of the integers. It can be laid out anew as an array can.
    """

    name: str
    source: str
    codes: np.ndarray  # in the storage dtype of `format`
    format: IntFormat
    qparams: QParams

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def ndim(self) -> int:
        return self.codes.ndim

    @property
    def size(self) -> int:
        return self.codes.size

    def transpose(self, perm: tuple[int, ...]) -> "Stated":
        """As numpy's; the parameters' axis moves along."""
        codes = self.codes.transpose(perm)
        return replace(self, codes=codes, qparams=moved(self.qparams, perm))

    def reshape(self, shape: tuple[int, ...]) -> "Stated":
        """As numpy's, where the axis of the parameters stays an axis."""
        codes, qparams = self.codes.reshape(shape), self.qparams
        if qparams.axis is not None:
            qparams = replace(qparams, axis=self._axis_in(codes.shape))
        return replace(self, codes=codes, qparams=qparams)

    def _axis_in(self, shape: tuple[int, ...]) -> int:
        old, axis = self.codes.shape, self.qparams.axis or 0
        for new, size in enumerate(shape):
            before = math.prod(shape[:new]) == math.prod(old[:axis])
            if size == old[axis] and before:
                return new
        raise UnsupportedError(
            f"{self.name!r} has parameters along axis {axis} of {old}, which the shape "
            f"{shape} does not keep"
        )

    def real(self) -> np.ndarray:
        """The float32 numbers that the integers mean."""
        axis, rank = self.qparams.axis, self.codes.ndim
        along = [-1 if i == axis else 1 for i in range(rank)]
        zero_point = np.array(self.qparams.zero_point, np.int64)
        scale = np.array(self.qparams.scale, np.float32)
        if axis is None:
            zero_point, scale = zero_point.reshape(()), scale.reshape(())
        else:
            zero_point, scale = zero_point.reshape(along), scale.reshape(along)
        return (self.codes.astype(np.int64) - zero_point).astype(np.float32) * scale


def make_stated(name: str, source: str, array: np.ndarray, qparams: QParams) -> Stated:
    """A constant of the file with its parameters; 4-bit integers in int8 and so on."""
    fmt = array_format(array)
    codes = array.astype(fmt.dtype)
    return Stated(name=name, source=source, codes=codes, format=fmt, qparams=qparams)


# What operators take as a parameter: real numbers, or integers that state them.
Parameter = np.ndarray | Stated
