"""Datasets with YOLO's text labels: one text file per image, in parts of its size.

Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.annotations import (
    Item,
    annotated_images,
    images_by_stem,
    objects_of,
    parse_number,
    parse_whole,
    read_lines,
)
from emu.evaluate.detect.boxes import Category
from emu.evaluate.images import read_upright_size

# A line takes some 40 bytes.
MAX_LABEL_BYTES: Final = 1 << 22
# Boxes may reach beyond their image; labels in pixels go far beyond this.
MAX_PART: Final = 2.0


def open_yolo(
    folder: Path,
    *,
    name: str,
    classes: Path | Sequence[str],
    split: str = "",
) -> Dataset:
    """Read images in the order of their names, and the labels beside them.

    A line "class cx cy w h" is a box by its centre and size, in parts of the image's
    width and height, which are read from the image. It is kept as it is: partly or
    wholly outside, or of no width or height. An image without a file of labels, or with
    an empty one, has no objects. No object is a crowd or difficult; its area is its
    box's.

    Arguments:
        folder: holds images/NAME.jpg (or another suffix that images have) and
            labels/NAME.txt, at most `MAX_LABEL_BYTES` each.
        name: of the dataset, for messages and results.
        classes: the names of classes 0, 1, ...: a list, or a text file of one per line.
        split: the folder below images/ and labels/ that holds the files, if any.

    Raises:
        MissingError: a folder or the file of classes does not exist.
        DataError: a file is damaged or too large; a line is of another form, a class
            beyond the list, a number NaN, infinite or beyond +-`MAX_PART`, a width or
            height negative; labels have no image; there are no images or classes; an
            image is stored rotated, so that its labels are not for its pixels.
    """
    categories = _categories(classes, name)
    images = images_by_stem(folder / "images" / split)
    if not images:
        raise DataError("holds no images", file=folder / "images" / split)
    labels = _labels(folder / "labels" / split, images)
    objects = []
    for stem, image in images.items():
        size = read_upright_size(image)
        items = _items(labels[stem], size, len(categories)) if stem in labels else []
        objects.append(objects_of(size, items))
    return annotated_images(
        list(images.values()),
        [image.name for image in images.values()],
        objects,
        categories,
        name=name,
        file=folder,
    )


def read_classes(path: Path) -> list[str]:
    """Return the names in a text file, one per line; blank lines at its end are none."""
    names = read_lines(path, MAX_LABEL_BYTES)
    while names and not names[-1]:
        names.pop()
    return names


def _categories(classes: Path | Sequence[str], name: str) -> list[Category]:
    """Return the classes; each needs a name."""
    names = read_classes(classes) if isinstance(classes, Path) else list(classes)
    file = classes if isinstance(classes, Path) else None
    if not names:
        raise DataError("holds no classes", file=file, where=name)
    if not all(names):
        raise DataError(f"class {names.index('')} has no name", file=file, where=name)
    return [Category(id=position, name=text) for position, text in enumerate(names)]


def _labels(folder: Path, images: dict[str, Path]) -> dict[str, Path]:
    """Return the files of labels by their names without suffix."""
    if not folder.is_dir():
        raise MissingError("there is no such folder", file=folder)
    files = sorted(file for file in folder.glob("*.txt") if file.is_file())
    # Labelling tools put their list of classes among the labels.
    labels = {file.stem: file for file in files if file.name != "classes.txt"}
    for stem, file in labels.items():
        if stem not in images:
            raise DataError(
                f"there is no image of that name beside {len(images)} others", file=file
            )
    return labels


def _items(path: Path, size: tuple[int, int], classes: int) -> list[Item]:
    lines = enumerate(read_lines(path, MAX_LABEL_BYTES), start=1)
    return [
        _item(line, size, classes, path, f"line {number}")
        for number, line in lines
        if line
    ]


def _item(
    line: str, size: tuple[int, int], classes: int, path: Path, where: str
) -> Item:
    words = line.split()
    klass = parse_whole(words[0])
    values = [parse_number(word) for word in words[1:]]
    parts = [v for v in values if v is not None and abs(v) <= MAX_PART]
    if klass is None or len(words) != 5 or len(parts) != 4:
        raise DataError(
            f"found {line[:60]!r}; expected 'class cx cy w h', a whole number and four "
            f"finite parts of the image's size (at most {MAX_PART:g})",
            file=path,
            where=where,
        )
    if klass >= classes:
        raise DataError(
            f"found class {klass}; there are {classes} classes", file=path, where=where
        )
    x, y, width, height = parts
    if width < 0 or height < 0:
        raise DataError(
            f"found {line[:60]!r}; expected a width and height of 0 or more",
            file=path,
            where=where,
        )
    rows, columns = size
    return Item(
        box=(
            (x - width / 2) * columns,
            (y - height / 2) * rows,
            (x + width / 2) * columns,
            (y + height / 2) * rows,
        ),
        klass=klass,
        area=width * columns * height * rows,
    )
