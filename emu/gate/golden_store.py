"""Recordings: golden FP32 outputs of a model in files that prove themselves.

<folder>/manifest.json     what was recorded of a model, how, and of which samples
<folder>/<sha256>.gz       the little endian bytes of a tensor, named by their digest
<folder>/../models.txt     names of all folders, so that one that is gone is missed

`zcat FILE | sha256sum` gives the name of the file.
"""

import hashlib
import json
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import Field

from emu.config import Config, validate
from emu.errors import ConfigError, DataError, EmuError, MissingError
from emu.graph import write_atomically

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODELS: Final = "models.txt"
REMEDY: Final = "`emu gate --record-golden` makes it anew"
# Of all tensors of a model, before anything is allocated for one.
MAX_BYTES: Final = 64 << 20
_MAX_MANIFEST: Final = 4 << 20
_MAX_AXES: Final = 16
# What gzip adds to bytes that do not become fewer: at most 5 in 16 KiB, and its ends.
_OVERHEAD: Final = 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_OBJECT: Final = re.compile(r"[0-9a-f]{64}\.gz")

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# fmt: off
DTypeName = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
]
# fmt: on


class Described(Config):
    """An array by NumPy's name of its dtype, its shape and its little endian bytes."""

    dtype: DTypeName
    shape: Annotated[
        tuple[Annotated[int, Field(ge=1, le=MAX_BYTES)], ...],
        Field(max_length=_MAX_AXES),
    ]
    sha256: Digest

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class RecordedTensor(Described):
    """A tensor as the engine gives it: names and layout of the file, samples first."""

    layer: str
    name: str


class Recording(Config):
    """What was recorded of a model.

    Fields:
        format: of this file, 1.
        model, model_sha256: name of the entry, and the digest of the model file.
        command: that recorded it, in the folder of what it wrote to.
        engine: engine, version and settings.
        machine: kind of processor that the engine ran on.
        data: reference of the samples, as the entry or the suite says it.
        samples: names of the first of them, that were recorded.
        inputs: what they are after preprocessing.
        available: how many tensors the engine could give.
        tensors: those that are kept, in order of execution.
    """

    format: int
    model: str
    model_sha256: Digest
    command: str
    engine: dict[str, str]
    machine: str
    data: str
    samples: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    inputs: Described
    available: int
    tensors: Annotated[tuple[RecordedTensor, ...], Field(min_length=1)]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors that are kept."""
        return sum(tensor.nbytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the check of a recording found: whether it still holds, in one line.

    `error` tells why it could not be checked; then it does not hold.
    """

    holds: bool
    detail: str
    error: EmuError | None = None


def describe(array: Shaped[np.ndarray, "..."]) -> dict[str, Any]:
    """The fields of `Described` for an array."""
    digest = hashlib.sha256(little_endian(array)).hexdigest()
    return {"dtype": array.dtype.name, "shape": array.shape, "sha256": digest}


def little_endian(array: Shaped[np.ndarray, "..."]) -> bytes:
    """The bytes of all elements in C order."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def is_recorded(folder: Path) -> bool:
    """Whether there is a recording, or was one when the last was made."""
    return folder.is_dir() or folder.name in _recorded(folder.parent)


def _recorded(parent: Path) -> list[str]:
    try:
        return (parent / MODELS).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def has_manifest(folder: Path) -> bool:
    """Whether there is a manifest, sound or not."""
    return (folder / MANIFEST).exists()


def read_recording(folder: Path) -> Recording:
    """The manifest of a recording, as the machine wrote it.

    Raises:
        MissingError: there is none.
        ConfigError: it is damaged, of another format, or of too many bytes.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingError(f"there is no manifest; {REMEDY}", file=path)
    if path.stat().st_size > _MAX_MANIFEST:
        raise ConfigError(f"larger than {_MAX_MANIFEST} bytes", file=path)
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"damaged manifest: {error}; {REMEDY}", file=path) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise ConfigError(
            f"found manifest format {found!r}, expected {FORMAT}; {REMEDY}", file=path
        )
    seal = data.pop("digest", None)
    recording = validate(data, Recording, file=path)
    if recording.nbytes > MAX_BYTES:
        raise ConfigError(
            f"found tensors of {recording.nbytes} bytes, expected {MAX_BYTES} at most",
            file=path,
            where="tensors",
        )
    if seal != sealed(recording)["digest"]:
        raise ConfigError(
            f"damaged manifest: its content has another digest; {REMEDY}",
            file=path,
            where="digest",
        )
    return recording


def sealed(recording: Recording) -> dict[str, Any]:
    """The manifest as it is stored: with a digest of all the rest."""
    data = recording.model_dump(mode="json")
    text = json.dumps(data, sort_keys=True)
    return {**data, "digest": hashlib.sha256(text.encode()).hexdigest()}


def write_recording(folder: Path, recording: Recording) -> None:
    """Write the manifest; its objects are there already."""
    write_atomically(folder / MANIFEST, _layout(sealed(recording)).encode())


def list_recording(folder: Path) -> None:
    """See that the list of recordings names this one."""
    names = _recorded(folder.parent)
    if folder.name not in names:
        text = "".join(f"{name}\n" for name in sorted([*names, folder.name]))
        write_atomically(folder.parent / MODELS, text.encode())


def remove_unnamed(folder: Path, recording: Recording) -> None:
    """Remove the objects that the manifest does not name."""
    named = {object_path(folder, tensor) for tensor in recording.tensors}
    for path in folder.iterdir():
        if _OBJECT.fullmatch(path.name) and path not in named:
            path.unlink()


def object_path(folder: Path, tensor: Described) -> Path:
    """The file of a tensor."""
    return folder / f"{tensor.sha256}.gz"


def read_object(folder: Path, tensor: RecordedTensor) -> Shaped[np.ndarray, "..."]:
    """A tensor; decompresses no more bytes than the manifest says.

    Raises MissingError for no file, DataError if it does not hold exactly this tensor.
    """
    path = object_path(folder, tensor)
    what = f"tensor {tensor.name}"
    if not path.is_file():
        raise MissingError(
            f"there is no file of this {tensor.dtype} {list(tensor.shape)}; {REMEDY}",
            file=path,
            where=what,
        )
    size = tensor.nbytes
    found = path.stat().st_size
    if found > size + size // 256 + _OVERHEAD:
        raise DataError(
            f"damaged: found {found} compressed bytes for {size} of the tensor; "
            f"{REMEDY}",
            file=path,
            where=what,
        )
    try:
        stream = zlib.decompressobj(_GZIP)
        data = stream.decompress(path.read_bytes(), size + 1)
    except (zlib.error, OSError) as error:
        raise DataError(f"damaged: {error}; {REMEDY}", file=path, where=what) from error
    reason = _unsound(tensor, data, stream.eof, stream.unused_data)
    if reason:
        raise DataError(f"damaged: {reason}; {REMEDY}", file=path, where=what)
    little = np.dtype(tensor.dtype).newbyteorder("<")
    return np.frombuffer(data, little).reshape(tensor.shape)


def write_object(
    folder: Path, tensor: RecordedTensor, array: Shaped[np.ndarray, "..."]
) -> bool:
    """Write the file of a tensor, unless a sound one is there; whether it was written."""
    try:
        read_object(folder, tensor)
    except EmuError:
        # zlib's gzip header has no time and no name in it.
        stream = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
        data = stream.compress(little_endian(array)) + stream.flush()
        write_atomically(object_path(folder, tensor), data)
        return True
    return False


def _unsound(tensor: RecordedTensor, data: bytes, ended: bool, rest: bytes) -> str:
    if len(data) > tensor.nbytes or (ended and len(data) != tensor.nbytes):
        more = "more than " if len(data) > tensor.nbytes else ""
        found = min(len(data), tensor.nbytes)
        return (
            f"found {more}{found} bytes, expected the {tensor.nbytes} of "
            f"{tensor.dtype} {list(tensor.shape)}"
        )
    if not ended:
        return "the file ends too early"
    if rest:
        return f"found {len(rest)} bytes after the end"
    digest = hashlib.sha256(data).hexdigest()
    if digest != tensor.sha256:
        return f"found the content of sha256 {digest[:12]}..."
    return ""


def _layout(manifest: dict[str, Any]) -> str:
    """JSON with a line to each key and to each tensor."""
    lines = []
    for key, value in manifest.items():
        text = json.dumps(value)
        if key == "tensors":
            rows = ",\n".join(f"    {json.dumps(row, sort_keys=True)}" for row in value)
            text = f"[\n{rows}\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
