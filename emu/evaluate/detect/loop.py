"""The evaluation loop of detectors: images through a model and its decoder."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Int64

from emu.errors import DataError
from emu.evaluate.batches import Batch, batches, require_no_nan
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.boxes import Detections, Objects
from emu.evaluate.detect.decode import Decoder, class_count, detect
from emu.evaluate.detect.result import DetectResult
from emu.evaluate.preprocess import Preprocess
from emu.recall import Arrays, Recall, compute_anew

# From float32 rows to all outputs of the model, by name.
PredictAll = Callable[[np.ndarray], Mapping[str, np.ndarray]]
Progress = Callable[[int, int], None]


def evaluate_detector(
    predict: PredictAll,
    dataset: Dataset,
    *,
    preprocess: Preprocess,
    decoder: Decoder,
    batch_size: int = 32,
    progress: Progress | None = None,
    workers: int = 2,
    recall: Recall = compute_anew,
) -> DetectResult:
    """Run every image through `predict` and its decoder.

    Arguments:
        predict: from float32 rows [b, ...] with b <= batch_size to outputs [b, ...].
        dataset: with objects.
        preprocess: from images to rows, one row each.
        decoder: what the outputs mean.
        batch_size: rows per call.
        progress: called with (finished images, all images) after each batch.
        workers: threads that decode and prepare.
        recall: gives what an earlier, interrupted run found for a batch.

    Raises:
        DataError: no annotated objects, an unreadable image, or an output that is NaN;
            names the image. Or the data has more or fewer categories than the model
            has classes.
        UnsupportedError: the outputs have other names or shapes than the decoder's.
    """
    objects = require_objects(dataset)
    found: list[Detections] = []

    def run(batch: Batch) -> Arrays:
        outputs = predict(batch.x)
        if not found:
            _require_as_many_classes(class_count(decoder, outputs), dataset)
        for name, output in outputs.items():
            require_no_nan(output, batch.index, dataset, name)
        sizes = [objects[int(i)].size for i in batch.index]
        placements = [preprocess.placement(*size) for size in sizes]
        # A short last batch is filled up, so that nothing is compiled for its size.
        missing = batch_size - len(sizes) if found else 0
        full = {name: _filled(x, missing) for name, x in outputs.items()}
        filled = detect(decoder, full, placements + placements[:1] * missing)
        _require_known_classes(filled, batch.index, dataset)
        return _joined(filled[: len(sizes)])

    for number, batch in enumerate(batches(dataset, preprocess, batch_size, workers)):
        found += _apart(recall(number, partial(run, batch)))
        if progress is not None:
            progress(len(found), len(dataset))
    return DetectResult(
        ids=dataset.ids,
        objects=objects,
        detections=tuple(found),
        categories=dataset.categories,
    )


def require_objects(dataset: Dataset) -> tuple[Objects, ...]:
    """The annotated objects of each image; DataError for data without them."""
    if dataset.objects is None:
        raise DataError(
            "has no annotated objects, so no average precision can be computed",
            file=dataset.file,
            where=dataset.name,
        )
    return dataset.objects


def _require_as_many_classes(classes: int | None, dataset: Dataset) -> None:
    """Refuse a model that lacks a category, or has one more: all others would shift."""
    categories = len(dataset.categories)
    if classes not in (None, categories):
        raise DataError(
            f"has {categories} categories and the model {classes} classes; expected as "
            "many, class i being the i-th category by its id (a decoder's `absent` "
            "names classes that the data lacks)",
            file=dataset.file,
            where=dataset.name,
        )


def _require_known_classes(
    found: Sequence[Detections], index: Int64[np.ndarray, " b"], dataset: Dataset
) -> None:
    """Refuse, with the batch, a decoder whose classes are not those of the data."""
    categories = len(dataset.categories)
    for position, one in zip(index, found, strict=False):
        most = int(one.classes.max(initial=-1))
        if most >= categories:
            raise DataError(
                f"the decoder gives class {most}, the data has {categories} categories",
                file=dataset.file,
                where=dataset.ids[int(position)],
            )


def _joined(found: Sequence[Detections]) -> Arrays:
    """The detections of a batch, image after image, and how many each has."""
    return {
        "counts": np.array([len(one.scores) for one in found], np.int64),
        "boxes": np.concatenate([one.boxes for one in found]),
        "scores": np.concatenate([one.scores for one in found]),
        "classes": np.concatenate([one.classes for one in found]),
    }


def _apart(batch: Arrays) -> list[Detections]:
    """What was joined."""
    cuts = np.cumsum(batch["counts"])[:-1]
    columns = (np.split(batch[name], cuts) for name in ("boxes", "scores", "classes"))
    return [
        Detections(boxes=boxes, scores=scores, classes=classes)
        for boxes, scores, classes in zip(*columns, strict=True)
    ]


def _filled(x: np.ndarray, missing: int) -> np.ndarray:
    return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else x
