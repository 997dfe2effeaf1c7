"""What readers of annotated images share: limits, checks, and making the dataset.

Annotations are input from elsewhere: they are sized before they are read, every number
is checked, and no name in them leads out of the folder of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import numpy as np

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.boxes import Category, Objects
from emu.evaluate.images import ImageSource, images_in

# In pixels: beyond every image, and products of two such numbers do not overflow.
LARGEST: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One annotated object; `box`, `klass` and `area` as in `Objects`."""

    box: tuple[float, float, float, float]
    klass: int
    area: float
    crowd: bool = False
    difficult: bool = False


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        MissingError: there is no such file.
        DataError: it is larger, or cannot be read.
    """
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    if len(data) > limit:
        raise DataError(f"is larger than {limit} bytes, the most read", file=path)
    return data


def read_lines(path: Path, limit: int) -> list[str]:
    """Read the lines of a text, blanks at their ends stripped; errors as above."""
    try:
        text = read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is no readable text: {error}", file=path) from error
    return [line.strip() for line in text.splitlines()]


def number(value: object) -> float | None:
    """Return a number; None for all else, for NaN and for what exceeds `LARGEST`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: no float holds 10**400.
    return float(value) if abs(value) <= LARGEST else None


def whole(value: object) -> int | None:
    """Return a whole number of 0 to `LARGEST`; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= LARGEST else None


def parse_number(text: str | None) -> float | None:
    """Return the number that a text is; None as of `number`."""
    if text is None or "_" in text:  # "1_000" is a number in Python alone
        return None
    try:
        return number(float(text))
    except ValueError:
        return None


def parse_whole(text: str | None) -> int | None:
    """Return the whole number that a text of digits is; None as of `whole`."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return whole(int(text))


def image_file(folder: Path, name: str, *, file: Path, where: str) -> Path:
    """Return the image that annotations call `name`, a path inside `folder`.

    Arguments:
        folder: of the images.
        name: with "/" between folders.
        file: of the annotations, for messages.
        where: the place in it.

    Raises:
        DataError: the name leads out of the folder.
        MissingError: there is no such image.
    """
    parts = PurePosixPath(name)
    # "C:x" and "..\\x" lead out of a folder on Windows.
    foreign = PureWindowsPath(name)
    if parts.is_absolute() or foreign.anchor or ".." in {*parts.parts, *foreign.parts}:
        raise DataError(
            f"found file name {name[:80]!r}; expected one inside the folder of images",
            file=file,
            where=where,
        )
    try:
        present = (folder / name).is_file()
    except OSError:  # a name that no file system can hold
        present = False
    if not present:
        raise MissingError(
            f"the image {name[:80]!r} does not exist in {folder}",
            file=file,
            where=where,
        )
    return folder / name


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix, in order.

    Raises:
        MissingError: there is no such folder.
        DataError: two images differ only in their suffix.
    """
    if not folder.is_dir():
        raise MissingError("there is no such folder", file=folder)
    found: dict[str, Path] = {}
    for image in images_in(folder):
        if image.stem in found:
            raise DataError(
                f"holds {found[image.stem].name!r} and {image.name!r}; expected one "
                "image of a name",
                file=folder,
            )
        found[image.stem] = image
    return found


def objects_of(size: tuple[int, int], items: Sequence[Item]) -> Objects:
    """Put the annotated objects of an image of `size` (height, width) into arrays."""
    return Objects(
        size=size,
        boxes=np.array([item.box for item in items], np.float64).reshape(-1, 4),
        classes=np.array([item.klass for item in items], np.int64),
        areas=np.array([item.area for item in items], np.float64),
        crowd=np.array([item.crowd for item in items], np.bool_),
        difficult=np.array([item.difficult for item in items], np.bool_),
    )


def annotated_images(
    files: Sequence[Path],
    ids: Sequence[str],
    objects: Sequence[Objects],
    categories: Sequence[Category],
    *,
    name: str,
    file: Path,
) -> Dataset:
    """Make the dataset; each file must have the size that its objects state.

    Raises:
        DataError: there are no images, or two of one name.
    """
    return Dataset(
        name=name,
        ids=tuple(ids),
        labels=None,
        source=ImageSource(
            files=tuple(files), sizes=tuple(image.size for image in objects)
        ),
        positions=np.arange(len(files), dtype=np.int64),
        file=file,
        objects=tuple(objects),
        categories=tuple(categories),
    )
