"""Shape and dtype of a node's result, asked of its kernel by abstract evaluation."""

import inspect
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, get_args

import jax
import numpy as np

from emu.errors import GraphError
from emu.graph.graph import Shape, Tensor
from emu.ops import KERNELS, Kernel, Op

# Two sizes nobody's network has elsewhere: the axis that follows them is the batch.
_BATCHES = (5, 7)

# No sample of any network is larger; a hostile file could ask for one.
_MAX_ELEMENTS: Final = 1 << 31

# Of every other dtype a file may name, no kernel knows the meaning.
_DTYPES: Final = frozenset(
    {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
    | {"float16", "float32", "float64", "bool"}
)

Operand = Tensor | np.ndarray


def infer(op: Op, operands: Sequence[Operand], where: str) -> tuple[Shape, str]:
    """Shape and dtype name of `op` applied to the operands.

    A batch axis (None) of an operand is one of the result; where no operand has one
    (constants, static graphs) the shape is fixed.

    Raises GraphError, naming `where`, when the operator cannot take them or when
    the result does not keep the batch axis first and alone.
    """
    _check_dtypes(op, operands, where)
    if all(None not in operand.shape for operand in operands):
        fixed = _evaluate(op, operands, 0, where)
        _check_size(fixed.shape, where)
        return tuple(fixed.shape), str(fixed.dtype)
    results = [_evaluate(op, operands, batch, where) for batch in _BATCHES]
    first, second = (result.shape for result in results)
    _check_size(first[1:], where)
    if (first[:1], second[:1]) != (_BATCHES[:1], _BATCHES[1:]):
        found = f"shapes {first} and {second} for batches of {_BATCHES}"
        raise GraphError(
            f"found {found}; the first axis must be the batch", where=where
        )
    if first[1:] != second[1:]:
        raise GraphError(
            f"found shapes {first} and {second} for batches of {_BATCHES}; "
            "only the first axis may depend on the batch",
            where=where,
        )
    return (None, *first[1:]), str(results[0].dtype)


def _check_size(shape: Sequence[int], where: str) -> None:
    if math.prod(shape) > _MAX_ELEMENTS:
        raise GraphError(f"a result of shape {tuple(shape)} is too large", where=where)


def _check_dtypes(op: Op, operands: Sequence[Operand], where: str) -> None:
    """Refuse what the kernel's annotations exclude; JAX would convert it silently.

    float16 goes where float32 does, but not together with it.
    """
    if {"float16", "float32"} <= {str(operand.dtype) for operand in operands}:
        raise GraphError("operands of float16 and of float32", where=where)
    named, others = _taken(KERNELS[type(op)])
    for i, operand in enumerate(operands):
        allowed = named[i] if i < len(named) else others
        if str(operand.dtype) not in allowed:
            raise GraphError(
                f"{type(op).__name__} cannot take operand {i} of dtype "
                f"{operand.dtype}, expected {' or '.join(sorted(allowed))}",
                where=where,
            )


@cache
def _taken(kernel: Kernel) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    """The dtypes of each named operand of a kernel, and those of further ones."""
    _, *parameters = inspect.signature(kernel).parameters.values()
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    rest = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    others = _admitted(rest[0].annotation) if rest else _DTYPES
    return tuple(_admitted(p.annotation) for p in named), others


def _admitted(annotation: object) -> frozenset[str]:
    """The dtypes of a jaxtyping annotation, or of a union of them."""
    admitted: set[str] = set()
    for member in get_args(annotation) or (annotation,):
        dtypes = getattr(member, "dtypes", ())
        admitted.update(dtypes if isinstance(dtypes, tuple) else _DTYPES)
    if "float32" in admitted:
        admitted.add("float16")
    return _DTYPES & admitted


def _evaluate(
    op: Op, operands: Sequence[Operand], batch: int, where: str
) -> jax.ShapeDtypeStruct:
    described = tuple(
        (
            tuple(batch if d is None else d for d in operand.shape),
            str(operand.dtype),
        )
        for operand in operands
    )
    try:
        return _abstract(op, described)
    except (TypeError, ValueError, IndexError, ArithmeticError) as error:
        shapes = ", ".join(str(tuple(operand.shape)) for operand in operands)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GraphError(
            f"{type(op).__name__} cannot take operands of shapes {shapes}: {reason}",
            where=where,
        ) from error


@lru_cache(maxsize=4096)
def _abstract(
    op: Op, operands: tuple[tuple[tuple[int, ...], str], ...]
) -> jax.ShapeDtypeStruct:
    """What the kernel gives for shapes and dtypes; asked again by every verify."""
    structs = [
        jax.ShapeDtypeStruct(shape, np.dtype(dtype)) for shape, dtype in operands
    ]
    kernel = KERNELS[type(op)]
    with jax.enable_x64(True):
        return jax.eval_shape(lambda *xs: kernel(op, *xs), *structs)
