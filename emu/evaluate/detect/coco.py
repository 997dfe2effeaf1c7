"""Datasets in COCO's format: one JSON file of annotations, one folder of images.

Source: https://cocodataset.org/#format-data, "Object Detection".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emu.errors import DataError, MissingError
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.annotations import (
    LARGEST,
    Item,
    annotated_images,
    image_file,
    number,
    objects_of,
    read_bytes,
    whole,
)
from emu.evaluate.detect.boxes import Category

# instances_train2017.json, the largest of COCO's own, has 448 MiB.
MAX_JSON_BYTES: Final = 1 << 29


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    id: int
    name: str
    file: Path
    size: tuple[int, int]


def open_coco(annotations: Path, images: Path, *, name: str) -> Dataset:
    """Read COCO annotations; images are ordered by their ids, categories too.

    COCO's own evaluation has images in that order, so detections of equal scores rank
    as there. A box [x, y, width, height] becomes [x, y, x + width, y + height] and is
    otherwise kept as it is, as pycocotools does: partly or wholly outside its image (an
    object that is missed), or of no width or height. Without an `area` the box's
    counts, without `iscrowd` an object is no crowd. Images without annotations have no
    objects. All other keys, segmentations among them, are left unread.

    Arguments:
        annotations: the JSON file, of at most `MAX_JSON_BYTES`.
        images: the folder that `file_name` counts from; samples are named by it.
        name: of the dataset, for messages and results.

    Raises:
        MissingError: there is no such file, folder or image.
        DataError: the file is damaged or too large; an entry lacks a key or holds
            something else; an id comes twice; an annotation is of an unknown image or
            category; a width or height is negative, a number is NaN or infinite; a
            file name leads out of the folder; there are no images. When a sample is
            loaded: it has another size than the annotations say.
    """
    if not images.is_dir():
        raise MissingError("there is no such folder", file=images)
    data = _read(annotations)
    categories = _read_categories(data, annotations)
    found = _read_images(data, annotations, images)
    items = _read_items(data, annotations, found, categories)
    ordered = [found[key] for key in sorted(found)]
    return annotated_images(
        [image.file for image in ordered],
        [image.name for image in ordered],
        [objects_of(image.size, items[image.id]) for image in ordered],
        categories,
        name=name,
        file=annotations,
    )


def _read(path: Path) -> Mapping[str, Any]:
    """Parse the file and check that it has the three lists."""
    try:
        data = json.loads(read_bytes(path, MAX_JSON_BYTES))
    # Deep nesting ends in a RecursionError, other damage in ValueErrors.
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no sound JSON: {error}", file=path) from error
    if not isinstance(data, dict):
        raise DataError(
            f"found {_shown(data)}; expected an object of images, annotations and "
            "categories",
            file=path,
        )
    for key in ("images", "annotations", "categories"):
        entries = data.get(key)
        if not isinstance(entries, list):
            raise DataError(
                f"found {_shown(entries)}; expected a list", file=path, where=key
            )
        for position, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise DataError(
                    f"found {_shown(entry)}; expected an object",
                    file=path,
                    where=f"{key}[{position}]",
                )
    return data


def _read_categories(data: Mapping[str, Any], file: Path) -> list[Category]:
    found: dict[int, Category] = {}
    for position, entry in enumerate(data["categories"]):
        where = f"categories[{position}]"
        key = _new_id(entry, found, file, where)
        found[key] = Category(id=key, name=_text(entry, "name", file, where))
    return [found[key] for key in sorted(found)]


def _read_images(
    data: Mapping[str, Any], file: Path, folder: Path
) -> dict[int, _Image]:
    found: dict[int, _Image] = {}
    for position, entry in enumerate(data["images"]):
        where = f"images[{position}]"
        key = _new_id(entry, found, file, where)
        size = (whole(entry.get("height")), whole(entry.get("width")))
        if not size[0] or not size[1]:
            raise DataError(
                f"found width {_shown(entry.get('width'))} and height "
                f"{_shown(entry.get('height'))}; expected whole numbers of 1 or more",
                file=file,
                where=where,
            )
        name = _text(entry, "file_name", file, where)
        path = image_file(folder, name, file=file, where=where)
        found[key] = _Image(id=key, name=name, file=path, size=(size[0], size[1]))
    if not found:
        raise DataError("holds no images", file=file, where="images")
    return found


def _read_items(
    data: Mapping[str, Any],
    file: Path,
    images: Mapping[int, _Image],
    categories: list[Category],
) -> dict[int, list[Item]]:
    """Return the objects of each image, in the order of the file."""
    items: dict[int, list[Item]] = {key: [] for key in images}
    positions = {category.id: i for i, category in enumerate(categories)}
    seen: dict[int, None] = {}
    for position, entry in enumerate(data["annotations"]):
        where = f"annotations[{position}]"
        seen[_new_id(entry, seen, file, where)] = None
        image = _known(entry, "image_id", images, file, where)
        category = _known(entry, "category_id", positions, file, where)
        items[image].append(_item(entry, positions[category], file, where))
    return items


def _item(entry: Mapping[str, Any], klass: int, file: Path, where: str) -> Item:
    bbox = entry.get("bbox")
    values = [number(value) for value in bbox] if isinstance(bbox, list) else []
    real = [value for value in values if value is not None]
    if len(real) != 4 or len(values) != 4:
        raise DataError(
            f"found bbox {_shown(bbox)}; expected four finite numbers "
            f"[x, y, width, height] of at most {LARGEST:.0e}",
            file=file,
            where=where,
        )
    x, y, width, height = real
    if width < 0 or height < 0:
        raise DataError(
            f"found bbox {_shown(bbox)}; expected a width and height of 0 or more",
            file=file,
            where=where,
        )
    return Item(
        box=(x, y, x + width, y + height),
        klass=klass,
        area=_area(entry, width * height, file, where),
        crowd=_crowd(entry, file, where),
    )


def _area(entry: Mapping[str, Any], default: float, file: Path, where: str) -> float:
    area = number(entry.get("area", default))
    if area is None or area < 0:
        raise DataError(
            f"found area {_shown(entry['area'])}; expected a number of 0 or more",
            file=file,
            where=where,
        )
    return area


def _crowd(entry: Mapping[str, Any], file: Path, where: str) -> bool:
    crowd = entry.get("iscrowd", 0)
    if whole(crowd) not in (0, 1):
        raise DataError(
            f"found iscrowd {_shown(crowd)}; expected 0 or 1", file=file, where=where
        )
    return crowd == 1


def _new_id(
    entry: Mapping[str, Any], seen: Mapping[int, object], file: Path, where: str
) -> int:
    key = _id(entry, "id", file, where)
    if key in seen:
        raise DataError(f"id {key} comes twice", file=file, where=where)
    return key


def _known(
    entry: Mapping[str, Any],
    key: str,
    known: Mapping[int, object],
    file: Path,
    where: str,
) -> int:
    value = _id(entry, key, file, where)
    if value not in known:
        raise DataError(
            f"found {key} {value}; there is none of that id among {len(known)}",
            file=file,
            where=where,
        )
    return value


def _id(entry: Mapping[str, Any], key: str, file: Path, where: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(
            f"found {key} {_shown(value)}; expected a whole number",
            file=file,
            where=where,
        )
    return value


def _text(entry: Mapping[str, Any], key: str, file: Path, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(
            f"found {key} {_shown(value)}; expected a text", file=file, where=where
        )
    return value


def _shown(value: object) -> str:
    """A value of the file as JSON, cut: it may be of any size."""
    return json.dumps(value)[:60]
