"""Scope: the Graph under construction, and the forms its activations are held in.

An activation of the file may be held in several forms, each a transposition of the
file's array: a convolution asks for NHWC, a Reshape for the file's own order. A form
is made from one that exists when it is first asked for, so that transpositions that
would undo each other never arise.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from emu.errors import ModelError, UnsupportedError
from emu.fixedpoint import QParams
from emu.frontends.onnx_constants import Constants
from emu.frontends.onnx_file import FileShape
from emu.frontends.onnx_layout import (
    Coding,
    Decoded,
    Perm,
    file_order,
    inner_order,
    moves_nothing,
    reshape_to,
)
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_stated import moved
from emu.graph import Golden, GraphBuilder, Shape, Tensor
from emu.ops import (
    Concat,
    Dequantize,
    MaxPool,
    Op,
    Pad,
    Reshape,
    Reverse,
    Slice,
    Transpose,
)

# Operators that move integers and leave their meaning.
MOVES: Final = (Concat, MaxPool, Pad, Reshape, Reverse, Slice, Transpose)


class Scope:
    """What the importers of operators read and write.

    A static scope makes a Graph without free batch; otherwise the first axis of
    every activation is the batch, and importers refuse what would not keep it.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        constants: dict[str, np.ndarray],
        names: Iterable[str],
        outputs: Iterable[str],
        *,
        static: bool = False,
    ) -> None:
        """Start with the file's constants; `names` are all names the file uses."""
        self.builder = builder
        self.constants = Constants(builder, constants, names)
        self.static = static
        self.batch: int | None = None  # the batch size the file fixes, if it does
        self.codings: dict[str, Coding] = {}  # integer activations
        self._decoded: dict[str, Decoded] = {}
        self._forms: dict[str, dict[Perm, str]] = {}
        self._edges = set(outputs)

    def input(
        self,
        name: str,
        shape: Shape,
        coding: Coding | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        """Declare a graph input, in the file's layout; `dtype` of one without coding."""
        perm = file_order(len(shape))
        golden = Golden(name=name, perm=perm)
        tensor = Tensor(shape=shape, dtype=dtype, golden=golden)
        if coding:
            dtype = str(coding.format.dtype)
            tensor = Tensor(
                shape=shape,
                dtype=dtype,
                format=coding.format,
                qparams=coding.qparams,
                golden=golden,
            )
            self.codings[name] = coding
        self.builder.input(name, tensor)
        self._forms[name] = {perm: name}
        self._edges.add(name)

    def keeps_batch(self, kept: bool, otherwise: str) -> None:
        """Refuse, saying why, what mixes the batch with other axes (if it is free)."""
        if not (kept or self.static):
            raise UnsupportedError(otherwise)

    def known(self, name: str) -> bool:
        """Whether this is an activation made so far."""
        return name in self._forms

    def shape(self, name: str) -> Shape:
        """Shape of an activation in the file's layout, a free batch axis None."""
        if name not in self._forms:
            raise UnsupportedError(f"operand {name!r} is not computed from the input")
        perm, held = next(iter(self._forms[name].items()))
        sizes = self.builder.tensors[held].shape
        return tuple(sizes[perm.index(axis)] for axis in range(len(sizes)))

    def view(self, name: str, perm: Perm) -> str:
        """Our tensor that is the file's activation transposed by `perm`.

        Dequantized activations are transposed as integers.
        """
        forms = self._forms[name]
        if perm not in forms:
            decoded = self._decoded.get(name)
            forms[perm] = (
                self._dequantize(name, decoded, perm)
                if decoded
                else self._transpose(name, perm)
            )
        return forms[perm]

    def _transpose(self, name: str, perm: Perm) -> str:
        known, source = next(iter(self._forms[name].items()))
        step = tuple(known.index(axis) for axis in perm)
        shape = self.builder.tensors[source].shape
        op = Transpose(perm=step)
        if moves_nothing(shape, step):
            op = reshape_to(tuple(shape[axis] for axis in step))
        title = self._title(name, perm)
        return self._add(op, (source,), title, title, name, perm)

    def _dequantize(self, name: str, decoded: Decoded, perm: Perm) -> str:
        inner = tuple(decoded.perm[axis] for axis in perm)
        source = self.view(decoded.codes, inner)
        op = Dequantize(qparams=moved(decoded.qparams, inner))
        title = self._title(name, perm)
        return self._add(op, (source,), title, title, name, perm)

    def _add(
        self,
        op: Op,
        inputs: tuple[str, ...],
        title: str,
        layer: str,
        name: str,
        perm: Perm,
    ) -> str:
        """Append a node whose result is `name` of the file, transposed by `perm`."""
        coding = self.codings[name].seen(perm) if name in self.codings else None
        return self.builder.add(
            op,
            inputs,
            title,
            layer=layer,
            name=layer,
            golden=Golden(name=name, perm=perm)
            if self.constants.of_file(name)
            else None,
            format=coding and coding.format,
            qparams=coding and coding.qparams,
        )

    def decode(self, name: str, codes: str, qparams: QParams) -> None:
        """Let `name` be the dequantized integers `codes`."""
        perm = next(iter(self._forms[codes]))
        whole = file_order(len(perm))
        self._decoded[name] = Decoded(codes=codes, perm=whole, qparams=qparams)
        self._forms[name] = {}
        self.view(name, perm)

    def held(self, name: str) -> tuple[Perm, str]:
        """The form that an activation was made in, and our tensor."""
        self.shape(name)
        return next(iter(self._forms[name].items()))

    def inner(self, name: str) -> str:
        """The activation as it is computed with: NHWC for rank 4."""
        return self.view(name, inner_order(len(self.shape(name))))

    def in_file_order(self, name: str) -> str:
        """A form of any shape whose elements lie as in the file's array."""
        shape = self.shape(name)
        for perm, held in self._forms[name].items():
            if moves_nothing(shape, perm):
                return held
        return self.view(name, file_order(len(shape)))

    def emit(
        self,
        node: OnnxNode,
        op: Op,
        inputs: tuple[str, ...],
        perm: Perm | None = None,
        *,
        output: int = 0,
        coding: Coding | None = None,
    ) -> None:
        """Append the operator that makes a result of the node in the form `perm`.

        The default is the inner form for the rank of the first operand. Integers
        that an operator only moves keep their meaning: `coding` may be left out.
        """
        name = node.outputs[output]
        if perm is None:
            perm = inner_order(len(self.builder.tensors[inputs[0]].shape))
        if coding is None and isinstance(op, MOVES):
            coding = self._coding_of(node.inputs, inputs[0])
        if coding:
            self.codings[name] = coding
        title = self._title(name, perm)
        self._forms[name] = {perm: self._add(op, inputs, title, node.name, name, perm)}

    def _coding_of(self, names: tuple[str, ...], held: str) -> Coding | None:
        """What moved integers mean, if per tensor and all alike; None for floats."""
        found = [self.codings[name] for name in names if name in self.codings]
        if not found or self.builder.tensors[held].format is None:
            return None
        fmt, qparams = found[0].format, found[0].qparams
        alike = all(other == found[0] for other in found)
        per_tensor = qparams is not None and qparams.axis is None
        return Coding(format=fmt, qparams=qparams if alike and per_tensor else None)

    def step(self, node: OnnxNode, op: Op, inputs: tuple[str, ...], suffix: str) -> str:
        """Append an operator on the way to the node's result; no golden is equal."""
        title = self.constants.derived(f"{node.outputs[0]}:{suffix}")
        return self.builder.add(op, inputs, title, layer=node.name)

    def alias(self, node: OnnxNode, perm: Perm | None = None) -> None:
        """Let the node's result be its first operand, transposed by `perm` if given."""
        source, name = node.inputs[0], node.outputs[0]
        forms = self._forms[source]
        whole = perm or file_order(len(self.shape(source)))
        if perm is not None:
            forms = {
                tuple(perm.index(axis) for axis in known): held
                for known, held in forms.items()
            }
        self._forms[name] = forms
        if source in self.codings:
            coding = self.codings[source]
            qparams = coding.qparams and moved(coding.qparams, whole)
            self.codings[name] = Coding(format=coding.format, qparams=qparams)
        if source in self._decoded:
            old = self._decoded[source]
            inner = tuple(old.perm[axis] for axis in whole)
            self._decoded[name] = Decoded(
                codes=old.codes, perm=inner, qparams=old.qparams
            )

    def output(self, name: str) -> None:
        """Make sure that a tensor of this very name is the file's output."""
        if name not in self._forms:
            raise UnsupportedError("an output that does not depend on the input")
        perm = file_order(len(self.shape(name)))
        held = self.view(name, perm)
        if held != name:
            op = reshape_to(self.shape(name))
            self._add(op, (held,), name, name, name, perm)

    def check_shapes(self, shapes: dict[str, FileShape]) -> None:
        """Hold every activation's shape against the one that onnx inferred."""
        for name in self._forms:
            ours, theirs = self.shape(name), shapes.get(name)
            if theirs is None:
                continue
            agree = len(ours) == len(theirs) and all(
                None in (a, b) or a == b for a, b in zip(ours, theirs, strict=True)
            )
            if not agree:
                raise ModelError(
                    f"computed with shape {ours}, but the file means {theirs}",
                    where=f"tensor {name!r}",
                )

    def _title(self, name: str, perm: Perm) -> str:
        """The file's name for the form it is mostly used in, a derived one for others.

        Inputs and outputs keep their names in the file's layout.
        """
        rank = len(perm)
        plain = file_order(rank) if name in self._edges else inner_order(rank)
        if perm == plain:
            return name
        letters = "nchw" if rank == 4 else "".join(map(str, range(rank)))
        return self.constants.derived(
            f"{name}:{''.join(letters[axis] for axis in perm)}"
        )
