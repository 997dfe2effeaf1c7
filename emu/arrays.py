"""Arrays from .npy and .npz files, without pickle and sized before they are allocated."""

import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped
from numpy.lib import format as npy

from emu.errors import DataError, MissingError

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


@runtime_checkable
class Stream(Protocol):
    """What is asked of an open binary file."""

    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes."""
        ...

    def tell(self) -> int:
        """Bytes read so far."""
        ...


def read_npz(
    path: Path,
    wanted: Container[str] | None = None,
    limit: int = MAX_ARRAY_BYTES,
) -> dict[str, Shaped[np.ndarray, "..."] | None]:
    """The arrays of an .npz file by name; those that are not wanted are None, unread.

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged, or an array takes more than `limit` bytes.
    """
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    found: dict[str, np.ndarray | None] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                key = member.filename.removesuffix(".npy")
                if wanted is None or key in wanted:
                    with archive.open(member) as stream:
                        found[key] = _read(stream, member.file_size, key, path, limit)
                else:
                    found[key] = None
    except _DAMAGE as error:
        raise DataError(f"is no sound .npz file: {error}", file=path) from error
    return found


def read_npy(path: Path, limit: int = MAX_ARRAY_BYTES) -> Shaped[np.ndarray, "..."]:
    """The array of an .npy file; errors as of `read_npz`."""
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    try:
        with path.open("rb") as stream:
            return _read(stream, path.stat().st_size, path.stem, path, limit)
    except _DAMAGE as error:
        raise DataError(f"is no sound .npy file: {error}", file=path) from error


def _read(
    stream: Stream, length: int, key: str, path: Path, limit: int
) -> Shaped[np.ndarray, "..."]:
    """Read one array of `length` bytes; its header decides whether it is read at all."""
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
    if length - stream.tell() != size:
        raise ValueError(
            f"array {key!r} of shape {list(shape)} needs {size} bytes, "
            f"found {length - stream.tell()}"
        )
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"array {key!r} ends after {len(data)} of {size} bytes")
    # A view of immutable bytes: nobody can change the array by accident.
    flat = np.frombuffer(data, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
