"""COCO annotations: what they become, and one clear line for each mistake in them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate.detect import coco
from emu.evaluate.detect.boxes import Category
from emu.evaluate.detect.coco import open_coco
from emu.evaluate.selection import parse_selections


def annotations():
    """Three images out of order, the second without objects; two categories."""
    return {
        "info": {"anything": ["is", "left", "unread"]},
        "images": [
            {"id": 7, "file_name": "b.png", "width": 20, "height": 10},
            {"id": 9, "file_name": "sub/c.png", "width": 5, "height": 6},
            {"id": 3, "file_name": "a.png", "width": 20, "height": 10},
        ],
        "categories": [{"id": 44, "name": "bottle"}, {"id": 1, "name": "person"}],
        "annotations": [
            annotation(1, 7, 44, [1.5, 2, 3, 4.25], area=9.5),
            annotation(2, 3, 1, [0, 0, 20, 10], iscrowd=1),
            annotation(5, 7, 1, [15, 8, 10, 10]),
        ],
    }


def annotation(key, image, category, bbox, **more):
    return {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": bbox,
        **more,
    }


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    Image.new("RGB", (20, 10), (1, 2, 3)).save(images / "a.png")
    Image.new("RGB", (20, 10)).save(images / "b.png")
    Image.new("RGB", (5, 6)).save(images / "sub" / "c.png")
    return tmp_path


def opened(folder, data):
    file = folder / "a.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return open_coco(file, folder / "images", name="d")


def test_images_and_categories_are_ordered_by_their_ids(folder):
    data = opened(folder, annotations())
    assert data.ids == ("a.png", "b.png", "sub/c.png")
    assert data.labels is None
    assert data.categories == (
        Category(id=1, name="person"),
        Category(id=44, name="bottle"),
    )
    assert data.load(0)[0, 0].tolist() == [1, 2, 3]


def test_boxes_become_corners_and_reach_beyond_the_image(folder):
    data = opened(folder, annotations())
    assert data.objects is not None
    first, second, none = data.objects
    assert second.boxes.tolist() == [[1.5, 2, 4.5, 6.25], [15, 8, 25, 18]]
    assert second.classes.tolist() == [1, 0]
    assert second.areas.tolist() == [9.5, 100]
    assert second.crowd.tolist() == [False, False]
    assert not second.difficult.any()
    assert second.size == (10, 20)
    assert first.crowd.tolist() == [True]
    assert none.boxes.shape == (0, 4)
    assert none.size == (6, 5)


def test_boxes_outside_the_image_and_without_area_are_kept(folder):
    data = annotations()
    data["annotations"] = [
        annotation(1, 3, 1, [-50, -50, 10, 10]),
        annotation(2, 3, 1, [5, 5, 0, 3]),
        annotation(3, 3, 1, [5, 5, 0, 0], area=0),
    ]
    objects = opened(folder, data).objects
    assert objects is not None
    assert objects[0].boxes.tolist() == [
        [-50, -50, -40, -40],
        [5, 5, 5, 8],
        [5, 5, 5, 5],
    ]
    assert objects[0].areas.tolist() == [100, 0, 0]


def test_objects_are_selected_with_their_samples(folder):
    data = opened(folder, annotations())
    part = data.select(parse_selections("[!::2]"))
    assert part.ids == ("b.png",)
    assert data.objects is not None
    assert part.objects == (data.objects[1],)
    assert part.categories == data.categories


def test_the_digest_changes_with_every_part_of_an_object(folder):
    def changed(where, **change):
        data = annotations()
        data[where][0].update(change)
        return opened(folder, data).digest()

    base = opened(folder, annotations()).digest()
    assert opened(folder, annotations()).digest() == base
    digests = {
        base,
        changed("annotations", bbox=[1.5, 2, 3, 4]),
        changed("annotations", category_id=1),
        changed("annotations", area=9),
        changed("annotations", iscrowd=1),
        changed("annotations", image_id=9),
        changed("categories", name="can"),
        opened(folder, {**annotations(), "annotations": []}).digest(),
    }
    assert len(digests) == 8


@pytest.mark.parametrize(
    ("key", "position", "change", "message"),
    [
        (
            "annotations",
            1,
            {"category_id": 2},
            r"annotations\[1\]: found category_id 2",
        ),
        (
            "annotations",
            1,
            {"image_id": 4},
            r"annotations\[1\]: found image_id 4; ther",
        ),
        ("annotations", 1, {"image_id": "3"}, 'found image_id "3"; expected a whole'),
        ("annotations", 1, {"id": 1}, r"annotations\[1\]: id 1 comes twice"),
        ("annotations", 1, {"id": None}, "found id null; expected a whole number"),
        ("annotations", 0, {"bbox": [1, 2, 3]}, r"found bbox \[1, 2, 3\]; expected fo"),
        ("annotations", 0, {"bbox": [1, 2, 3, 4, 5]}, "expected four finite numbers"),
        ("annotations", 0, {"bbox": [1, 2, 3, "4"]}, "expected four finite numbers"),
        ("annotations", 0, {"bbox": [1, 2, 3, True]}, "expected four finite numbers"),
        (
            "annotations",
            0,
            {"bbox": [1, 2, 3, 10**400]},
            "expected four finite numbers",
        ),
        ("annotations", 0, {"bbox": [1, float("nan"), 3, 4]}, "found bbox .*NaN"),
        ("annotations", 0, {"bbox": [1, 2, float("inf"), 4]}, "found bbox .*Infinity"),
        ("annotations", 0, {"bbox": None}, "found bbox null"),
        ("annotations", 0, {"bbox": [1, 2, -3, 4]}, "expected a width and height of 0"),
        ("annotations", 0, {"bbox": [1, 2, 3, -4]}, "expected a width and height of 0"),
        ("annotations", 0, {"area": -1}, "found area -1; expected a number of 0"),
        ("annotations", 0, {"area": None}, "found area null"),
        ("annotations", 0, {"iscrowd": 2}, "found iscrowd 2; expected 0 or 1"),
        ("images", 1, {"id": 7}, r"images\[1\]: id 7 comes twice"),
        ("images", 1, {"id": True}, r"images\[1\]: found id true"),
        ("images", 1, {"width": 0}, "found width 0 and height 6; expected whole"),
        ("images", 1, {"height": 6.5}, "found width 5 and height 6.5; expected whole"),
        ("images", 1, {"file_name": 5}, "found file_name 5; expected a text"),
        ("images", 1, {"file_name": ""}, 'found file_name ""; expected a text'),
        ("images", 1, {"file_name": "../a.json"}, r"name .\.\./a\.json.; expected one"),
        ("images", 1, {"file_name": "a.png"}, "two samples have the name 'a.png'"),
        ("categories", 1, {"id": 44}, r"categories\[1\]: id 44 comes twice"),
        ("categories", 1, {"name": None}, "found name null; expected a text"),
    ],
)
def test_a_wrong_entry_is_one_clear_line(folder, key, position, change, message):
    data = annotations()
    data[key][position].update(change)
    with pytest.raises(DataError, match=message) as caught:
        opened(folder, data)
    assert str(caught.value).startswith(f"{folder / 'a.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no sound JSON"),
        ("{", "is no sound JSON"),
        ("[" * 200_000, "is no sound JSON"),
        ('{"images": ' + "9" * 5000 + "}", "is no sound JSON"),
        ("[1, 2]", r"found \[1, 2\]; expected an object of images"),
        ("{}", "images: found null; expected a list"),
        (
            '{"images": [3], "annotations": []}',
            r"images\[0\]: found 3; expected an obj",
        ),
        ('{"images": [], "annotations": [], "categories": []}', "holds no images"),
    ],
)
def test_a_damaged_file_is_named(folder, text, message):
    with pytest.raises(DataError, match=message):
        opened(folder, text)


def test_too_large_a_file_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(coco, "MAX_JSON_BYTES", 100)
    with pytest.raises(DataError, match="is larger than 100 bytes"):
        opened(folder, annotations())


def test_what_does_not_exist_is_missing_when_the_dataset_is_opened(folder):
    data = annotations()
    (folder / "images" / "b.png").unlink()
    with pytest.raises(MissingError, match=r"images\[0\]: the image 'b\.png' does not"):
        opened(folder, data)
    with pytest.raises(MissingError, match="no such folder"):
        open_coco(folder / "a.json", folder / "no", name="d")
    with pytest.raises(MissingError, match="no such file"):
        open_coco(folder / "no.json", folder / "images", name="d")


def test_an_image_of_another_size_than_annotated_names_both(folder):
    Image.new("RGB", (10, 20)).save(folder / "images" / "b.png")
    data = opened(folder, annotations())
    data.load(0)
    with pytest.raises(DataError, match=r"b\.png: has 10x20 pixels; .* for 20x10"):
        data.load(1)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_images_become_rgb(folder, mode):
    image = Image.new(mode, (20, 10), 200 if mode == "L" else (0, 0, 0, 55))
    image.save(folder / "images" / "b.png", "JPEG", quality=100)
    pixels = opened(folder, annotations()).load(1)
    assert pixels.shape == (10, 20, 3)
    assert (pixels == 200).all()


def test_sixteen_bit_images_are_refused(folder):
    deep = np.full((10, 20), 40_000, np.uint16)
    Image.fromarray(deep).save(folder / "images" / "b.png")
    with pytest.raises(DataError, match="mode I;16"):
        opened(folder, annotations()).load(1)


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("EMU_DATA"), reason="EMU_DATA is not set")
def test_the_first_images_of_coco_are_read():
    root = Path(os.environ["EMU_DATA"]) / "datasets" / "coco_val128"
    file = root / "annotations" / "instances_val128.json"
    data = open_coco(file, root / "images", name="coco")
    assert len(data) == 128
    assert len(data.categories) == 80
    assert data.objects is not None
    assert sum(len(objects.classes) for objects in data.objects) == 898
    assert data.ids[0] == "000000000139.jpg"
    assert data.load(0).shape == (*data.objects[0].size, 3)
