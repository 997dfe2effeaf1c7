"""The fixture `golden`: stored arrays, one .npz file each, rewritten on demand."""

import io
import re
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pytest
from jaxtyping import Shaped
from numpy.typing import ArrayLike

from emu.arrays import read_npz
from emu.errors import EmuError, MissingError
from emu.gate import likely_cause
from emu.graph import write_atomically

_NAME: Final = re.compile(r"\w[\w.\-]*(/\w[\w.\-]*)*")


class GoldenArray(Protocol):
    """What the fixture gives."""

    def __call__(
        self, name: str, got: ArrayLike | None = None
    ) -> Shaped[np.ndarray, "..."]:
        """The stored array; `got` is stored first with --update-golden."""
        ...


def golden_array(
    folder: Path, changes: list[str] | None, name: str, got: ArrayLike | None = None
) -> Shaped[np.ndarray, "..."]:
    """The array in `folder`/`name`.npz; fails the test if there is none.

    With a list of `changes` an array that is given is stored, if it is not there with
    equal dtype, shape and bits, and a line says what changed.
    """
    if not _NAME.fullmatch(name):
        pytest.fail(
            f"golden: found the name {name!r}; expected letters, digits, '_', '-', "
            "'.' and '/'",
            pytrace=False,
        )
    path = folder / f"{name}.npz"
    if changes is not None and got is not None:
        return _update(path, np.asarray(got), changes)
    try:
        return _read(path)
    except MissingError:
        hint = "`pytest --update-golden` makes it where the test gives an array"
        line = f"{path}: there is no golden file; {hint}"
    except EmuError as error:
        line = str(error)
    pytest.fail(line, pytrace=False)


def _read(path: Path) -> Shaped[np.ndarray, "..."]:
    found = read_npz(path).get("array")
    if found is None:
        raise EmuError("holds no array named 'array'", file=path)
    return found


def _update(
    path: Path, got: Shaped[np.ndarray, "..."], changes: list[str]
) -> Shaped[np.ndarray, "..."]:
    if got.dtype.hasobject:
        pytest.fail(f"{path}: Python objects are not stored", pytrace=False)
    stream = io.BytesIO()
    np.savez_compressed(stream, array=got)
    if path.is_file() and path.read_bytes() == stream.getvalue():
        return got
    changes.append(f"{path}: {_change(path, got)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return got


def _change(path: Path, got: Shaped[np.ndarray, "..."]) -> str:
    what = f"{got.dtype} {list(got.shape)}"
    if not path.is_file():
        return f"new, {what}"
    try:
        old = _read(path)
    except EmuError as error:
        return f"replaced, {what}; was damaged: {error.message}"
    if old.dtype != got.dtype or old.shape != got.shape:
        return f"{old.dtype} {list(old.shape)} -> {what}"
    off = np.argwhere(old != got)
    if not len(off):
        return f"written anew, {what}; the values are equal"
    first = tuple(int(i) for i in off[0])
    return (
        f"{len(off)} of {got.size} elements changed, first at {list(first)}: "
        f"{old[first]} -> {got[first]}; {likely_cause(got, old)}"
    )
