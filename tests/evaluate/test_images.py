"""Image folders: classes by folder name or by list, damaged files named."""

import numpy as np
import pytest
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate import images
from emu.evaluate.images import open_images


def pixels(seed, size=(12, 10)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of two images: PNG in `ant`, JPEG in `bee`."""
    for number, name in enumerate(
        ["ant/1.png", "ant/0.png", "bee/0.JPEG", "bee/1.jpg"]
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(number)).save(path)
    return tmp_path / "data"


def test_class_folders_are_numbered_in_the_order_of_their_names(folder):
    dataset = open_images(folder, name="d")
    assert dataset.ids == ("ant/0.png", "ant/1.png", "bee/0.JPEG", "bee/1.jpg")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(dataset.load(0), pixels(1))


def test_a_list_of_classes_decides_the_numbers(folder, tmp_path):
    synsets = tmp_path / "synset_words.txt"
    synsets.write_text("0 cat a cat\n7 bee honey bee, Apis\n8 ant\n")
    dataset = open_images(folder, name="d", synsets=synsets)
    assert dataset.classes == ("a cat", *[""] * 6, "honey bee, Apis")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [8, 8, 7, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ant 0 x\n", r"words\.txt: line 1: found 'ant 0 x'; expected 'index folder"),
        ("0 ant\n1 ant\n", r"line 2: class 'ant' comes twice"),
        ("0 ant\n0 bee\n", "an index comes twice"),
        ("0 ant\n", "class folder 'bee' is not in"),
    ],
)
def test_a_wrong_list_of_classes_is_refused(folder, tmp_path, text, message):
    synsets = tmp_path / "synset_words.txt"
    synsets.write_text(text)
    with pytest.raises(DataError, match=message):
        open_images(folder, name="d", synsets=synsets)


def test_images_without_class_folders_have_no_labels(folder):
    dataset = open_images(folder / "ant", name="d")
    assert dataset.labels is None
    assert dataset.ids == ("0.png", "1.png")


def test_images_beside_class_folders_are_refused(folder):
    Image.fromarray(pixels(0)).save(folder / "stray.png")
    with pytest.raises(DataError, match=r"beside class folders: 'stray\.png'"):
        open_images(folder, name="d")


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        open_images(tmp_path, name="d")


def test_an_absent_folder_is_missing(tmp_path):
    with pytest.raises(MissingError, match="no such folder"):
        open_images(tmp_path / "no", name="d")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_corrupt_jpeg_is_named(folder, damage):
    path = folder / "bee/1.jpg"
    data = path.read_bytes()
    path.write_bytes(
        {"truncated": data[: len(data) * 2 // 3], "text": b"no image", "empty": b""}[
            damage
        ]
    )
    dataset = open_images(folder, name="d")
    dataset.load(2)
    with pytest.raises(DataError) as caught:
        dataset.load(3)
    text = str(caught.value)
    assert text.startswith(f"{path}: bee/1.jpg: is no sound image: ")
    assert "\n" not in text
    assert text.count(str(path)) == 1


def test_grey_and_palette_images_become_rgb(tmp_path):
    grey = pixels(0)[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    dataset = open_images(tmp_path, name="d")
    np.testing.assert_array_equal(dataset.load(0), np.stack([grey] * 3, axis=2))


def test_sixteen_bit_images_are_refused_rather_than_clipped(tmp_path):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png: .*mode I;16"):
        open_images(tmp_path, name="d").load(0)


def test_too_many_pixels_are_refused_before_decoding(folder, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match="has 10x12 pixels; at most 100"):
        open_images(folder, name="d").load(0)


def test_the_digest_follows_the_bytes_of_the_files(folder):
    before = open_images(folder, name="d").digest()
    assert open_images(folder, name="other").digest() == before
    Image.fromarray(pixels(9)).save(folder / "ant/0.png")
    assert open_images(folder, name="d").digest() != before
