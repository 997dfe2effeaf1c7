"""From outputs to detections: names, classes, placements, and settings in a file."""

import typing

import numpy as np
import pytest

from emu.config import Config, read_toml
from emu.errors import ConfigError, UnsupportedError
from emu.evaluate.detect.boxes import Placement
from emu.evaluate.detect.decode import RAW_DECODERS, Decoder, detect, raw_boxes
from emu.evaluate.detect.final import FinalDetections
from emu.evaluate.detect.ssd import Ssd, SsdAnchors
from emu.evaluate.detect.yolox import Yolox

PLAIN = Placement(size=(32, 32), scale=(1.0, 1.0), offset=(0.0, 0.0))
YOLOX = Yolox(size=(32, 32), strides=(16,), score_threshold=0.1, iou_threshold=0.5)


class Entry(Config):
    decoder: Decoder


def yolox_output(n=1, classes=3):
    """Four boxes of 16 x 16 on a row or column; the classes have no score yet."""
    rows = np.zeros((n, 4, 5 + classes), np.float32)
    rows[..., :2] = 0.5
    rows[..., 4] = 1.0
    return rows


def test_detections_are_in_pixels_of_the_image_and_the_best_comes_first():
    rows = yolox_output(2)
    rows[0, 1, 5 + 2], rows[0, 3, 5 + 0] = 0.5, 0.75
    half = Placement(size=(64, 60), scale=(0.5, 0.5), offset=(0.0, 2.0))
    first, second = detect(YOLOX, {"out": rows}, [half, PLAIN])
    assert first.boxes.tolist() == [[28, 32, 60, 64], [28, 0, 60, 32]]
    assert first.scores.tolist() == [0.75, 0.5]
    assert first.classes.tolist() == [0, 2]
    assert first.classes.dtype == np.int64
    assert second.boxes.shape == (0, 4)


def test_settings_of_the_suppression_are_passed_on():
    rows = yolox_output()
    rows[0, :, 5:] = [[0.9, 0.8, 0], [0.7, 0, 0], [0.6, 0, 0], [0.05, 0, 0]]
    rows[0, 1, 0] = -0.5  # now where the first box is

    def scores(**settings):
        decoder = YOLOX.model_copy(update=settings)
        return [
            round(float(s), 2) for s in detect(decoder, {"o": rows}, [PLAIN])[0].scores
        ]

    assert scores() == [0.9, 0.8, 0.6]
    assert scores(class_wise=False) == [0.9, 0.6]
    assert scores(iou_threshold=1.0) == [0.9, 0.8, 0.7, 0.6]
    assert scores(score_threshold=0.0) == [0.9, 0.8, 0.6, 0.05]
    assert scores(max_boxes=2) == [0.9, 0.8]
    assert scores(max_candidates=1) == [0.9]


def test_absent_classes_are_dropped_and_the_others_close_up():
    rows = yolox_output(classes=5)
    rows[0, :, 5:] = np.eye(4, 5, k=1) * 0.5 + np.eye(4, 5) * 0.25
    decoder = YOLOX.model_copy(update={"absent": (0, 2)})
    (one,) = detect(decoder, {"out": rows}, [PLAIN])
    # Class 1 becomes 0, class 3 becomes 1, class 4 becomes 2.
    assert one.classes.tolist() == [0, 1, 2, 0, 1]
    assert one.scores.tolist() == [0.5, 0.5, 0.5, 0.25, 0.25]


def test_absent_classes_of_detections_in_the_graph_close_up_too():
    decoder = FinalDetections(size=(32, 32), absent=(1, 3))
    outputs = {
        "boxes": np.zeros((1, 4, 4), np.float32),
        "classes": np.array([[4, 3, 0, 2]], np.float32),
        "scores": np.array([[0.9, 0.8, 0.7, 0.6]], np.float32),
        "count": np.array([4], np.float32),
    }
    (one,) = detect(decoder, outputs, [PLAIN])
    assert one.classes.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(one.scores, outputs["scores"][0, [0, 2, 3]])
    two = decoder.model_copy(update={"max_boxes": 1})
    assert detect(two, outputs, [PLAIN])[0].classes.tolist() == [2]


def test_an_absent_class_that_the_model_lacks_is_refused():
    decoder = YOLOX.model_copy(update={"absent": (3,)})
    with pytest.raises(UnsupportedError, match=r"class 3 .* the model has 3 classes"):
        detect(decoder, {"out": yolox_output()}, [PLAIN])


def test_outputs_are_taken_by_name_whatever_their_order():
    decoder = Ssd(
        size=(32, 32), boxes="b", scores="a", anchors=SsdAnchors(strides=(32,))
    )
    scores, codes = np.full((1, 3, 2), 4, np.float32), np.zeros((1, 3, 4), np.float32)
    one = raw_boxes(decoder, {"a": scores, "b": codes})
    two = raw_boxes(decoder, {"b": codes, "x": scores, "a": scores})
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(one.scores, two.scores)
    with pytest.raises(UnsupportedError, match="no output 'b'; it has 'a', 'c'"):
        raw_boxes(decoder, {"a": scores, "c": codes})


def test_outputs_without_names_are_taken_in_their_order():
    values = {
        "z": np.zeros((1, 2, 4), np.float32),
        "y": np.array([[5, 6]], np.float32),
        "x": np.array([[0.9, 0.8]], np.float32),
        "w": np.array([2], np.float32),
    }
    decoder = FinalDetections(size=(32, 32))
    assert detect(decoder, values, [PLAIN])[0].classes.tolist() == [5, 6]
    named = decoder.model_copy(update={"names": ("z", "y", "x", "w")})
    turned = dict(sorted(values.items()))
    assert detect(named, turned, [PLAIN])[0].classes.tolist() == [5, 6]


@pytest.mark.parametrize("decoder", [YOLOX, FinalDetections(size=(32, 32))])
def test_too_many_outputs_without_names_are_refused(decoder):
    outputs = {name: yolox_output() for name in "abc"}
    with pytest.raises(UnsupportedError, match="the model has 3 outputs; expected"):
        detect(decoder, outputs, [PLAIN])


def test_a_batch_of_another_size_than_its_placements_is_refused():
    with pytest.raises(UnsupportedError, match="hold 2 images; expected 1"):
        detect(YOLOX, {"out": yolox_output(2)}, [PLAIN])


def test_a_box_that_is_not_finite_is_never_found():
    rows = yolox_output()
    rows[..., 5] = 0.9
    rows[0, 0, 2], rows[0, 1, 0], rows[0, 2, 5] = 1e4, np.nan, np.nan
    (one,) = detect(YOLOX, {"out": rows}, [PLAIN])
    assert one.boxes.tolist() == [[16, 16, 32, 32]]


def read(tmp_path, text):
    file = tmp_path / "entry.toml"
    file.write_text(text)
    return read_toml(file, Entry).decoder


def test_a_file_states_a_decoder(tmp_path):
    text = '[decoder]\nkind = "yolox"\nsize = [416, 416]\ntables = { exp_scale = 0.05 }'
    decoder = read(tmp_path, text)
    assert isinstance(decoder, Yolox)
    assert decoder.tables is not None
    assert decoder.tables.exp_scale == 0.05
    assert (decoder.max_candidates, decoder.max_boxes) == (3000, 300)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('kind = "yolo"', "'yolox', 'nanodet', 'ssd', 'retinanet', 'detections'"),
        ('kind = "yolox"\niou_treshold = 1', "did you mean 'iou_threshold'"),
        ('kind = "detections"\niou_threshold = 1', "unknown key"),
        ('kind = "yolox"\nscore_threshold = 2', "less than or equal to 1"),
        ('kind = "ssd"\nscores = "s"', "boxes: this key is required"),
    ],
)
def test_a_wrong_decoder_in_a_file_is_one_clear_line(tmp_path, line, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f"[decoder]\nsize = [416, 416]\n{line}")


def test_every_kind_is_decoded():
    union, _ = typing.get_args(Decoder)
    kinds = typing.get_args(union)
    assert {*RAW_DECODERS, FinalDetections} == set(kinds)
    names = [kind.model_fields["kind"].default for kind in kinds]
    assert names == ["yolox", "nanodet", "ssd", "retinanet", "detections"]
