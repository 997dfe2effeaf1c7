"""Constants of the file, as operands of the Graph under construction."""

from collections.abc import Iterable

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import Perm
from emu.frontends.onnx_stated import Parameter, Stated
from emu.graph import GraphBuilder
from emu.ops import Dequantize


class Constants:
    """The file's constants by name, in its layout; each is added once when asked for.

    `arrays` are numbers, `stated` are real numbers that integers state.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        arrays: dict[str, np.ndarray],
        names: Iterable[str],
    ) -> None:
        """Start with the initializers; `names` are all names the file uses."""
        self.arrays = arrays
        self.stated: dict[str, Stated] = {}
        self._builder = builder
        self._names = frozenset(names)
        self._added: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        """Whether this is a constant of the file, or computed from such."""
        return name in self.arrays or name in self.stated

    def of_file(self, name: str) -> bool:
        """Whether this is a name of the file, of a constant or not."""
        return name in self._names

    def derived(self, name: str) -> str:
        """A name of ours, made from `name`, that is none of the file's."""
        while name in self._names:
            name += "'"
        return name

    def parameter(self, name: str, what: str) -> Parameter:
        """A constant operand; UnsupportedError, saying `what` it is, if computed."""
        if name in self.stated:
            return self.stated[name]
        if name not in self.arrays:
            raise UnsupportedError(f"the {what} is computed, expected a constant")
        return self.arrays[name]

    def value(self, name: str, what: str) -> np.ndarray:
        """The numbers of a constant operand."""
        found = self.parameter(name, what)
        return found.real() if isinstance(found, Stated) else found

    def add(self, title: str, array: Parameter) -> str:
        """Add a float32 or bool constant to the Graph once; equal titles mean equal arrays.

        One that integers state becomes an integer constant and its Dequantize.
        """
        if title not in self._added:
            if isinstance(array, Stated):
                self._added[title] = self._add_stated(title, array)
                return self._added[title]
            if array.dtype not in (np.float32, np.bool_):
                raise UnsupportedError(
                    f"a {array.dtype} constant, expected float32 or bool"
                )
            if not np.isfinite(array).all():
                raise UnsupportedError(f"constant {title!r} is not finite everywhere")
            self._added[title] = self.integers(title, array)
        return self._added[title]

    def _add_stated(self, title: str, stated: Stated) -> str:
        suffix = title.removeprefix(stated.name)
        codes = self.integers(stated.source + suffix, stated.codes)
        real = self.derived(title) if title in self.arrays else title
        op = Dequantize(qparams=stated.qparams)
        return self._builder.add(op, (codes,), real, layer=real)

    def integers(self, title: str, array: np.ndarray) -> str:
        """Add a constant as it is; `title` is the file's name or made from it."""
        free = title if title in self.arrays else self.derived(title)
        frozen = np.array(array, order="C", copy=True)
        frozen.flags.writeable = False
        return self._builder.constant(free, frozen)

    def weights(self, name: str, perm: Perm, letters: str) -> str:
        """Add a constant of the file, transposed; `letters` marks the new layout."""
        array = self.parameter(name, "weight")
        if array.ndim != len(perm):
            raise UnsupportedError(
                f"weights of rank {array.ndim}, expected {len(perm)}"
            )
        return self.add(f"{name}:{letters}", array.transpose(perm))

    def vector(self, name: str, size: int, what: str) -> str:
        """Add a constant of the file that has one value per channel."""
        array = self.parameter(name, what)
        if array.shape != (size,):
            raise UnsupportedError(f"{what} of shape {array.shape}, expected ({size},)")
        return self.add(name, array)
