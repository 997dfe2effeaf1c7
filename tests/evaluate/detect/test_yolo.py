"""YOLO's labels: what they become, and one clear line for each mistake in them."""

import pytest
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate.detect import yolo
from emu.evaluate.detect.boxes import Category
from emu.evaluate.detect.yolo import open_yolo

CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name in ("b.jpg", "a.png", "c.jpg"):
        Image.new("RGB", (20, 10)).save(tmp_path / "images" / name)
    label(tmp_path, "a", "2 0.5 0.5 0.5 1.0\n\n  0 1.0 0 0.1 0.2\n")
    label(tmp_path, "b", "")
    label(tmp_path, "classes", "ant\nbee\ncat\n\n")
    return tmp_path


def label(folder, stem, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "labels" / f"{stem}.txt").write_bytes(data)


def opened(folder):
    return open_yolo(folder, name="d", classes=CLASSES)


def test_parts_of_the_size_become_corners_in_pixels(folder):
    data = opened(folder)
    assert data.ids == ("a.png", "b.jpg", "c.jpg")
    assert data.objects is not None
    first = data.objects[0]
    assert first.boxes.tolist() == [[5, 0, 15, 10], [19, -1, 21, 1]]
    assert first.classes.tolist() == [2, 0]
    assert first.areas.tolist() == [100, 4]
    assert first.size == (10, 20)
    assert not first.crowd.any()
    assert not first.difficult.any()


def test_images_without_labels_have_no_objects(folder):
    objects = opened(folder).objects
    assert objects is not None
    assert [len(image.classes) for image in objects] == [2, 0, 0]


def test_boxes_of_no_area_or_outside_the_image_are_kept(folder):
    label(folder, "a", "1 0.5 0.5 0 0\n1 -0.5 1.75 0.5 0.5\n")
    objects = opened(folder).objects
    assert objects is not None
    assert objects[0].boxes.tolist() == [[10, 5, 10, 5], [-15, 15, -5, 20]]


def test_classes_come_from_a_list_or_a_file(folder):
    expected = tuple(Category(id=i, name=name) for i, name in enumerate(CLASSES))
    assert opened(folder).categories == expected
    listed = open_yolo(folder, name="d", classes=folder / "labels" / "classes.txt")
    assert listed.categories == expected
    assert listed.digest() == opened(folder).digest()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no classes"), ("ant\n\nbee\n", "class 1 has no name")],
)
def test_a_wrong_list_of_classes_is_refused(folder, text, message):
    label(folder, "classes", text)
    with pytest.raises(DataError, match=rf"classes\.txt: d: {message}"):
        open_yolo(folder, name="d", classes=folder / "labels" / "classes.txt")


def test_a_split_is_a_folder_below_both(folder):
    for part in ("images", "labels"):
        (folder / part).rename(folder / "val")
        (folder / part).mkdir()
        (folder / "val").rename(folder / part / "val")
    data = open_yolo(folder, name="d", classes=CLASSES, split="val")
    assert data.ids == ("a.png", "b.jpg", "c.jpg")
    with pytest.raises(DataError, match="holds no images"):
        opened(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 0.5 0.5 0.5 0.5", "line 1: found class 3; there are 3 classes"),
        (
            "\n0 0.5 0.5 0.5",
            "line 2: found '0 0.5 0.5 0.5'; expected 'class cx cy w h'",
        ),
        ("0 0.5 0.5 0.5 0.5 0.9", "expected 'class cx cy w h'"),
        ("0 .1 .1 .2 .1 .2 .2 .1 .2", "expected 'class cx cy w h'"),
        ("-1 0.5 0.5 0.5 0.5", "expected 'class cx cy w h'"),
        ("1.0 0.5 0.5 0.5 0.5", "expected 'class cx cy w h'"),
        ("ant 0.5 0.5 0.5 0.5", "expected 'class cx cy w h'"),
        ("0 nan 0.5 0.5 0.5", "four finite parts"),
        ("0 0.5 0.5 inf 0.5", "four finite parts"),
        ("0 10 5 4 2", r"four finite parts of the image's size \(at most 2\)"),
        ("0 0.5 0.5 -0.5 0.5", "expected a width and height of 0 or more"),
        ("0 0.5 0.5 0.5 -0.5", "expected a width and height of 0 or more"),
        (b"\xff\xfe", "is no readable text"),
    ],
)
def test_a_wrong_label_is_one_clear_line(folder, line, message):
    label(folder, "a", line)
    with pytest.raises(DataError, match=message) as caught:
        opened(folder)
    assert str(caught.value).startswith(f"{folder / 'labels' / 'a.txt'}: ")
    assert "\n" not in str(caught.value)


def test_labels_without_an_image_are_refused(folder):
    label(folder, "d", "0 0.5 0.5 0.5 0.5")
    with pytest.raises(DataError, match=r"d\.txt: there is no image of that name"):
        opened(folder)


def test_too_large_labels_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(yolo, "MAX_LABEL_BYTES", 5)
    with pytest.raises(DataError, match=r"a\.txt: is larger than 5 bytes"):
        opened(folder)


@pytest.mark.parametrize("part", ["images", "labels"])
def test_an_absent_folder_is_missing(folder, part):
    (folder / part).rename(folder / "other")
    with pytest.raises(MissingError, match=rf"{part}: there is no such folder"):
        opened(folder)


def test_a_damaged_image_is_named_when_the_dataset_is_opened(folder):
    (folder / "images" / "b.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.jpg: is no sound image"):
        opened(folder)


def test_an_image_that_is_stored_rotated_is_refused(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(folder / "images" / "b.jpg", exif=exif)
    with pytest.raises(DataError, match=r"b\.jpg: .* \(EXIF orientation 6\); expected"):
        opened(folder)
