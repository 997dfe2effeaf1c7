"""VOC annotations: what they become, and one clear line for each mistake in them."""

import pytest
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate.detect import voc
from emu.evaluate.detect.boxes import Category
from emu.evaluate.detect.voc import VOC_CLASSES, open_voc

DOG = """<object><name>dog</name><difficult>1</difficult>
  <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>10</ymax></bndbox>
  <part><name>head</name>
    <bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>
</object>"""
CAT = """<object><name> cat </name>
  <bndbox><ymin>-3.5</ymin><xmin>4.5</xmin><ymax>4</ymax><xmax>30</xmax></bndbox>
</object>"""


def xml(*objects, size="<width>20</width><height>10</height><depth>3</depth>"):
    return f"<annotation><size>{size}</size>{''.join(objects)}</annotation>"


@pytest.fixture
def folder(tmp_path):
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    for stem in ("one", "two", "three"):
        Image.new("RGB", (20, 10)).save(tmp_path / "JPEGImages" / f"{stem}.jpg")
    write(tmp_path, "one", xml(DOG, CAT))
    write(tmp_path, "two", xml())
    (tmp_path / "ImageSets/Main/val.txt").write_text("two\n\none\n")
    return tmp_path


def write(folder, stem, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "Annotations" / f"{stem}.xml").write_bytes(data)


def opened(folder):
    return open_voc(folder, name="d", split="val")


def test_the_split_decides_the_images_and_their_order(folder):
    data = opened(folder)
    assert data.ids == ("two.jpg", "one.jpg")
    assert data.labels is None
    assert data.load(0).shape == (10, 20, 3)


def test_pixels_counted_from_1_become_edges(folder):
    objects = opened(folder).objects
    assert objects is not None
    none, both = objects
    assert both.boxes.tolist() == [[0, 1, 20, 10], [3.5, -4.5, 30, 4]]
    assert both.areas.tolist() == [180, 26.5 * 8.5]
    assert both.difficult.tolist() == [True, False]
    assert not both.crowd.any()
    assert both.size == (10, 20)
    assert none.boxes.shape == (0, 4)


def test_the_categories_are_the_official_ones_or_those_given(folder):
    data = opened(folder)
    assert [category.name for category in data.categories] == sorted(VOC_CLASSES)
    assert len(VOC_CLASSES) == 20
    assert data.objects is not None
    assert data.objects[1].classes.tolist() == [11, 7]
    own = open_voc(folder, name="d", split="val", classes=["dog", "cat"])
    assert own.categories == (Category(id=0, name="dog"), Category(id=1, name="cat"))
    assert own.objects is not None
    assert own.objects[1].classes.tolist() == [0, 1]
    with pytest.raises(DataError, match="a class comes twice"):
        open_voc(folder, name="d", split="val", classes=["dog", "dog"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            xml(DOG.replace("dog", "cow-boy")),
            "object 1: found class 'cow-boy'; expected",
        ),
        (xml(CAT, DOG.replace("<name>dog</name>", "")), "object 2: found class none"),
        (xml(DOG.replace(">1</d", ">maybe</d")), "found difficult 'maybe'; expected 0"),
        (xml(DOG.replace(">20<", "><")), "found xmax ''; expected a finite number"),
        (xml(DOG.replace(">20<", ">nan<")), "found xmax 'nan'; expected a finite"),
        (xml(DOG.replace(">20<", ">inf<")), "found xmax 'inf'; expected a finite"),
        (
            xml(DOG.replace(">20<", ">0<")),
            "found a box of 1, 2 to 0, 10; expected xmin",
        ),
        (
            xml(DOG.replace(">10<", ">1<")),
            "found a box of 1, 2 to 20, 1; expected xmin",
        ),
        (xml("<object><name>dog</name></object>"), "object 1: found xmin none"),
        (xml(size=""), "size/height: found none; expected a whole number"),
        (xml(size="<width>0</width><height>5</height>"), "size/width: found '0'"),
        ("<annotation/>", "size/height: found none"),
        ("<labels/>", "found element 'labels'; expected 'annotation'"),
        ("<annotation>", "is no sound XML"),
        ("", "is no sound XML"),
        ("<a>" * 200_000, "is no sound XML"),
        (b"\xff\xfe\x00", "is no sound XML"),
        ('<?xml version="1.0" encoding="nope"?><annotation/>', "is no sound XML"),
    ],
)
def test_a_wrong_annotation_is_one_clear_line(folder, text, message):
    write(folder, "one", text)
    with pytest.raises(DataError, match=message) as caught:
        opened(folder)
    assert str(caught.value).startswith(f"{folder / 'Annotations' / 'one.xml'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">',
    ],
)
def test_document_types_and_entities_are_refused(folder, declaration, encoding):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    text = head + declaration + xml(DOG.replace("dog", "&x;"))
    write(folder, "one", text.encode(encoding))
    with pytest.raises(DataError, match=r"one\.xml: declares a document type, which"):
        opened(folder)


def test_too_large_files_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(voc, "MAX_XML_BYTES", 100)
    with pytest.raises(DataError, match=r"one\.xml: is larger than 100 bytes"):
        opened(folder)
    monkeypatch.setattr(voc, "MAX_SPLIT_BYTES", 2)
    with pytest.raises(DataError, match=r"val\.txt: is larger than 2 bytes"):
        opened(folder)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("one 1\n", DataError, "line 1: found 'one 1'; expected the name of one image"),
        ("\n \n", DataError, "holds no images"),
        ("one\none\n", DataError, r"two samples have the name 'one\.jpg'"),
        ("one\n../x\n", MissingError, r"line 2: the image '\.\./x' does not exist"),
        ("two\nfour\n", MissingError, "line 2: the image 'four' does not exist"),
        ("three\n", MissingError, r"three\.xml: there is no such file"),
        (b"\xff\xfe", DataError, "is no readable text"),
    ],
)
def test_a_wrong_split_is_refused(folder, text, kind, message):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "ImageSets/Main/val.txt").write_bytes(data)
    with pytest.raises(kind, match=message):
        opened(folder)


def test_an_absent_split_or_folder_is_missing(folder):
    with pytest.raises(MissingError, match=r"test\.txt: there is no such file"):
        open_voc(folder, name="d", split="test")
    (folder / "JPEGImages").rename(folder / "images")
    with pytest.raises(MissingError, match="JPEGImages: there is no such folder"):
        opened(folder)


def test_an_image_of_another_size_than_annotated_names_both(folder):
    write(folder, "one", xml(size="<width>20</width><height>11</height>"))
    with pytest.raises(DataError, match=r"one\.jpg: has 20x10 pixels; .* for 20x11"):
        opened(folder).load(1)
