"""emu eval of a detector: what odd annotations and images mean, and which are refused."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.detector import SIDE, write_detector


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A detector, its images and annotations, in the folder of the test."""
    write_detector(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def measured(emu):
    """What `emu eval --json` gives, with exit code 0."""

    def call(*arguments):
        found = emu("eval", "detector.toml", *arguments, "--json")
        assert (found.code, found.err) == (0, "")
        return found.json

    return call


@pytest.fixture
def annotate(folder):
    """Change the annotation file."""

    def change(function):
        file = folder / "annotations.json"
        data = json.loads(file.read_text())
        function(data)
        file.write_text(json.dumps(data))

    return change


def test_every_object_is_found(measured, folder):
    found = measured()
    assert (found["n"], found["objects"], found["map"]) == (5, 15, 1.0)
    assert "skipped" not in found


def test_a_category_that_the_model_lacks_is_refused(refused, annotate):
    annotate(lambda data: data["categories"].insert(0, {"id": 0, "name": "blue"}))
    line, error = refused("eval", "detector.toml")
    assert "annotations.json: images: has 3 categories and the model 2 classes" in line
    assert error["kind"] == "data"


def test_a_class_that_the_data_lacks_is_refused_until_it_is_said_to_be_absent(
    refused, measured, annotate, folder
):
    def without_green(data):
        data["categories"].pop()
        data["annotations"] = [a for a in data["annotations"] if a["category_id"] == 1]

    annotate(without_green)
    line, _ = refused("eval", "detector.toml")
    assert "has 1 categories and the model 2 classes" in line
    entry = folder / "detector.toml"
    entry.write_text(entry.read_text() + "absent = [1]\n")
    assert measured()["map"] == 1.0


@pytest.mark.parametrize(
    "bbox", [[100, 0, 8, 8], [-20, -20, 8, 8], [0, 0, 0, 8], [8, 8, 0, 0]]
)
def test_a_box_outside_the_image_or_without_area_is_an_object_that_is_missed(
    bbox, measured, annotate
):
    odd = {"id": 99, "image_id": 0, "category_id": 1, "bbox": bbox}
    annotate(lambda data: data["annotations"].append(odd))
    found = measured()
    assert found["objects"] == 16
    red, green = found["classes"]
    many = red["objects"]
    # All but one are found, all before any wrong one: precision 1 up to that recall.
    reached = np.linspace(0, 1, 101) <= (many - 1) / many
    assert red["ap50"] == pytest.approx(reached.mean())
    assert green["ap50"] == 1.0


def test_a_box_that_leaves_the_image_in_part_is_found_by_what_is_inside(
    measured, annotate
):
    def widen(data):
        for entry in data["annotations"]:
            if entry["bbox"][0] == 0:
                entry["bbox"] = [-2, entry["bbox"][1], 10, 8]

    annotate(widen)
    found = measured()
    # 8 of 10 columns lie inside: an overlap of 0.8 with what is found.
    assert found["map50"] == found["map75"] == 1.0
    assert found["map"] < 1.0


def test_an_image_of_another_size_than_annotated_is_refused(refused, folder):
    Image.new("RGB", (32, SIDE)).save(folder / "images" / "2.png")
    line, error = refused("eval", "detector.toml")
    assert "2.png: has 32x64 pixels; its annotation is for 64x64" in line
    assert error["kind"] == "data"


def test_a_grey_image_is_its_rgb_form(measured, folder):
    path = folder / "images" / "1.png"
    with Image.open(path) as image:
        grey = image.convert("L")
    grey.convert("RGB").save(path)
    expected = measured()
    assert expected["map"] < 1.0
    grey.save(path)
    assert measured() == expected


def test_a_cmyk_image_is_its_rgb_form(measured, folder):
    path = folder / "images" / "1.png"
    with Image.open(path) as image:
        image.convert("CMYK").save(path, "JPEG", quality=100)
    assert measured()["map"] == 1.0


def test_a_sixteen_bit_image_is_refused(refused, folder):
    deep = np.full((SIDE, SIDE), 40_000, np.uint16)
    Image.fromarray(deep).save(folder / "images" / "3.png")
    line, error = refused("eval", "detector.toml")
    assert "3.png: found pixels of mode I;16; expected 8-bit colour or grey" in line
    assert error["kind"] == "data"


def test_a_model_that_finds_nothing_has_precision_0(measured, folder):
    entry = folder / "detector.toml"
    entry.write_text(entry.read_text() + "score_threshold = 1.0\n")
    found = measured()
    assert (found["detections"], found["map"], found["ar100"]) == (0, 0.0, 0.0)


def test_data_without_any_object_has_no_precision(measured, emu, annotate):
    annotate(lambda data: data.update(annotations=[]))
    found = measured()
    assert (found["objects"], found["map"]) == (0, -1.0)
    shown = emu("eval", "detector.toml").out.splitlines()
    (figures,) = [line for line in shown if line.lstrip().startswith("- ")]
    assert figures.split() == ["-"] * 9


def test_annotations_that_name_no_image_are_refused(refused, annotate):
    annotate(lambda data: data["images"][2].update(file_name="gone.png"))
    line, error = refused("eval", "detector.toml")
    assert "images[2]: the image 'gone.png' does not exist" in line
    assert error["kind"] == "missing"


def test_compare_names_the_level_of_every_head(emu, folder):
    arguments = ("compare", "detector.toml", "--target", "generic-int8")
    found = emu(*arguments, "--json").json
    for mode in ("layers", "isolated"):
        levels = {row["name"]: row["level"] for row in found[mode]}
        assert [levels[f"head{n}"] for n in (3, 4, 5)] == ["P3", "P4", "P5"]
        assert levels["concat"] == "P3+P4+P5"
    shown = emu(*arguments).out
    assert "level: cells of Pn stand for 2**n x 2**n pixels of the input" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("head4")]
    assert line.split()[1:3] == ["Conv2d", "P4"]


def test_compare_of_a_classifier_has_no_levels(emu, tiny, tiny_program):
    arguments = ("compare", tiny_program, "--data", tiny[1])
    assert "level" not in emu(*arguments, "--json").json["layers"][0]
    assert "level" not in emu(*arguments).out
