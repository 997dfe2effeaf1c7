"""Layouts: the forms that activations of the file are held in, and their codings."""

import math
from dataclasses import dataclass

from emu.fixedpoint import IntFormat, QParams
from emu.frontends.onnx_stated import moved
from emu.graph import Shape
from emu.ops import Reshape

Perm = tuple[int, ...]

NHWC: Perm = (0, 2, 3, 1)
HWIO: Perm = (2, 3, 1, 0)


def file_order(rank: int) -> Perm:
    """The form that is the file's own array."""
    return tuple(range(rank))


def inner_order(rank: int) -> Perm:
    """The form in which activations of this rank are computed: NHWC for rank 4."""
    return NHWC if rank == 4 else file_order(rank)


def moves_nothing(shape: Shape, perm: Perm) -> bool:
    """Whether transposing leaves the elements in their order in memory."""
    kept = [axis for axis in perm if shape[axis] != 1]
    return kept == sorted(kept)


def reshape_to(shape: Shape) -> Reshape:
    """The operator that gives a tensor this shape; None is the free batch."""
    known = tuple(size or 0 for size in shape)
    if shape and shape[0] is None:
        return Reshape(shape=known[1:])
    return Reshape(shape=known, keep_batch=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """What the integers of an activation mean, its axes those of the file."""

    format: IntFormat
    qparams: QParams | None = None

    def seen(self, perm: Perm) -> "Coding":
        """The same of the activation transposed by `perm`, axes counted there."""
        qparams = self.qparams and moved(self.qparams, perm)
        return Coding(format=self.format, qparams=qparams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A float activation that is `codes`, dequantized and transposed by `perm`."""

    codes: str
    perm: Perm
    qparams: QParams


def sample_size(shape: Shape) -> int:
    """Elements of one sample, or of the whole of a static activation."""
    return math.prod(size for size in shape if size is not None)
