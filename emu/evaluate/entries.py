"""The entries of suites/: which models and datasets there are, found by name.

A model entry says where a model lies, how its input is prepared and what its output
means; a dataset entry says where samples lie and how they are read. Paths may start
with `${EMU_DATA}`, the folder of the measuring data, and otherwise count from the file
that holds them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

import emu
from emu.config import Config, as_value_error, nearest, read_toml
from emu.errors import ConfigError, MissingError
from emu.evaluate.dataset_entry import DatasetEntry, open_entry
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.decode import Decoder
from emu.evaluate.images import open_images
from emu.evaluate.npz import open_npz
from emu.evaluate.preprocess import Preprocess
from emu.evaluate.selection import split_reference
from emu.evaluate.task import Task
from emu.frontends import LOADERS

DATA_VARIABLE: Final = "EMU_DATA"
MODEL_SUFFIXES: Final = frozenset({*LOADERS, ".emu"})

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}|\$")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


class ModelEntry(Config):
    """A model that can be measured.

    Fields:
        name: of the entry; by default that of its file, without the suffix.
        file: the model.
        preprocess: from raw samples to the model's input.
        task: what the output means.
        label_offset: outputs before class 0; 1 for models with a background class.
        decoder: what makes boxes of the outputs of a detector.
        data: reference of the dataset that is evaluated by default.
        calibration: reference of the samples that calibrate by default.
        description: one line for people.
    """

    name: str = ""
    file: Path
    preprocess: Preprocess = Preprocess()
    task: Task = Task.CLASSIFY
    label_offset: Annotated[int, Field(ge=0, le=1000)] = 0
    decoder: Decoder | None = None
    data: str | None = None
    calibration: str | None = None
    description: str = ""

    @model_validator(mode="after")
    def _decodes_what_it_detects(self) -> "ModelEntry":
        if (self.task is Task.DETECT) != (self.decoder is not None):
            raise ValueError("task = 'detect' and a decoder need each other")
        return self

    @field_validator("data", "calibration")
    @classmethod
    def _is_reference(cls, ref: str | None) -> str | None:
        if ref is not None:
            with as_value_error():
                split_reference(ref)
        return ref


def find_model(ref: str) -> ModelEntry:
    """Return the model that `ref` means.

    Arguments:
        ref: the path of a model or .emu file, which then has no preprocessing; the
            path of a .toml entry; or the name of an entry in suites/models.

    Raises:
        MissingError: there is no such entry or file, or EMU_DATA is needed and unset.
        ConfigError: the entry is wrong.
    """
    _require_possible(ref)
    if Path(ref).suffix.lower() in MODEL_SUFFIXES:
        entry = ModelEntry(name=Path(ref).stem, file=Path(ref))
        if not entry.file.is_file():
            raise MissingError("there is no such file", file=entry.file)
        return entry
    toml = _find_toml(ref, "models")
    entry = load_model_entry(toml)
    if not entry.file.is_file():
        raise MissingError(
            f"the model file {entry.file} does not exist", file=toml, where="file"
        )
    return entry


def find_dataset(ref: str) -> Dataset:
    """Open the dataset that `ref` means.

    Arguments:
        ref: the name of an entry in suites/datasets, or the path of a .toml entry, an
            .npz file (arrays x, y and names) or a folder of images (a list of classes
            `synset_words.txt` in it is used); then selections, see
            `emu.evaluate.selection`.

    Raises:
        MissingError: there is no such entry or file, or EMU_DATA is needed and unset.
        ConfigError: the entry or the reference is wrong.
        DataError: the data is damaged, or a selection does not fit it.
    """
    base, selections = split_reference(ref)
    _require_possible(base)
    path = Path(base)
    if path.suffix.lower() == ".npz":
        dataset = open_npz(path, name=path.stem)
    elif path.suffix.lower() != ".toml" and _is_folder(base):
        synsets = path / "synset_words.txt"
        dataset = open_images(
            path, name=path.name, synsets=synsets if synsets.is_file() else None
        )
    else:
        toml = _find_toml(base, "datasets")
        dataset = open_entry(load_dataset_entry(toml), name=toml.stem)
    return dataset.select(selections)


def load_model_entry(path: Path) -> ModelEntry:
    """Read a model entry; the model file itself is not looked for.

    The name defaults to that of the TOML file.
    """
    entry = read_toml(path, ModelEntry)
    changes = {
        "name": entry.name or path.stem,
        "file": _expand(entry.file, path, "file"),
    }
    return entry.model_copy(update=changes)


def load_dataset_entry(path: Path) -> DatasetEntry:
    """Read a dataset entry; the data itself is not looked for."""
    entry = read_toml(path, DatasetEntry)
    paths = {
        key: _expand(value, path, key)
        for key in ("path", "synsets", "annotations", "classes")
        if isinstance(value := getattr(entry, key), Path)
    }
    return entry.model_copy(update=paths)


def suites_folders() -> list[Path]:
    """Return the folders `suites` from here upwards, then the one beside `emu`."""
    here = Path.cwd()
    folders = [folder / "suites" for folder in (here, *here.parents)]
    folders.append(Path(emu.__file__).resolve().parent.parent / "suites")
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def model_names() -> list[str]:
    """Return the names of all model entries, sorted."""
    return _entry_names("models")


def dataset_names() -> list[str]:
    """Return the names of all dataset entries, sorted."""
    return _entry_names("datasets")


def _entry_names(section: str) -> list[str]:
    files = (
        file for root in suites_folders() for file in (root / section).glob("*.toml")
    )
    return sorted({file.stem for file in files})


def _find_toml(ref: str, section: str) -> Path:
    """Return the entry's file for a path or a name; the first suites folder wins."""
    what = section.removesuffix("s")
    if ref.lower().endswith(".toml"):
        return Path(ref)
    if _NAME.fullmatch(ref):
        for folder in _candidates(section, ref):
            return folder
    known = _entry_names(section)
    raise MissingError(f"there is no {what} {ref!r}{nearest(ref, known)}")


def _candidates(section: str, name: str) -> Iterator[Path]:
    for root in suites_folders():
        file = root / section / f"{name}.toml"
        if file.is_file():
            yield file


def _require_possible(ref: str) -> None:
    """Refuse what no file system can hold, which would end in an OSError."""
    parts = Path(ref).parts
    if len(ref) > 4000 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise ConfigError(f"found {ref[:40]!r}...; expected a name or a path")


def _is_folder(base: str) -> bool:
    """Whether a reference is a path: a name never holds a separator."""
    return not _NAME.fullmatch(base) and Path(base).is_dir()


def _expand(path: Path, toml: Path, key: str) -> Path:
    """Replace ${EMU_DATA}; let other relative paths count from the TOML file."""
    text = str(path)
    for match in _VARIABLE.finditer(text):
        if match[1] != DATA_VARIABLE:
            raise ConfigError(
                f"found {match[0]!r} in {text!r}; the only variable that a path may "
                f"use is ${{{DATA_VARIABLE}}}",
                file=toml,
                where=key,
            )
    if f"${{{DATA_VARIABLE}}}" in text:
        folder = os.environ.get(DATA_VARIABLE)
        if not folder:
            raise MissingError(
                f"needs {DATA_VARIABLE} (the folder of the measuring data); "
                "it is not set",
                file=toml,
                where=key,
            )
        text = text.replace(f"${{{DATA_VARIABLE}}}", folder)
    return Path(os.path.normpath(toml.parent / text))
