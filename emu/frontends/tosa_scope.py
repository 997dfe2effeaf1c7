"""What the importer of a TOSA operator sees: attributes, operands, constants."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from emu.errors import ModelError, UnsupportedError
from emu.frontends.tosa_file import Element, TosaFile, TosaOperator
from emu.graph import GraphBuilder, Tensor
from emu.ops import Op, Tile, Transpose

# Far more outputs than any convolution has; a hostile file may declare more.
MAX_REPEATS: Final = 1 << 20


class Scope:
    """A graph under construction. `known` leads from the file's names to the graph's.

    Constants become part of the graph when an operator reads them as a tensor.
    """

    def __init__(self, file: TosaFile, name: str) -> None:
        """Start with the inputs, as the file declares them."""
        self.file = file
        self.builder = GraphBuilder(name)
        self.known: dict[str, str] = {}
        for source in file.inputs:
            described = self.described(source)
            if source in self.known or described is None:
                raise ModelError("an input without a shape, or twice", where=source)
            self.known[source] = self.builder.input(source, described)

    def element(self, name: str) -> Element:
        """The element type of a tensor of the file; ModelError for an unknown name."""
        if name not in self.file.tensors:
            raise ModelError(f"tensor {name!r} is not described")
        return self.file.tensors[name].element

    def described(self, name: str) -> Tensor | None:
        """A tensor as the file describes it; None if that does not state a shape."""
        element, shape = self.element(name), self.file.tensors[name].shape
        if shape is None:
            return None
        return Tensor(shape=shape, dtype=element.dtype, format=element.format)

    def tensor(self, name: str) -> str:
        """The graph's name of an operand; a constant is taken in."""
        if name not in self.known:
            if name not in self.file.tensors or self.file.tensors[name].data is None:
                raise ModelError(f"operand {name!r} is not defined before use")
            array = self.file.tensors[name].array()
            self.known[name] = self.builder.constant(name, array)
        return self.known[name]

    def unused(self, name: str) -> str:
        """`name`, longer if the file has it for something else."""
        while name in self.file.tensors:
            name += "'"
        return name

    def operand(self, inside: str) -> Tensor | np.ndarray:
        """What is known of a tensor or constant of the graph."""
        constant = self.builder.constants.get(inside)
        return self.builder.tensors[inside] if constant is None else constant


@dataclass(frozen=True, slots=True)
class Call:
    """One operator of the file in its scope; operands by their place."""

    scope: Scope
    operator: TosaOperator

    def _attribute(self, name: str, kind: type, default: Any) -> Any:  # noqa: ANN401 - as `kind` says
        value = self.operator.attribute.get(name, default)
        # A bool is an int to Python.
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        raise ModelError(f"attribute {name!r} is {value!r}, expected {kind.__name__}")

    def integer(self, name: str) -> int:
        """An integer attribute; 0 where it is left out, as flatbuffers have it."""
        return self._attribute(name, int, 0)

    def flag(self, name: str) -> bool:
        """A boolean attribute."""
        return self._attribute(name, bool, False)

    def choice(self, name: str) -> str:
        """The name of an enumerated attribute."""
        return self._attribute(name, str, "UNKNOWN")

    def integers(self, name: str, count: int | None = None) -> tuple[int, ...]:
        """A list attribute of so many integers."""
        values = self._attribute(name, list, [])
        sound = all(type(value) is int for value in values)
        if not sound or count not in (None, len(values)):
            raise ModelError(
                f"attribute {name!r} is {values}, expected {count} integers"
            )
        return tuple(values)

    def little_endian(self, name: str, size: int) -> int:
        """An attribute stored as bytes, the first `size` of which are a number."""
        stored = self.operator.attribute.get(name, b"")
        try:
            data = bytes(stored)
        except (TypeError, ValueError) as error:
            raise ModelError(f"attribute {name!r} is no list of bytes") from error
        if len(data) < size:
            raise ModelError(f"attribute {name!r} has {len(data)} bytes, not {size}")
        return int.from_bytes(data[:size], "little", signed=True)

    def pair(self, name: str) -> tuple[int, int]:
        """A list attribute of two integers."""
        first, second = self.integers(name, 2)
        return first, second

    def padding(self, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Amounts at the top and bottom, and at the left and right."""
        top, bottom, left, right = self.integers(name, 4)
        return (top, bottom), (left, right)

    def operands(self, low: int, high: int | None = None) -> tuple[str, ...]:
        """The graph's names of all operands, which must be low..high in number."""
        count = len(self.operator.inputs)
        if not low <= count <= (low if high is None else high):
            raise ModelError(f"{count} operands, expected {low}")
        return tuple(map(self.scope.tensor, self.operator.inputs))

    def name(self, index: int) -> str:
        """The file's name of an operand."""
        if index >= len(self.operator.inputs):
            raise ModelError(f"operand {index} is missing")
        return self.operator.inputs[index]

    def tensor(self, index: int) -> str:
        """The graph's name of an operand."""
        return self.scope.tensor(self.name(index))

    def type(self, index: int) -> str:
        """The element type of an operand."""
        name = self.name(index)
        self.scope.element(name)
        return self.scope.file.tensors[name].type

    @property
    def result_type(self) -> str:
        """The element type of the only result."""
        (name,) = self.operator.outputs
        self.scope.element(name)
        return self.scope.file.tensors[name].type

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an operand."""
        found = self.scope.operand(self.tensor(index)).shape
        return tuple(size for size in found if size is not None)

    def constant(self, index: int) -> np.ndarray:
        """The values of an operand that must be a constant."""
        name = self.name(index)
        self.scope.element(name)
        return self.scope.file.tensors[name].array()

    def sizes(self, index: int, count: int | None = None) -> tuple[int, ...]:
        """The values of a constant shape, so many of them."""
        values = tuple(self.constant(index).reshape(-1).tolist())
        if count not in (None, len(values)):
            raise ModelError(f"operand {index} has {len(values)} values, not {count}")
        return values

    def number(self, index: int, *, unsigned: bool = False) -> int:
        """The one value of a constant operand, its bits read without sign if so."""
        values = self.constant(index)
        if values.size != 1:
            raise ModelError(f"operand {index} has {values.size} values, expected one")
        value = int(values.item())
        return value % (1 << 8 * values.dtype.itemsize) if unsigned else value

    def add(self, op: Op, inputs: tuple[str, ...], output: str) -> str:
        """Append a node before the operator's own; the name of its result."""
        name = self.scope.unused(output)
        return self.scope.builder.add(op, inputs, name, layer=self.operator.name)

    def transposed(self, index: int, perm: tuple[int, ...]) -> str:
        """An operand in our layout: a constant at once, a tensor by a node."""
        inside, name = self.tensor(index), f"{self.name(index)}:transposed"
        constant = self.scope.builder.constants.get(inside)
        if len(self.shape(index)) != len(perm):
            raise ModelError(
                f"operand {index} has shape {self.shape(index)}, expected {len(perm)} axes"
            )
        if constant is None:
            return self.add(Transpose(perm=perm), (inside,), name)
        array = np.ascontiguousarray(constant.transpose(perm))
        return self.keep(name, array)

    def keep(self, name: str, array: np.ndarray) -> str:
        """Add a constant of our own; the name of it."""
        return self.scope.builder.constant(self.scope.unused(name), array)

    def repeated(self, index: int, count: int) -> str:
        """A vector of `count` entries, or one entry repeated so often."""
        inside, name = self.tensor(index), f"{self.name(index)}:repeated"
        if self.shape(index) == (count,):
            return inside
        if self.shape(index) != (1,):
            raise ModelError(
                f"operand {index} has shape {self.shape(index)}, expected {count} or 1"
            )
        if count > MAX_REPEATS:
            raise UnsupportedError(f"{count} outputs")
        constant = self.scope.builder.constants.get(inside)
        if constant is None:
            return self.add(Tile(counts=(count,)), (inside,), name)
        return self.keep(name, np.repeat(constant, count))
