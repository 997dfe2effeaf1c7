"""What the cases of one run have in common, and what an earlier run has finished."""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Hashable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypeVar

import emu
from emu.errors import DataError, EmuError, MissingError
from emu.evaluate import EvalResult, ModelEntry, find_dataset, open_model
from emu.execute import Family
from emu.gate.codec import decode, encode
from emu.gate.golden_store import Finding
from emu.gate.store import Store
from emu.gate.subset import Samples, choose_samples
from emu.graph import Graph, load_graph, save_graph

_PACKAGES: Final = ("emu", "jax", "numpy", "onnxruntime")

# Models, and programs, that are kept in memory: neighbours in a suite mostly vary a few.
_KEPT: Final = 4

T = TypeVar("T")


class Shared:
    """What the cases of one run have in common, so that it is done once.

    FP32 is the same for every target and recipe; programs of one structure share code;
    files and data are digested once, models opened and programs made once as long as
    they are among the last few. What `store` holds an interrupted run has done already.
    """

    def __init__(self, store: Store | None = None) -> None:
        """Nothing known, but for what is stored."""
        self.fp32: dict[str, EvalResult] = {}
        self.family = Family()
        self.golden: dict[tuple[Path, str], Finding] = {}
        self.store = store or Store()
        self._models: dict[str, tuple[ModelEntry, Graph]] = {}
        self._programs: dict[str, Graph] = {}
        self._digests: dict[Hashable, str] = {}
        self._files: dict[Hashable, tuple[str, list[Path]]] = {}

    def digest(self, reference: str, samples: Samples | None = None) -> str:
        """The digest of the data that a reference names, or of a choice of it.

        Errors as of `find_dataset` and `choose_samples`.
        """

        def compute() -> str:
            dataset = find_dataset(reference)
            return (choose_samples(dataset, samples) if samples else dataset).digest()

        return self._digest((reference, repr(samples)), compute)

    def model_digest(self, path: Path) -> str:
        """The digest of a model file; MissingError if it cannot be read.

        An ONNX file may have its weights in others of its folder: sizes and times of the
        files there that it names count too. It is read again only if its own changed.
        """
        try:
            at = path.stat()
            key = (path, at.st_size, at.st_mtime_ns)
            if key not in self._files:
                self._files[key] = file_digest(path), _named_in(path)
            digest, others = self._files[key]
            states = [(one.name, one.stat()) for one in others]
        except OSError as error:
            raise MissingError(f"cannot read: {error.strerror}", file=path) from error
        return key_of(digest, [[n, at.st_size, at.st_mtime_ns] for n, at in states])

    def _digest(self, key: Hashable, compute: Callable[[], str]) -> str:
        if key not in self._digests:
            self._digests[key] = compute()
        return self._digests[key]

    def opened(self, entry: ModelEntry) -> tuple[ModelEntry, Graph]:
        """`open_model`."""
        key = f"{self.model_digest(entry.file)} {entry.model_dump_json()}"
        return _kept(self._models, key, lambda: open_model(entry))

    def recalled(self, key: str, compute: Callable[[], T]) -> T:
        """What is stored under a key; else what `compute` gives, stored from now on.

        For what `encode` knows.
        """
        known = self.store.get(key)
        if known is not None:
            try:
                return decode(known)
            except DataError:
                pass  # damaged by a machine that failed: computed anew
        found = compute()
        if self.store.holds:
            self.store.put(key, encode(found))
        return found

    def recalled_program(self, key: str, compute: Callable[[], Graph]) -> Graph:
        """The same for a program, stored as an .emu file; the last few are kept here."""
        return _kept(self._programs, key, lambda: self._stored_program(key, compute))

    def _stored_program(self, key: str, compute: Callable[[], Graph]) -> Graph:
        if not self.store.holds:
            return compute()
        with tempfile.TemporaryDirectory(prefix="emu-") as folder:
            file = Path(folder) / "program.emu"
            known = self.store.get(key)
            if known is not None:
                file.write_bytes(known)
                try:
                    return load_graph(file)
                except EmuError:
                    pass  # as above
            found = compute()
            save_graph(found, file)
            self.store.put(key, file.read_bytes())
            return found


def _named_in(path: Path) -> list[Path]:
    """Files beside an ONNX file whose names are in it; none of any other file."""
    if path.suffix.lower() != ".onnx":
        return []
    content = path.read_bytes()
    beside = (one for one in sorted(path.parent.iterdir()) if one.is_file())
    return [one for one in beside if one.name.encode() in content]


def _kept(last: dict[str, T], key: str, compute: Callable[[], T]) -> T:
    """What is among the last few under a key; else computed, and the oldest goes."""
    found = last.pop(key) if key in last else compute()
    last[key] = found
    if len(last) > _KEPT:
        del last[next(iter(last))]
    return found


def package_versions() -> dict[str, str]:
    """Versions of emu and of what it stands on."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((package, metadata.version(package)) for package in _PACKAGES)


def key_of(*parts: Any) -> str:  # noqa: ANN401 - JSON data
    """A key for what these parts (JSON data) and this emu on this machine give."""
    text = json.dumps([_surroundings(), *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file; MissingError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(f"cannot read: {error.strerror}", file=path) from error


@cache
def _surroundings() -> list[Any]:
    """The code of emu, versions, and the machine: golden floats depend on it."""
    code = hashlib.sha256()
    folder = Path(emu.__file__).parent
    for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
        code.update(f"{file.relative_to(folder)} {file_digest(file)}\n".encode())
    settings = {k: v for k, v in os.environ.items() if k.startswith(("JAX_", "XLA_"))}
    return [
        code.hexdigest(),
        package_versions(),
        list(platform.uname()),
        platform.python_version(),
        settings,
    ]
