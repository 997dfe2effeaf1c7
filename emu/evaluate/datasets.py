"""A dataset: named samples, their labels, and a way to load one at a time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Shaped

from emu.errors import DataError
from emu.evaluate.detect.boxes import Category, Objects
from emu.evaluate.selection import Selection, parse_selections


@runtime_checkable
class Source(Protocol):
    """Where samples come from; positions count within the source."""

    def load(self, position: int) -> Shaped[np.ndarray, "*sample"]:
        """Return one raw sample; a DataError names its file if it is unreadable."""
        ...

    def content(self, position: int) -> bytes:
        """Return the bytes that decide this sample, for `Dataset.digest`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArraySource:
    """Samples held in memory as one array `x` of shape [n, ...]."""

    x: Shaped[np.ndarray, " n *sample"]

    def load(self, position: int) -> Shaped[np.ndarray, "*sample"]:
        """Return the sample as stored."""
        return self.x[position]

    def content(self, position: int) -> bytes:
        """Return dtype, shape and values."""
        sample = np.ascontiguousarray(self.x[position])
        return f"{sample.dtype.str}{sample.shape}".encode() + sample.tobytes()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Named samples in a fixed order.

    Fields:
        name: what the user called it, selections included.
        ids: one unique name per sample, in order.
        labels: the class of each sample, >= 0; None where the data has no labels.
        objects: what there is to find in each sample; None where the data is not for
            detection. Such data has no labels.
        categories: what the classes of the objects mean, ordered by id.
        classes: names of the labels 0, 1, ... for people; fewer or none where they are
            not known.
        source: where the samples come from.
        positions: of each sample within `source`.
        file: the file or folder, for messages; None for arrays in memory.
    """

    name: str
    ids: tuple[str, ...]
    labels: Int64[np.ndarray, " labels"] | None
    source: Source
    positions: Int64[np.ndarray, " n"]
    file: Path | None = None
    objects: tuple[Objects, ...] | None = None
    categories: tuple[Category, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse samples, labels or names that do not fit together."""
        n = len(self.positions)
        if n == 0:
            raise DataError("holds no samples", file=self.file, where=self.name)
        if len(self.ids) != n or (self.labels is not None and len(self.labels) != n):
            labels = "no" if self.labels is None else len(self.labels)
            raise DataError(
                f"found {n} samples, {len(self.ids)} names and {labels} labels; "
                "expected as many of each",
                file=self.file,
                where=self.name,
            )
        if len(set(self.ids)) != n:
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))
            raise DataError(
                f"two samples have the name {twice!r}", file=self.file, where=self.name
            )
        if self.labels is not None and self.labels.min() < 0:
            bad = int(np.argmax(self.labels < 0))
            raise DataError(
                f"found label {self.labels[bad]}; expected 0 or more",
                file=self.file,
                where=self.ids[bad],
            )
        self._require_sound_objects()

    def _require_sound_objects(self) -> None:
        if self.objects is None:
            return
        if len(self.objects) != len(self.positions):
            raise DataError(
                f"found {len(self.positions)} samples and the objects of "
                f"{len(self.objects)}; expected as many of each",
                file=self.file,
                where=self.name,
            )
        count = len(self.categories)
        for name, objects in zip(self.ids, self.objects, strict=True):
            classes = objects.classes
            wrong = (classes < 0) | (classes >= count)
            if wrong.any():
                raise DataError(
                    f"found an object of class {int(classes[wrong][0])}; "
                    f"there are {count} categories",
                    file=self.file,
                    where=name,
                )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.ids)

    def load(self, index: int) -> Shaped[np.ndarray, "*sample"]:
        """Return raw sample `index` (0 <= index < len), as stored: uint8, int8, ...

        Raises:
            DataError: the sample cannot be read; names the file and the sample.
        """
        try:
            return self.source.load(int(self.positions[index]))
        except DataError as error:
            raise DataError(
                error.message, file=error.file or self.file, where=self.ids[index]
            ) from error

    def select(self, selections: Sequence[Selection]) -> "Dataset":
        """Return the samples that the selections pick, applied left to right.

        Raises:
            DataError: a selection reaches outside the samples or picks none.
        """
        part = self
        for selection in selections:
            try:
                rows = selection.rows(len(part))
            except DataError as error:
                raise DataError(
                    error.message, file=self.file, where=part.name
                ) from error
            part = replace(part.take(rows), name=part.name + selection.text)
        return part

    def take(self, rows: Int64[np.ndarray, " rows"]) -> "Dataset":
        """Return the samples of these rows under the same name, in their order."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            labels=None if self.labels is None else self.labels[rows],
            positions=self.positions[rows],
            objects=None
            if self.objects is None
            else tuple(self.objects[row] for row in rows),
        )

    def first(self, count: int | None) -> "Dataset":
        """Return the first `count` samples; all, if there are no more or for None."""
        if count is None or count >= len(self):
            return self
        return self.select(parse_selections(f"[:{count}]"))

    def digest(self) -> str:
        """Return the sha256 (hex) of names, labels and contents of these samples.

        Objects and categories are part of it where there are any. Equal digests mean
        equal samples in equal order, wherever they are stored.
        """
        total = hashlib.sha256()
        for index, name in enumerate(self.ids):
            label = "" if self.labels is None else int(self.labels[index])
            total.update(hashlib.sha256(f"{label} {name}".encode()).digest())
            content = self.source.content(int(self.positions[index]))
            total.update(hashlib.sha256(content).digest())
        if self.objects is not None:
            names = [(category.id, category.name) for category in self.categories]
            total.update(repr(names).encode())
            for objects in self.objects:
                total.update(hashlib.sha256(_content(objects)).digest())
        return total.hexdigest()


def _content(objects: Objects) -> bytes:
    """Return the bytes of all fields; their number tells how many objects there are."""
    arrays = (
        objects.boxes.astype("<f8"),
        objects.classes.astype("<i8"),
        objects.areas.astype("<f8"),
        objects.crowd,
        objects.difficult,
    )
    return repr(objects.size).encode() + b"".join(array.tobytes() for array in arrays)


def from_arrays(
    x: Shaped[np.ndarray, " n *sample"],
    labels: Int64[np.ndarray, " labels"] | None = None,
    *,
    name: str = "arrays",
    ids: Sequence[str] | None = None,
    file: Path | None = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of arrays in memory; samples without names are "x[0]", ..."""
    if ids is None:
        ids = [f"x[{position}]" for position in range(len(x))]
    return Dataset(
        name=name,
        ids=tuple(ids),
        labels=labels,
        source=ArraySource(x=x),
        positions=np.arange(len(x), dtype=np.int64),
        file=file,
        classes=tuple(classes),
    )
