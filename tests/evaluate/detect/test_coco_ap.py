"""COCO's numbers are those of pycocotools on the official files, to the last digit."""

import io
import json
import os
from contextlib import redirect_stdout
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from emu.errors import DataError
from emu.evaluate.detect.coco import open_coco
from emu.evaluate.detect.coco_ap import CocoAp, coco_ap, written_boxes
from tests.evaluate.detect.scenes import (
    CATEGORIES,
    NOTHING,
    annotations,
    detections,
    objects,
    perturbed,
)

UNDEFINED = (-1.0,) * 12
BOX = [10, 10, 60, 60]


def official(file, data, found):
    """The numbers of pycocotools, from the annotation file and a file of results."""
    image_ids = sorted(image["id"] for image in json.loads(file.read_text())["images"])
    results = [
        {
            "image_id": image_id,
            "category_id": data.categories[klass].id,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "score": score,
        }
        for image_id, image in zip(image_ids, found, strict=True)
        for (x0, y0, x1, y1), klass, score in zip(
            image.boxes.tolist(),
            image.classes.tolist(),
            image.scores.tolist(),
            strict=True,
        )
    ]
    out = file.with_name("results.json")
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        out.write_text(json.dumps(results))
        evaluation = COCOeval(truth, truth.loadRes(str(out)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(evaluation.stats.tolist()), evaluation.eval["precision"]


def opened(tmp_path, data):
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(data))
    for image in data["images"]:
        (tmp_path / image["file_name"]).touch()
    return file, open_coco(file, tmp_path, name="d")


@pytest.mark.parametrize("seed", range(5))
def test_the_numbers_are_those_of_the_official_files(tmp_path, seed, capsys):
    file, data = opened(tmp_path, annotations(seed))
    assert data.objects is not None
    assert any(image.crowd.any() for image in data.objects)
    found = list(perturbed(data.objects, 5, seed, noise=0.02 * (seed + 1)))
    found[seed] = NOTHING
    ap, table = coco_ap(data.objects, found, data.categories)
    stats, precision = official(file, data, found)
    assert astuple(ap) == stats
    assert min(stats) > 0
    each = [mean_of(precision[:, :, k, 0, -1]) for k in range(6)]
    np.testing.assert_allclose(table["ap"], each, rtol=1e-14)
    each = [mean_of(precision[:1, :, k, 0, -1]) for k in range(6)]
    np.testing.assert_allclose(table["ap50"], each, rtol=1e-14)
    assert capsys.readouterr().out == ""


def mean_of(values):
    known = values[values > -1]
    return known.mean() if known.size else -1


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("EMU_DATA"), reason="EMU_DATA is not set")
def test_the_numbers_on_coco_are_those_of_the_official_file(tmp_path):
    root = Path(os.environ["EMU_DATA"]) / "datasets" / "coco_val128"
    source = root / "annotations" / "instances_val128.json"
    data = open_coco(source, root / "images", name="coco")
    assert data.objects is not None
    found = perturbed(data.objects, 80, 0, noise=0.08)
    ap, table = coco_ap(data.objects, found, data.categories)
    file = tmp_path / "instances.json"
    file.write_bytes(source.read_bytes())
    stats, _ = official(file, data, found)
    assert astuple(ap) == stats
    assert 0.1 < ap.ap < ap.ap50 < 1
    assert sum(table["objects"].tolist()) == 898


def test_what_is_found_exactly_has_one_everywhere():
    boxes = [[0, 0, 20, 20], [100, 100, 150, 150], [200, 100, 400, 300]]
    found = detections(boxes, [0.9, 0.8, 0.7], [0, 1, 1])
    ap, table = coco_ap((objects(boxes, [0, 1, 1]),), (found,), CATEGORIES)
    whole = {**dict.fromkeys(CocoAp.__dataclass_fields__, 1.0), "ar1": 0.75}
    assert asdict(ap) == pytest.approx(whole)
    assert table["name"].tolist() == ["class 0", "class 1", "class 2"]
    assert table["objects"].tolist() == [1, 2, 0]
    assert table["ap"].tolist() == pytest.approx([1, 1, -1])
    assert table["ap50"].tolist() == pytest.approx([1, 1, -1])


def test_nothing_detected_is_zero_where_there_are_objects():
    ap, table = coco_ap((objects([BOX]),) * 2, (NOTHING,) * 2, CATEGORIES)
    assert ap.ap == ap.ap50 == ap.ap_medium == ap.ar100 == 0
    assert ap.ap_small == ap.ap_large == -1
    assert table["ap"].tolist() == [0, -1, -1]


def test_nothing_detected_in_one_image_misses_its_objects():
    one = detections([BOX], [0.5])
    ap, _ = coco_ap((objects([BOX]),) * 2, (one, NOTHING), CATEGORIES)
    assert ap.ar100 == 0.5
    assert ap.ap == pytest.approx(51 / 101)


@pytest.mark.parametrize("found", [NOTHING, detections([BOX], [0.5])])
def test_without_objects_nothing_is_defined(found):
    ap, table = coco_ap((objects([]),), (found,), CATEGORIES)
    assert astuple(ap) == UNDEFINED
    assert table["objects"].tolist() == [0, 0, 0]
    ap, table = coco_ap((objects([]),), (NOTHING,), ())
    assert astuple(ap) == UNDEFINED
    assert len(table) == 0


def test_a_crowd_takes_any_number_of_detections_and_is_no_object():
    image = objects([BOX, [100, 100, 300, 300]], crowd=[False, True])
    inside = [[100, 100, 150, 150], [200, 200, 300, 300]]
    found = detections([*inside, BOX], [0.9, 0.8, 0.7])
    ap, table = coco_ap((image,), (found,), CATEGORIES)
    assert ap.ap == pytest.approx(1)
    assert table["objects"].tolist() == [1, 0, 0]


def test_an_object_outside_its_image_or_without_area_is_missed():
    outside = objects([BOX, [-50, -50, -20, -20], [5, 5, 5, 5]])
    ap, table = coco_ap((outside,), (detections([BOX], [0.5]),), CATEGORIES)
    assert table["objects"].tolist() == [3, 0, 0]
    assert ap.ar100 == pytest.approx(1 / 3)


def test_equal_scores_rank_by_image_then_by_their_order():
    image, good, bad = objects([BOX]), BOX, [300, 300, 350, 350]
    first = detections([good, bad], [0.5, 0.5])
    last = detections([bad, good], [0.5, 0.5])
    assert ap_of((image,), (first,)) == pytest.approx(1)
    assert ap_of((image,), (last,)) == pytest.approx(0.5)
    pair = (objects([BOX]), objects([]))
    right, wrong = detections([good], [0.5]), detections([bad], [0.5])
    assert ap_of(pair, (right, wrong)) == pytest.approx(1)
    assert ap_of(pair[::-1], (wrong, right)) == pytest.approx(0.5)


def ap_of(truth, found):
    return coco_ap(truth, found, CATEGORIES)[0].ap


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((), "found the objects of 1 images and the detections in 0"),
        ((detections([BOX], [0.5], [3]),), "image 0: found class 3; there are 3"),
        ((detections([BOX], [0.5], [-1]),), "image 0: found class -1; there are 3"),
        ((detections([BOX], [np.nan]),), "image 0: found a detection whose box or sc"),
        ((detections([[0, 0, np.inf, 1]], [1]),), "image 0: found a detection whose"),
    ],
)
def test_what_does_not_fit_together_is_refused(found, message):
    with pytest.raises(DataError, match=message):
        coco_ap((objects([BOX]),), found, CATEGORIES)


CENTS = st.integers(0, 500_000)


@given(st.lists(st.tuples(CENTS, CENTS, CENTS, CENTS), max_size=5))
def test_boxes_of_two_decimals_come_back_as_they_were_written(rows):
    written = np.array(rows, np.float64).reshape(-1, 4) / 100
    corners = np.hstack([written[:, :2], written[:, :2] + written[:, 2:]])
    np.testing.assert_array_equal(written_boxes(corners), written)


@given(st.lists(st.floats(0, 1000), min_size=4, max_size=4))
def test_other_boxes_keep_their_corners(row):
    x, y, width, height = row
    corners = np.array([[x, y, x + width, y + height]])
    back = written_boxes(corners)
    np.testing.assert_allclose(back, [row], rtol=0, atol=1e-6)
    np.testing.assert_allclose(back[:, :2] + back[:, 2:], corners[:, 2:], rtol=3e-16)
