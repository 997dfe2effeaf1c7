"""The evaluation loop: a dataset through a model, every sample's outcome kept."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from emu.errors import DataError, UnsupportedError
from emu.evaluate.batches import Batch, batches, require_no_nan
from emu.evaluate.datasets import Dataset
from emu.evaluate.metrics import AucCounts, auc, top_class, topk_hits
from emu.evaluate.preprocess import Preprocess
from emu.evaluate.task import Task
from emu.recall import Arrays, Recall, compute_anew

Predict = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassifyResult:
    """Top-1 and Top-5 of a dataset.

    Fields:
        ids, labels: of the samples, in order.
        predictions: class of the highest score after the label offset; -1 and below
            are outputs before the first class (background).
        top5_hits: whether the label is among the five highest scores (of as many
            scores as there are, if fewer).
    """

    task: ClassVar[Task] = Task.CLASSIFY
    metric: ClassVar[str] = "Top-1"
    ids: tuple[str, ...]
    labels: Int64[np.ndarray, " n"]
    predictions: Int64[np.ndarray, " n"]
    top5_hits: Bool[np.ndarray, " n"]

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.ids)

    @property
    def top1_correct(self) -> int:
        """Samples whose prediction is their label."""
        return int(np.count_nonzero(self.predictions == self.labels))

    @property
    def top5_correct(self) -> int:
        """Samples whose label is among the five highest scores."""
        return int(np.count_nonzero(self.top5_hits))

    @property
    def exact(self) -> Fraction:
        """The metric, 0 to 1."""
        return Fraction(self.top1_correct, self.n)

    @property
    def score(self) -> float:
        """The metric, 0 to 1."""
        return self.top1

    @property
    def top1(self) -> float:
        """Share of samples, 0 to 1."""
        return self.top1_correct / self.n

    @property
    def top5(self) -> float:
        """Share of samples, 0 to 1."""
        return self.top5_correct / self.n

    def counts(self) -> dict[str, int]:
        """Return whole numbers that a baseline stores."""
        return {
            "n": self.n,
            "top1_correct": self.top1_correct,
            "top5_correct": self.top5_correct,
        }

    def to_json(self) -> dict[str, int | float]:
        """Return the stable names of `emu eval --json`; shares are 0 to 1."""
        return {**self.counts(), "top1": self.top1, "top5": self.top5}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReconstructResult:
    """Area under the ROC curve of a dataset.

    Fields:
        ids, labels: of the samples, in order; label 1 is an anomaly.
        scores: mean squared difference between output and input, over all rows.
        auc_counts: the pairs that the scores order rightly.
    """

    task: ClassVar[Task] = Task.RECONSTRUCT
    metric: ClassVar[str] = "AUC"
    ids: tuple[str, ...]
    labels: Int64[np.ndarray, " n"]
    scores: Float64[np.ndarray, " n"]
    auc_counts: AucCounts

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.ids)

    @property
    def exact(self) -> Fraction:
        """The metric, 0 to 1."""
        return Fraction(self.auc_counts.numerator, self.auc_counts.denominator)

    @property
    def score(self) -> float:
        """The metric, 0 to 1."""
        return self.auc

    @property
    def auc(self) -> float:
        """Area under the ROC curve, 0 to 1."""
        return self.auc_counts.auc

    def counts(self) -> dict[str, int]:
        """Return whole numbers that a baseline stores."""
        return {
            "n": self.n,
            "auc_numerator": self.auc_counts.numerator,
            "auc_denominator": self.auc_counts.denominator,
        }

    def to_json(self) -> dict[str, int | float]:
        """Return the stable names of `emu eval --json`."""
        return {**self.counts(), "auc": self.auc}


RowResult = ClassifyResult | ReconstructResult


def evaluate(
    predict: Predict,
    dataset: Dataset,
    *,
    preprocess: Preprocess,
    label_offset: int = 0,
    task: Task = Task.CLASSIFY,
    batch_size: int = 32,
    progress: Progress | None = None,
    workers: int = 2,
    recall: Recall = compute_anew,
) -> RowResult:
    """Run every sample through `predict` and count what is right.

    Arguments:
        predict: from float32 rows [b, ...] with b <= batch_size (only the last batch is
            short) to outputs [b, ...]: scores [b, classes], or [b, classes, 1, 1].
        dataset: with labels.
        preprocess: from raw samples to rows.
        label_offset: outputs before class 0; 1 for models with a background class.
        task: what the outputs mean.
        batch_size: rows per call.
        progress: called with (finished samples, all samples) after each batch.
        workers: threads that decode and prepare.
        recall: gives what an earlier, interrupted run found for a batch.

    Raises:
        DataError: no labels, a label beyond the outputs, an unreadable sample, or an
            output that is NaN; names the sample.
        UnsupportedError: the outputs have another shape than the task needs.
    """
    _require_labels(dataset)
    collect = _COLLECTORS[task]
    parts: list[Arrays] = []

    def run(batch: Batch) -> Arrays:
        output = np.asarray(predict(batch.x))
        require_no_nan(output, batch.index, dataset)
        return collect(output, batch, dataset, label_offset)

    for number, batch in enumerate(batches(dataset, preprocess, batch_size, workers)):
        found = recall(number, partial(run, batch))
        parts.append({**found, "index": batch.index})
        if progress is not None:
            progress(int(batch.index[-1]) + 1, len(dataset))
    columns = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    return _FINISHERS[task](dataset, **columns)


def _collect_classes(
    output: Shaped[np.ndarray, "..."],
    batch: Batch,
    dataset: Dataset,
    label_offset: int,
) -> Arrays:
    """Return predictions (int64 [b]) and Top-5 hits (bool [b]) of each row."""
    b = len(batch.x)
    classes = output.size // b
    if output.shape[:1] != (b,) or max(output.shape[1:], default=0) != max(classes, 1):
        raise UnsupportedError(
            f"the model's output has shape {list(output.shape)} for {b} samples; "
            "expected one score per class: [b, classes]"
        )
    scores = output.reshape(b, classes)
    labels = _require_labels(dataset)
    # All labels at once: a wrong label is reported before the long run, not after.
    if labels.max() + label_offset >= classes:
        bad = int(np.argmax(labels))
        raise DataError(
            f"found label {labels[bad]}, but the model has {classes} outputs and "
            f"label offset {label_offset}",
            file=dataset.file,
            where=dataset.ids[bad],
        )
    target = labels[batch.index] + label_offset
    return {
        "predictions": top_class(scores) - label_offset,
        "top5_hits": topk_hits(scores, target, 5),
    }


def _finish_classes(
    dataset: Dataset,
    index: Int64[np.ndarray, " rows"],
    predictions: Int64[np.ndarray, " rows"],
    top5_hits: Bool[np.ndarray, " rows"],
) -> ClassifyResult:
    if len(index) != len(dataset):
        raise UnsupportedError(
            f"preprocessing makes {len(index)} rows of {len(dataset)} samples; "
            "classification needs one row per sample"
        )
    return ClassifyResult(
        ids=dataset.ids,
        labels=_require_labels(dataset),
        predictions=predictions,
        top5_hits=top5_hits,
    )


def _collect_errors(
    output: Shaped[np.ndarray, "..."],
    batch: Batch,
    dataset: Dataset,
    label_offset: int,
) -> Arrays:
    """Return the mean squared difference (float64 [b]) of each row."""
    del dataset, label_offset
    if output.shape != batch.x.shape:
        raise UnsupportedError(
            f"the model's output has shape {list(output.shape)}; expected the shape "
            f"of its input, {list(batch.x.shape)}"
        )
    difference = output.astype(np.float64) - batch.x.astype(np.float64)
    return {"errors": np.mean(difference**2, axis=tuple(range(1, difference.ndim)))}


def _finish_errors(
    dataset: Dataset,
    index: Int64[np.ndarray, " rows"],
    errors: Float64[np.ndarray, " rows"],
) -> ReconstructResult:
    labels = _require_labels(dataset)
    # bincount adds in the order of the rows, so the batch size changes no bit.
    scores = np.bincount(index, errors, len(dataset)) / np.bincount(index)
    try:
        auc_counts = auc(scores, labels > 0)
    except DataError as error:
        raise DataError(error.message, file=dataset.file, where=dataset.name) from error
    return ReconstructResult(
        ids=dataset.ids, labels=labels, scores=scores, auc_counts=auc_counts
    )


_COLLECTORS: Final[MappingProxyType[Task, Callable[..., Arrays]]] = MappingProxyType(
    {Task.CLASSIFY: _collect_classes, Task.RECONSTRUCT: _collect_errors}
)
_FINISHERS: Final[MappingProxyType[Task, Callable[..., RowResult]]] = MappingProxyType(
    {Task.CLASSIFY: _finish_classes, Task.RECONSTRUCT: _finish_errors}
)


def _require_labels(dataset: Dataset) -> Int64[np.ndarray, " n"]:
    if dataset.labels is None:
        raise DataError(
            "has no labels, so nothing can be counted",
            file=dataset.file,
            where=dataset.name,
        )
    return dataset.labels
