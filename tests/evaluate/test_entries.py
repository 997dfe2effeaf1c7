"""Entries: found by name, checked strictly, errors of one line that say what to do."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emu.errors import ConfigError, DataError, EmuError, MissingError
from emu.evaluate.entries import (
    ModelEntry,
    dataset_names,
    find_dataset,
    find_model,
    load_dataset_entry,
    load_model_entry,
    model_names,
)
from emu.evaluate.loop import Task
from emu.evaluate.selection import split_reference

SUITES = Path(__file__).parents[2] / "suites"
MODELS = sorted((SUITES / "models").glob("*.toml"))
DATASETS = sorted((SUITES / "datasets").glob("*.toml"))


@pytest.fixture
def suites(tmp_path, monkeypatch):
    """A working folder with its own suites; returns a function that writes an entry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMU_DATA", raising=False)

    def write(name, text):
        path = tmp_path / "suites" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def arrays(tmp_path):
    x = np.arange(60, dtype=np.uint8).reshape(20, 3)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 4)
    return tmp_path / "a.npz"


def test_a_model_is_found_by_name_from_a_folder_below(suites, tmp_path, monkeypatch):
    (tmp_path / "m.onnx").write_bytes(b"")
    suites("models/tiny.v1", 'file = "../../m.onnx"\ntask = "reconstruct"')
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    entry = find_model("tiny.v1")
    assert entry.name == "tiny.v1"
    assert entry.file == tmp_path / "m.onnx"
    assert entry.task is Task.RECONSTRUCT


def test_a_bare_model_file_has_no_preprocessing(tmp_path):
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    assert find_model(str(file)) == ModelEntry(name="net", file=file)
    with pytest.raises(MissingError, match="no such file"):
        find_model(str(tmp_path / "other.emu"))


def test_an_unknown_name_suggests_the_nearest(suites):
    with pytest.raises(MissingError, match=r"no model 'resnet9'.*'resnet8'"):
        find_model("resnet9")
    with pytest.raises(MissingError, match=r"no dataset 'kws02'.*'kws01'"):
        find_dataset("kws02[0:10]")


@pytest.mark.parametrize("ref", ["../x", "a/b", "..", "", "a\n"])
def test_a_name_never_leaves_the_suites(suites, ref):
    with pytest.raises((MissingError, ConfigError)):
        find_model(ref)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('file = "m.onnx"\nlabel_ofset = 1', ["label_ofset", "'label_offset'"]),
        ("label_offset = 1", ["file", "required"]),
        ('file = "m.onnx"\ntask = "segment"', ["task", "classify"]),
        ('file = "m.onnx"\nlabel_offset = -1', ["label_offset", "-1"]),
        (
            'file = "m.onnx"\npreprocess = [{ op = "resize", size = [2, 2], filtr = 1 }]',
            ["preprocess", "filtr", "'filter'"],
        ),
        ('file = "m.onnx"\npreprocess = [{ op = "rezise" }]', ["rezise", "resize"]),
        (
            'file = "m"\npreprocess = [{op = "layout", to = "NHWC"}, {op = "scale"}]',
            ["scale must come before layout"],
        ),
        ('file = "m.onnx"\ndata = "kws01[::x]"', ["data", "[::x]"]),
        ('file = "m.onnx', ["TOML"]),
        ('file = "$HOME/m.onnx"', ["file", "EMU_DATA"]),
        ('file = "${HOME}/m.onnx"', ["file", "${HOME}", "EMU_DATA"]),
    ],
)
def test_a_wrong_entry_is_one_line_with_file_and_key(suites, text, parts):
    path = suites("models/wrong", text)
    with pytest.raises(ConfigError) as caught:
        find_model("wrong")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_an_unset_emu_data_says_what_it_is(suites):
    path = suites("models/m", 'file = "${EMU_DATA}/models/m.onnx"')
    with pytest.raises(MissingError) as caught:
        find_model("m")
    assert str(caught.value) == (
        f"{path}: file: needs EMU_DATA (the folder of the measuring data); "
        "it is not set"
    )


def test_emu_data_is_put_in_place(suites, tmp_path, monkeypatch, arrays):
    monkeypatch.setenv("EMU_DATA", str(tmp_path))
    suites("datasets/a", 'kind = "npz"\npath = "${EMU_DATA}/a.npz"')
    assert len(find_dataset("a")) == 20
    arrays.unlink()
    with pytest.raises(MissingError, match=r"a\.npz: there is no such file"):
        find_dataset("a")


def test_an_absent_model_file_names_entry_and_file(suites, tmp_path):
    suites("models/m", 'file = "gone.onnx"')
    with pytest.raises(
        MissingError, match=r"m\.toml: file: .*gone\.onnx does not exist"
    ):
        find_model("m")


def test_a_dataset_reference_selects_after_the_subset(suites, arrays):
    suites("datasets/a", 'kind = "npz"\npath = "../../a.npz"\nsubset = "[::2]"')
    dataset = find_dataset("a[!0:2][0:3]")
    assert dataset.ids == ("x[4]", "x[6]", "x[8]")
    assert dataset.name == "a[::2][!0:2][0:3]"


def test_arrays_may_have_other_names(suites, tmp_path):
    np.savez(tmp_path / "b.npz", images=np.zeros((3, 2), np.uint8), y=np.zeros(3, int))
    suites("datasets/b", 'kind = "npz"\npath = "../../b.npz"\nx = "images"')
    assert find_dataset("b").labels is not None


def test_an_npz_path_and_a_folder_are_datasets(arrays, tmp_path):
    assert len(find_dataset(f"{arrays}[0:5]")) == 5
    for name in ("c0", "c1"):
        (tmp_path / "pics" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "pics" / name / "i.png")
    labels = find_dataset(str(tmp_path / "pics")).labels
    assert labels is not None
    assert labels.tolist() == [0, 1]
    (tmp_path / "pics/synset_words.txt").write_text("3 c1 one\n5 c0 nought\n")
    labels = find_dataset(str(tmp_path / "pics")).labels
    assert labels is not None
    assert labels.tolist() == [5, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "npz"\npath = "a.npz"\nsynsets = "s.txt"', "synsets means nothing"),
        ('kind = "images"\npath = "a"\nx = "x"', "x means nothing"),
        ('kind = "zip"\npath = "a"', "kind"),
        ('kind = "npz"\npath = "a.npz"\nsubset = "::2"', "subset"),
    ],
)
def test_a_dataset_entry_with_a_meaningless_key_is_refused(suites, text, message):
    path = suites("datasets/wrong", text)
    with pytest.raises(ConfigError, match=message):
        load_dataset_entry(path)


def test_a_selection_beyond_the_data_names_the_dataset(suites, arrays):
    with pytest.raises(
        DataError, match="position 21, but there are 20 samples"
    ) as caught:
        find_dataset(f"{arrays}[0:21]")
    assert str(arrays) in str(caught.value)


QUANTIZED_ONNX = {
    "squeezenet_ort_int8",
    "kws_w3a3",
    "nanodet_m_ort_int8",
    "yolox_nano_ort_int8",
}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_entry_is_sound_and_names_known_datasets(path, monkeypatch):
    monkeypatch.setenv("EMU_DATA", "/data")
    entry = load_model_entry(path)
    known = {dataset.stem for dataset in DATASETS}
    assert entry.name == path.stem
    assert entry.data is not None
    assert split_reference(entry.data)[0] in known
    assert entry.data != entry.calibration
    # What is quantized already is not calibrated.
    if entry.file.suffix == ".tflite" or path.stem in QUANTIZED_ONNX:
        assert entry.calibration is None
    else:
        assert entry.calibration is not None
        assert split_reference(entry.calibration)[0] in known


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.stem)
def test_every_dataset_entry_is_sound(path, monkeypatch):
    monkeypatch.setenv("EMU_DATA", "/data")
    assert load_dataset_entry(path).path.is_absolute()


def test_the_entries_are_listed_by_name():
    assert {"resnet8", "mobilenet_v1_0.25", "digits"} <= set(model_names())
    assert {"cifar10_ic01", "imagenet_sample", "digits_test"} <= set(dataset_names())


def test_errors_are_emu_errors_for_odd_references(tmp_path):
    for ref in ("", "[", "a[::]b", "a" * 5000, "x\0y", str(tmp_path / "no.toml")):
        with pytest.raises(EmuError):
            find_dataset(ref)
