"""Datasets in the format of PASCAL VOC: one XML file per image.

Source: Everingham, Winn: The PASCAL Visual Object Classes Challenge 2012 Development
Kit, section 8 (annotations) and section 2 (image sets).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.annotations import (
    LARGEST,
    Item,
    annotated_images,
    images_by_stem,
    objects_of,
    parse_number,
    parse_whole,
    read_bytes,
    read_lines,
)
from emu.evaluate.detect.boxes import Category, Objects

# An object takes some 300 bytes.
MAX_XML_BYTES: Final = 1 << 22
MAX_SPLIT_BYTES: Final = 1 << 26

VOC_CLASSES: Final = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


def open_voc(
    folder: Path, *, name: str, split: str, classes: Sequence[str] = VOC_CLASSES
) -> Dataset:
    """Read the images of one split, in the order in which it lists them.

    VOC counts pixels from 1 and both corners belong to the box: xmin ... xmax becomes
    x0 = xmin - 1, x1 = xmax, the same pixels. Boxes are otherwise kept as they are,
    partly or wholly outside the image too. Objects without `difficult` are not; parts
    of objects are left unread. An image whose file has no objects is kept.

    Arguments:
        folder: holds Annotations/NAME.xml (each at most `MAX_XML_BYTES`),
            JPEGImages/NAME.jpg (or another suffix that images have), and
            ImageSets/Main/SPLIT.txt, one NAME per line.
        name: of the dataset, for messages and results.
        split: for example "val".
        classes: the names of objects; their order numbers the categories from 0.

    Raises:
        MissingError: a folder, the split, an image or an annotation does not exist.
        DataError: a file is damaged or too large, an XML file declares a document type
            or entities, an entry lacks something, a class is unknown, a box has
            xmax < xmin or ymax < ymin, a number is NaN or infinite, the split names
            no image or one twice. When a sample is loaded: it has another size than its
            annotation says.
    """
    positions = {klass: position for position, klass in enumerate(classes)}
    if len(positions) != len(classes):
        raise DataError("a class comes twice", where=name)
    listing = folder / "ImageSets" / "Main" / f"{split}.txt"
    stems = _read_split(listing)
    images = images_by_stem(folder / "JPEGImages")
    for line, stem in stems.items():
        if stem not in images:
            raise MissingError(
                f"the image {stem[:80]!r} does not exist in {folder / 'JPEGImages'}",
                file=listing,
                where=f"line {line}",
            )
    # Only names of images that exist become names of files, so none leads elsewhere.
    files = [images[stem] for stem in stems.values()]
    return annotated_images(
        files,
        [file.name for file in files],
        [
            _read_objects(folder / "Annotations" / f"{stem}.xml", positions)
            for stem in stems.values()
        ],
        [Category(id=position, name=klass) for klass, position in positions.items()],
        name=name,
        file=listing,
    )


def _read_split(path: Path) -> dict[int, str]:
    """Return the names by their line."""
    lines = enumerate(read_lines(path, MAX_SPLIT_BYTES), start=1)
    stems = {number: line for number, line in lines if line}
    for number, line in stems.items():
        # Lists of one class have -1, 0 or 1 after the name and are no splits.
        if len(line.split()) != 1:
            raise DataError(
                f"found {line[:60]!r}; expected the name of one image",
                file=path,
                where=f"line {number}",
            )
    if not stems:
        raise DataError("holds no images", file=path)
    return stems


def _read_objects(path: Path, positions: dict[str, int]) -> Objects:
    root = _parse(path)
    if root.tag != "annotation":
        raise DataError(
            f"found element {root.tag[:60]!r}; expected 'annotation'", file=path
        )
    size = (_side(root, "height", path), _side(root, "width", path))
    items = [
        _item(element, positions, path, f"object {count}")
        for count, element in enumerate(root.findall("object"), start=1)
    ]
    return objects_of(size, items)


def _parse(path: Path) -> Element:
    """Parse XML; a document type is refused, for it may declare entities.

    Entities expand to far more than the file holds, or name other files.
    """

    def refuse(*_: object) -> None:
        raise DataError(
            "declares a document type, which may hold entities; expected plain "
            "elements",
            file=path,
        )

    data = read_bytes(path, MAX_XML_BYTES)
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    # An unknown encoding is a LookupError or a ValueError.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise DataError(f"is no sound XML: {error}", file=path) from error
    return builder.close()


def _side(root: Element, key: str, path: Path) -> int:
    text = _text(root.find("size"), key)
    side = parse_whole(text)
    if not side:
        raise DataError(
            f"found {_shown(text)}; expected a whole number of 1 or more",
            file=path,
            where=f"size/{key}",
        )
    return side


def _item(element: Element, positions: dict[str, int], path: Path, where: str) -> Item:
    klass = _text(element, "name")
    if klass is None or klass not in positions:
        raise DataError(
            f"found class {_shown(klass)}; expected one of {', '.join(positions)}",
            file=path,
            where=where,
        )
    difficult = _text(element, "difficult")
    if difficult not in (None, "0", "1"):
        raise DataError(
            f"found difficult {_shown(difficult)}; expected 0 or 1",
            file=path,
            where=where,
        )
    box = _box(element.find("bndbox"), path, where)
    return Item(
        box=box,
        klass=positions[klass],
        area=(box[2] - box[0]) * (box[3] - box[1]),
        difficult=difficult == "1",
    )


def _box(
    element: Element | None, path: Path, where: str
) -> tuple[float, float, float, float]:
    corners: list[float] = []
    for key in ("xmin", "ymin", "xmax", "ymax"):
        text = _text(element, key)
        value = parse_number(text)
        if value is None:
            raise DataError(
                f"found {key} {_shown(text)}; expected a finite number of at most "
                f"{LARGEST:.0e}",
                file=path,
                where=where,
            )
        corners.append(value)
    xmin, ymin, xmax, ymax = corners
    if xmax < xmin or ymax < ymin:
        raise DataError(
            f"found a box of {xmin:g}, {ymin:g} to {xmax:g}, {ymax:g}; expected "
            "xmin <= xmax and ymin <= ymax",
            file=path,
            where=where,
        )
    return xmin - 1, ymin - 1, xmax, ymax


def _text(element: Element | None, key: str) -> str | None:
    """Return the text of a child, stripped; None where there is none."""
    text = None if element is None else element.findtext(key)
    return None if text is None else text.strip()


def _shown(text: str | None) -> str:
    return "none" if text is None else repr(text[:60])
