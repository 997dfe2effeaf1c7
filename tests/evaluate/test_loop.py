"""The loop counts as a person would, whatever the batch size."""

import numpy as np
import pytest

from emu.errors import DataError, UnsupportedError
from emu.evaluate.datasets import from_arrays
from emu.evaluate.loop import (
    ClassifyResult,
    ReconstructResult,
    Task,
    evaluate,
)
from emu.evaluate.preprocess import Preprocess

PLAIN = Preprocess()
# The sample is its own score array: 8 classes.
SCORES = np.random.default_rng(1).integers(0, 5, (37, 8)).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 8, 37)


def identity(x):
    return x


def classify(predict=identity, x=SCORES, labels=LABELS, **options):
    result = evaluate(predict, from_arrays(x, labels), preprocess=PLAIN, **options)
    assert isinstance(result, ClassifyResult)
    return result


@pytest.mark.parametrize("batch_size", [1, 5, 37, 100])
def test_counts_do_not_depend_on_the_batch_size(batch_size):
    result = classify(batch_size=batch_size)
    rankings = [sorted(range(8), key=lambda c: (-row[c], c)) for row in SCORES]
    pairs = list(zip(rankings, LABELS, strict=True))
    assert result.predictions.tolist() == [ranking[0] for ranking in rankings]
    top1 = sum(ranking[0] == label for ranking, label in pairs)
    top5 = sum(label in ranking[:5] for ranking, label in pairs)
    assert result.to_json() == {
        "n": 37,
        "top1_correct": top1,
        "top5_correct": top5,
        "top1": top1 / 37,
        "top5": top5 / 37,
    }


def test_every_sample_keeps_its_name_label_and_prediction():
    result = classify()
    assert result.ids == tuple(f"x[{i}]" for i in range(37))
    np.testing.assert_array_equal(result.labels, LABELS)
    assert result.predictions.dtype == np.int64


def test_a_label_offset_shifts_the_outputs():
    shifted = np.concatenate([np.full((37, 1), -1, np.float32), SCORES], axis=1)
    expected = classify()
    result = classify(x=shifted, label_offset=1)
    np.testing.assert_array_equal(result.predictions, expected.predictions)
    assert result.counts() == expected.counts()


def test_the_background_class_is_predicted_as_minus_one():
    scores = np.zeros((2, 4), np.float32)
    result = classify(x=scores, labels=np.array([0, 1]), label_offset=1)
    assert result.predictions.tolist() == [-1, -1]
    assert result.top1_correct == 0


@pytest.mark.parametrize("tail", [(1, 1), (1,)])
def test_scores_with_axes_of_one_are_scores(tail):
    result = classify(lambda x: x.reshape(*x.shape, *tail))
    assert result.counts() == classify().counts()


def test_scores_in_the_last_axis_are_scores():
    result = classify(lambda x: x.reshape(len(x), 1, 1, -1))
    assert result.counts() == classify().counts()


def test_progress_ends_with_all_samples():
    calls = []
    classify(batch_size=10, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(10, 37), (20, 37), (30, 37), (37, 37)]


@pytest.mark.parametrize(
    "output", [lambda x: x.reshape(len(x), 2, 4), lambda x: x[:1], lambda x: x[:, :0]]
)
def test_outputs_of_another_shape_are_refused(output):
    with pytest.raises(UnsupportedError, match="expected one score per class"):
        classify(output)


def test_a_label_beyond_the_outputs_is_refused_in_the_first_batch():
    labels = LABELS.copy()
    labels[36] = 8
    calls = []
    with pytest.raises(
        DataError, match=r"^x\[36\]: found label 8, but the model has 8"
    ):
        classify(labels=labels, batch_size=4, progress=lambda *call: calls.append(call))
    assert not calls


def test_an_output_that_is_nan_names_the_sample():
    def predict(x):
        return np.where(x == SCORES[12], np.nan, x) if (x == SCORES[12]).all() else x

    with pytest.raises(DataError, match=r"^x\[12\]: the model's output is NaN"):
        classify(predict, batch_size=1)


def test_data_without_labels_is_refused():
    with pytest.raises(DataError, match="has no labels"):
        evaluate(identity, from_arrays(SCORES), preprocess=PLAIN)


def test_windows_cannot_be_classified():
    windows = Preprocess.model_validate([{"op": "windows", "length": 2}])
    x = np.zeros((3, 4, 5), np.float32)
    with pytest.raises(UnsupportedError, match="9 rows of 3 samples"):
        evaluate(identity, from_arrays(x, np.zeros(3, int)), preprocess=windows)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_reconstruction_scores_are_mean_squared_errors_over_windows(batch_size):
    x = np.random.default_rng(3).normal(size=(6, 9, 4)).astype(np.float32)
    labels = np.array([0, 1, 0, 1, 1, 0])
    windows = Preprocess.model_validate([{"op": "windows", "length": 5}])
    result = evaluate(
        lambda rows: rows * np.float32(0.5),
        from_arrays(x, labels),
        preprocess=windows,
        task=Task.RECONSTRUCT,
        batch_size=batch_size,
    )
    assert isinstance(result, ReconstructResult)
    rows = np.stack([windows.apply(sample) for sample in x]).astype(np.float64)
    expected = ((rows / 2) ** 2).mean(axis=2).mean(axis=1)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-12)
    pairs = [(p, q) for p in expected[labels == 1] for q in expected[labels == 0]]
    numerator = sum(2 * (p > q) for p, q in pairs)
    assert result.to_json() == {
        "n": 6,
        "auc_numerator": numerator,
        "auc_denominator": 18,
        "auc": numerator / 18,
    }


def test_reconstruction_scores_are_the_same_bits_for_every_batch_size():
    x = np.random.default_rng(4).normal(size=(8, 3, 11)).astype(np.float32)

    def run(batch_size):
        result = evaluate(
            lambda rows: rows * np.float32(0.3),
            from_arrays(x, np.arange(8) % 2),
            preprocess=Preprocess.model_validate([{"op": "windows", "length": 1}]),
            task=Task.RECONSTRUCT,
            batch_size=batch_size,
        )
        assert isinstance(result, ReconstructResult)
        return result.scores

    np.testing.assert_array_equal(run(1), run(5))
    np.testing.assert_array_equal(run(1), run(100))


def test_a_reconstruction_must_have_the_shape_of_the_input():
    with pytest.raises(UnsupportedError, match="expected the shape of its input"):
        classify(lambda x: x[:, :3], task=Task.RECONSTRUCT)


def test_an_area_needs_both_classes():
    with pytest.raises(DataError, match="37 positive and 0 negative"):
        classify(labels=np.ones(37, int), task=Task.RECONSTRUCT)
