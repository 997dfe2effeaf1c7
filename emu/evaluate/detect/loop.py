"""The evaluation loop of detectors: images through a model and its decoder."""

from collections.abc import Callable, Mapping

import numpy as np

from emu.errors import DataError
from emu.evaluate.batches import batches
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.boxes import Detections, Objects
from emu.evaluate.detect.decode import Decoder, detect
from emu.evaluate.detect.result import DetectResult
from emu.evaluate.preprocess import Preprocess

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

    Raises:
        DataError: no annotated objects, an unreadable image, or an output that is NaN;
            names the image.
        UnsupportedError: the outputs have other names or shapes than the decoder's.
    """
    objects = require_objects(dataset)
    found: list[Detections] = []
    for batch in batches(dataset, preprocess, batch_size, workers):
        outputs = predict(batch.x)
        _require_no_nan(outputs, batch.index, dataset)
        sizes = [objects[int(i)].size for i in batch.index]
        placements = [preprocess.placement(*size) for size in sizes]
        # A short last batch is filled up, so that nothing is compiled for its size.
        missing = batch_size - len(sizes) if found else 0
        full = {name: _filled(x, missing) for name, x in outputs.items()}
        filled = detect(decoder, full, placements + placements[:1] * missing)
        found += filled[: len(sizes)]
        if progress is not None:
            progress(len(found), len(dataset))
    classes = len(dataset.categories)
    for name, one in zip(dataset.ids, found, strict=True):
        if one.classes.max(initial=-1) >= classes:
            raise DataError(
                f"the decoder gives class {one.classes.max()}, the data has {classes} "
                "categories",
                file=dataset.file,
                where=name,
            )
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


def _filled(x: np.ndarray, missing: int) -> np.ndarray:
    return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else x


def _require_no_nan(
    outputs: Mapping[str, np.ndarray], index: np.ndarray, dataset: Dataset
) -> None:
    for name, output in outputs.items():
        if output.dtype.kind == "f" and np.isnan(output).any():
            row = int(np.argwhere(np.isnan(output))[0][0])
            raise DataError(
                f"the model's output {name!r} is NaN",
                file=dataset.file,
                where=dataset.ids[int(index[row])],
            )
