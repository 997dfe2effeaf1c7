"""DatasetEntry: where samples lie and how they are read, as suites/datasets says it."""

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

from emu.config import Config, as_value_error
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.coco import open_coco
from emu.evaluate.detect.scenes import open_scenes
from emu.evaluate.detect.voc import VOC_CLASSES, open_voc
from emu.evaluate.detect.yolo import open_yolo, read_classes
from emu.evaluate.images import open_images
from emu.evaluate.npz import open_npz
from emu.evaluate.selection import parse_selections


class DatasetKind(Enum):
    """How samples are stored.

    NPZ, IMAGES: arrays in a file, a folder of images; with classes as labels.
    COCO, VOC, YOLO: images with annotated objects, in the forms of those names.
    SCENES: composed of the images in an npz, when they are opened.
    """

    NPZ = "npz"
    IMAGES = "images"
    COCO = "coco"
    VOC = "voc"
    YOLO = "yolo"
    SCENES = "scenes"


class DatasetEntry(Config):
    """A dataset that can be opened.

    Fields:
        kind: how samples are stored.
        path: the file or folder; of coco the folder of its images.
        x, y, names: npz only: the arrays of samples, labels and sample names. Scenes
            have x and y: the images that they are made of.
        synsets: images only: list of classes, "index folder description" per line.
        annotations: coco needs it: the JSON file.
        split: voc needs it: the list of images, for example "val". For yolo the folder
            below images/ and labels/, if there is one.
        classes: yolo needs them, voc has its own 20: the names in their order, or a
            text file of one per line.
        count, seed: scenes need them: how many, and which.
        subset: selections that are always applied, for example "[!::5]".
        description: one line for people.
    """

    kind: DatasetKind
    path: Path
    x: str | None = None
    y: str | None = None
    names: str | None = None
    synsets: Path | None = None
    annotations: Path | None = None
    split: str | None = None
    classes: tuple[str, ...] | Path | None = None
    count: Annotated[int, Field(ge=1, le=20_000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] | None = None
    subset: str = ""
    description: str = ""

    @field_validator("subset")
    @classmethod
    def _is_selection(cls, text: str) -> str:
        with as_value_error():
            parse_selections(text)
        return text

    @model_validator(mode="after")
    def _has_the_keys_of_its_kind(self) -> "DatasetEntry":
        needed, possible = _KEYS[self.kind]
        given = self.model_fields_set - _KEYS_OF_ALL
        for key in sorted(given - {*needed, *possible}):
            raise ValueError(f"{key} means nothing for kind = {self.kind.value!r}")
        for key in needed:
            if getattr(self, key) is None:
                raise ValueError(f"kind = {self.kind.value!r} needs {key}")
        return self


# The keys that a kind needs, and those that it may have, beside those of all.
_KEYS_OF_ALL: Final = frozenset({"kind", "path", "subset", "description"})
_KEYS: Final[Mapping[DatasetKind, tuple[tuple[str, ...], tuple[str, ...]]]] = (
    MappingProxyType(
        {
            DatasetKind.NPZ: ((), ("x", "y", "names")),
            DatasetKind.IMAGES: ((), ("synsets",)),
            DatasetKind.COCO: (("annotations",), ()),
            DatasetKind.VOC: (("split",), ("classes",)),
            DatasetKind.YOLO: (("classes",), ("split",)),
            DatasetKind.SCENES: (("count", "seed"), ("x", "y")),
        }
    )
)


def open_entry(entry: DatasetEntry, *, name: str) -> Dataset:
    """Open the dataset that an entry describes, its subset applied."""
    dataset = _OPENERS[entry.kind](entry, name)
    return dataset.select(parse_selections(entry.subset))


def _open_npz(entry: DatasetEntry, name: str) -> Dataset:
    return open_npz(
        entry.path,
        name=name,
        x=entry.x or "x",
        y=entry.y or "y",
        names=entry.names or "names",
    )


def _open_images(entry: DatasetEntry, name: str) -> Dataset:
    return open_images(entry.path, name=name, synsets=entry.synsets)


def _open_coco(entry: DatasetEntry, name: str) -> Dataset:
    return open_coco(entry.annotations or Path(), entry.path, name=name)


def _open_voc(entry: DatasetEntry, name: str) -> Dataset:
    classes = entry.classes or VOC_CLASSES
    if isinstance(classes, Path):
        classes = read_classes(classes)
    return open_voc(entry.path, name=name, split=entry.split or "", classes=classes)


def _open_yolo(entry: DatasetEntry, name: str) -> Dataset:
    classes = entry.classes or ()
    return open_yolo(entry.path, name=name, classes=classes, split=entry.split or "")


def _open_scenes(entry: DatasetEntry, name: str) -> Dataset:
    return open_scenes(
        entry.path,
        name=name,
        x=entry.x or "x",
        y=entry.y or "y",
        count=entry.count or 0,
        seed=entry.seed or 0,
    )


_OPENERS: Final[Mapping[DatasetKind, Callable[[DatasetEntry, str], Dataset]]] = (
    MappingProxyType(
        {
            DatasetKind.NPZ: _open_npz,
            DatasetKind.IMAGES: _open_images,
            DatasetKind.COCO: _open_coco,
            DatasetKind.VOC: _open_voc,
            DatasetKind.YOLO: _open_yolo,
            DatasetKind.SCENES: _open_scenes,
        }
    )
)
