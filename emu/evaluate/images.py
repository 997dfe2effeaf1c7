"""Datasets of image files: the class is the folder's name or comes from a list."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAX_PIXELS: Final = 1 << 26
# An index is any number that somebody wrote.
_MOST_NAMES: Final = 1 << 16

_ORIENTATION: Final = 0x0112  # the EXIF tag
_FORMATS: Final = ("JPEG", "PNG", "BMP", "WEBP")
# Modes whose conversion to RGB keeps the 8-bit values; 16-bit ones would be clipped.
_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
# What Pillow raises for files that it cannot decode.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Image files, decoded by Pillow when they are asked for.

    EXIF rotation is not applied; grey and CMYK images become RGB, transparency is
    dropped.

    Fields:
        files: one per sample.
        sizes: height and width that each file must have, in pixels; None for any.
    """

    files: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...] | None = None

    def load(self, position: int) -> UInt8[np.ndarray, "h w 3"]:
        """Decode one file to RGB pixels.

        Raises:
            DataError: the file is damaged, truncated, too large or no 8-bit image, or
                has another size than it must have.
        """
        path = self.files[position]
        with _opened(path) as image:
            found = (image.height, image.width)
            if self.sizes is not None and found != self.sizes[position]:
                height, width = self.sizes[position]
                raise DataError(
                    f"has {found[1]}x{found[0]} pixels; its annotation is for "
                    f"{width}x{height}",
                    file=path,
                )
            return np.asarray(image.convert("RGB"))

    def content(self, position: int) -> bytes:
        """Return the bytes of the file."""
        path = self.files[position]
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=path) from error


def read_upright_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image, read from its header.

    Raises:
        DataError: as of `ImageSource.load`; or the image is stored rotated or mirrored
            (EXIF orientation), so that what is loaded is not what people see.
    """
    with _opened(path) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation != 1:
            raise DataError(
                f"is stored rotated or mirrored (EXIF orientation {orientation}); "
                "expected an image that is stored upright",
                file=path,
            )
        return image.height, image.width


def open_images(path: Path, *, name: str, synsets: Path | None = None) -> Dataset:
    """Find the images `path/CLASS/FILE`, or `path/FILE` without labels.

    Arguments:
        path: the folder; samples are ordered by folder and file name.
        name: of the dataset, for messages and results.
        synsets: a list of classes, each line "index folder description". Without it,
            class folders are numbered from 0 in the order of their names.

    Raises:
        MissingError: there is no such folder or list.
        DataError: there are no images, images lie both in the folder and in class
            folders, or a class folder is not in the list.
    """
    if not path.is_dir():
        raise MissingError("there is no such folder", file=path)
    folders = sorted(
        (item for item in path.iterdir() if item.is_dir() and item.name[0] != "."),
        key=lambda item: item.name,
    )
    flat = images_in(path)
    grouped = [(folder, image) for folder in folders for image in images_in(folder)]
    if flat and grouped:
        raise DataError(
            f"holds images beside class folders: {flat[0].name!r} and "
            f"{grouped[0][0].name!r}",
            file=path,
        )
    if not flat and not grouped:
        raise DataError(
            f"holds no images ({', '.join(sorted(SUFFIXES))}), nor do its folders",
            file=path,
        )
    files = tuple(flat) or tuple(image for _, image in grouped)
    labels = None
    if grouped:
        classes = _classes([folder.name for folder in folders], synsets, path)
        labels = np.array([classes[folder.name] for folder, _ in grouped], np.int64)
    return Dataset(
        name=name,
        ids=tuple(file.relative_to(path).as_posix() for file in files),
        labels=labels,
        source=ImageSource(files=files),
        positions=np.arange(len(files), dtype=np.int64),
        file=path,
        classes=_class_names(synsets) if synsets and grouped else (),
    )


def _class_names(synsets: Path) -> tuple[str, ...]:
    """Descriptions of the classes by index, of a list that `read_synsets` can read."""
    lines = synsets.read_text(encoding="utf-8").splitlines()
    parts = [line.split(maxsplit=2) for line in lines]
    named = {int(part[0]): part[2] for part in parts if len(part) > 2}
    last = min(max(named, default=-1), _MOST_NAMES)
    return tuple(named.get(index, "") for index in range(last + 1))


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by their suffixes, in order of names."""
    files = (item for item in folder.iterdir() if item.suffix.lower() in SUFFIXES)
    return sorted((item for item in files if item.is_file()), key=lambda f: f.name)


def read_synsets(path: Path) -> dict[str, int]:
    """Read a list of classes, "index folder description" per line: folder -> index.

    Raises:
        MissingError: there is no such file.
        DataError: a line is of another form, or a folder or index comes twice.
    """
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    classes: dict[str, int] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"is no readable text: {error}", file=path) from error
    for number, line in enumerate(lines, start=1):
        parts = line.split(maxsplit=2)
        where = f"line {number}"
        if len(parts) < 2 or not (parts[0].isascii() and parts[0].isdigit()):
            raise DataError(
                f"found {line[:60]!r}; expected 'index folder description'",
                file=path,
                where=where,
            )
        index, folder = int(parts[0]), parts[1]
        if folder in classes:
            raise DataError(f"class {folder!r} comes twice", file=path, where=where)
        classes[folder] = index
    if len(set(classes.values())) != len(classes):
        raise DataError("an index comes twice", file=path)
    return classes


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image that can be decoded to RGB; what goes wrong inside names it."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"has {image.width}x{image.height} pixels; "
                    f"at most {MAX_PIXELS} are read",
                    file=path,
                )
            if image.mode not in _MODES:
                raise DataError(
                    f"found pixels of mode {image.mode}; expected 8-bit colour or grey",
                    file=path,
                )
            yield image
    except _DAMAGE as error:
        raise DataError(
            f"is no sound image: {_without_path(error, path)}", file=path
        ) from error


def _classes(folders: list[str], synsets: Path | None, path: Path) -> dict[str, int]:
    if synsets is None:
        return {folder: index for index, folder in enumerate(folders)}
    classes = read_synsets(synsets)
    unknown = [folder for folder in folders if folder not in classes]
    if unknown:
        raise DataError(
            f"class folder {unknown[0]!r} is not in {synsets.name} "
            f"({len(unknown)} of {len(folders)} folders)",
            file=path,
        )
    return classes


def _without_path(error: BaseException, path: Path) -> str:
    """Pillow's message, without the path that our own message names already."""
    return str(error).replace(repr(str(path)), "file").replace(str(path), "file")
