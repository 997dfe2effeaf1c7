"""Entries of annotated images: each form is opened, each wrong key is named."""

import json

import pytest
from PIL import Image

from emu.errors import ConfigError
from emu.evaluate import find_dataset

VOC = """<annotation><size><width>20</width><height>10</height><depth>3</depth></size>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax>
<ymax>4</ymax></bndbox></object></annotation>"""
COCO = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 20, "height": 10}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 4, 4]}],
    "categories": [{"id": 3, "name": "dog"}],
}
ENTRIES = {
    "coco": 'kind = "coco"\npath = "images"\nannotations = "a.json"',
    "voc": 'kind = "voc"\npath = "."\nsplit = "val"',
    "voc of one class": 'kind = "voc"\npath = "."\nsplit = "val"\nclasses = ["dog"]',
    "yolo": 'kind = "yolo"\npath = "."\nclasses = ["dog"]',
    "yolo with a file": 'kind = "yolo"\npath = "."\nclasses = "names.txt"',
}


@pytest.fixture
def folder(tmp_path):
    """One image with one dog in its corner, annotated in three ways."""
    folders = ("images", "labels", "JPEGImages", "Annotations", "ImageSets/Main")
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    for name in ("images", "JPEGImages"):
        Image.new("RGB", (20, 10)).save(tmp_path / name / "a.jpg")
    (tmp_path / "a.json").write_text(json.dumps(COCO))
    (tmp_path / "labels/a.txt").write_text("0 0.1 0.2 0.2 0.4\n")
    (tmp_path / "names.txt").write_text("dog\n")
    (tmp_path / "Annotations/a.xml").write_text(VOC)
    (tmp_path / "ImageSets/Main/val.txt").write_text("a\n")
    return tmp_path


def opened(folder, text):
    (folder / "entry.toml").write_text(text)
    return find_dataset(str(folder / "entry.toml"))


@pytest.mark.parametrize("name", ENTRIES)
def test_the_same_object_is_found_in_every_form(folder, name):
    data = opened(folder, ENTRIES[name])
    assert data.ids == ("a.jpg",)
    assert data.objects is not None
    (objects,) = data.objects
    assert objects.boxes.tolist() == [pytest.approx([0, 0, 4, 4])]
    assert data.categories[objects.classes[0]].name == "dog"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "coco"\npath = "images"', "kind = 'coco' needs annotations"),
        ('kind = "voc"\npath = "."', "kind = 'voc' needs split"),
        ('kind = "yolo"\npath = "."', "kind = 'yolo' needs classes"),
        (ENTRIES["coco"] + '\nsplit = "val"', "split means nothing for kind = 'coco'"),
        (ENTRIES["yolo"] + '\nx = "x"', "x means nothing for kind = 'yolo'"),
        ('kind = "scenes"\npath = "a.npz"\nseed = 1', "kind = 'scenes' needs count"),
        ('kind = "scenes"\npath = "a.npz"\ncount = 1', "kind = 'scenes' needs seed"),
        (ENTRIES["coco"] + "\nseed = 1", "seed means nothing for kind = 'coco'"),
    ],
)
def test_keys_that_are_missing_or_mean_nothing_are_named(folder, text, message):
    with pytest.raises(ConfigError, match=message):
        opened(folder, text)
