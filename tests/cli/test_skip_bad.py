"""emu eval --skip-bad: what cannot be read is left out, counted and named."""

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.detector import write_detector


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """A detector whose images 1 and 3 cannot be read; the folder of its images."""
    write_detector(tmp_path)
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "images"
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:100])
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(images / "3.png")
    return images


@pytest.fixture
def classifier(tmp_path, make_model, monkeypatch):
    """An entry with two folders of three images each; a corrupt one in each."""
    monkeypatch.chdir(tmp_path)
    onnx.save(make_model(channels=3), tmp_path / "rgb.onnx")
    rng = np.random.default_rng(3)
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{number}.png")
    (tmp_path / "entry.toml").write_text(
        'file = "rgb.onnx"\npreprocess = [{ op = "layout", to = "NCHW" }]\n'
        'data = "./images"\n'
    )
    for name in ("cat/2.png", "dog/0.png"):
        (tmp_path / "images" / name).write_bytes(b"no image")
    return tmp_path / "images"


def test_without_it_the_first_bad_image_ends_the_run(refused, detector):
    line, error = refused("eval", "detector.toml")
    assert "1.png: is no sound image" in line
    assert error["where"] == "1.png"


@pytest.mark.parametrize("engine", [(), ("--engine", "onnxruntime")])
def test_a_detector_is_measured_on_the_images_that_can_be_read(engine, emu, detector):
    found = emu("eval", "detector.toml", *engine, "--skip-bad", "--json")
    assert found.code == 0
    said = found.json
    # The objects of the bad images are not counted as missed.
    assert (said["n"], said["objects"], said["map"]) == (3, 9, 1.0)
    assert [one["name"] for one in said["skipped"]] == ["1.png", "3.png"]
    assert "is no sound image" in said["skipped"][0]["reason"]
    assert "mode I;16" in said["skipped"][1]["reason"]


def test_people_see_how_many_and_which(emu, detector):
    shown = emu("eval", "detector.toml", "--skip-bad")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    first = lines.index("2 bad samples skipped:")
    assert lines[first + 1].startswith("  1.png: is no sound image")
    assert lines[first + 2].startswith("  3.png: found pixels of mode I;16")


def test_an_image_of_another_size_than_annotated_is_a_bad_one(emu, detector):
    Image.new("RGB", (8, 8)).save(detector / "1.png")
    said = emu("eval", "detector.toml", "--skip-bad", "--json").json
    assert "its annotation is for 64x64" in said["skipped"][0]["reason"]


def test_labels_of_a_folder_of_images_stay_with_their_images(emu, classifier):
    said = emu("eval", "entry.toml", "--skip-bad", "--json").json
    assert [one["name"] for one in said["skipped"]] == ["cat/2.png", "dog/0.png"]
    for one in said["skipped"]:
        (classifier / one["name"]).unlink()
    clean = emu("eval", "entry.toml", "--skip-bad", "--json").json
    assert clean == {**said, "skipped": []}
    assert clean["n"] == 4


def test_sound_data_is_said_to_be_sound(emu, detector):
    arguments = ("eval", "detector.toml", "--data", "images.toml[::2]", "--skip-bad")
    assert "0 bad samples skipped\n" in emu(*arguments).out


def test_nothing_but_bad_images_cannot_be_measured(refused, detector):
    arguments = ("--data", "images.toml[1::2]", "--skip-bad")
    line, error = refused("eval", "detector.toml", *arguments)
    assert "none of 2 samples can be read: 1.png: is no sound image" in line
    assert error["kind"] == "data"
