"""Datasets in .npz files, read without pickle and sized before they are allocated."""

import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Int64, Shaped
from numpy.lib import format as npy

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset, from_arrays

MAX_ARRAY_BYTES: Final = 4 << 30

_HEADER_READERS: Final[MappingProxyType[tuple[int, int], Callable]] = MappingProxyType(
    {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
)
# What zipfile, zlib and numpy raise for damaged or hostile files.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,  # a compression method that zipfile does not know
    RuntimeError,  # an encrypted member
)


def open_npz(
    path: Path,
    *,
    name: str,
    x: str = "x",
    y: str | None = "y",
    names: str | None = "names",
    limit: int = MAX_ARRAY_BYTES,
) -> Dataset:
    """Read samples, labels and names from the arrays so called in an .npz file.

    Arguments:
        path: the file.
        name: of the dataset, for messages and results.
        x: the array of samples [n, ...], of at most 16-bit integers or of floats.
        y: the array of labels [n], integers; absent means no labels.
        names: the array of sample names [n], strings; absent means "x[0]", ...
        limit: most bytes that one array may take.

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged, too large, or holds something else.
    """
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [key for key in (x, y, names) if key is not None]
            arrays = {
                key: _read_member(archive, key, path, limit)
                for key in wanted
                if f"{key}.npy" in archive.NameToInfo
            }
            known = sorted(member.removesuffix(".npy") for member in archive.namelist())
    except _DAMAGE as error:
        raise DataError(f"is no sound .npz file: {error}", file=path) from error
    if x not in arrays:
        raise DataError(
            f"holds no array {x!r}; it holds {', '.join(known) or 'nothing'}", file=path
        )
    return from_arrays(
        _samples(arrays[x], x, path),
        _labels(arrays[y], y, path) if y is not None and y in arrays else None,
        name=name,
        ids=_names(arrays.get(names), names, path) if names is not None else None,
        file=path,
    )


def _read_member(
    archive: zipfile.ZipFile, key: str, path: Path, limit: int
) -> Shaped[np.ndarray, "..."]:
    """Read one array; its header decides whether it is read at all."""
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        if version not in _HEADER_READERS:
            raise ValueError(f"found .npy version {version}; expected (1, 0) or (2, 0)")
        shape, fortran, dtype = _HEADER_READERS[version](stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise DataError("holds Python objects, which are not read", file=path)
        if size > limit:
            raise DataError(
                f"array {key!r} takes {size} bytes; at most {limit} are read",
                file=path,
                where=key,
            )
        if info.file_size - stream.tell() != size:
            raise ValueError(
                f"array {key!r} of shape {list(shape)} needs {size} bytes, "
                f"found {info.file_size - stream.tell()}"
            )
        data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"array {key!r} ends after {len(data)} of {size} bytes")
    # A view of immutable bytes: nobody can change the dataset by accident.
    flat = np.frombuffer(data, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _samples(
    array: Shaped[np.ndarray, "..."], key: str, path: Path
) -> Shaped[np.ndarray, " n *sample"]:
    """Check that the array holds samples whose values fit float32."""
    integer = array.dtype.kind in "iu" and array.dtype.itemsize <= 2
    if array.ndim < 2 or not (integer or array.dtype.kind == "f"):
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected samples "
            "[n, ...] of 8 or 16-bit integers or floats",
            file=path,
            where=key,
        )
    return array


def _labels(
    array: Shaped[np.ndarray, "..."], key: str, path: Path
) -> Int64[np.ndarray, " n"]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected labels [n] "
            "of integers",
            file=path,
            where=key,
        )
    return array.astype(np.int64)


def _names(
    array: Shaped[np.ndarray, "..."] | None, key: str, path: Path
) -> list[str] | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected names [n] "
            "of text",
            file=path,
            where=key,
        )
    return [str(item) for item in array]
