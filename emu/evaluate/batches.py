"""Batches of prepared samples, decoded ahead in a few threads, in a fixed order."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from emu.errors import DataError
from emu.evaluate.datasets import Dataset
from emu.evaluate.preprocess import Preprocess

# Samples that one task prepares: enough to hide the cost of the task, few enough that
# the look-ahead of (workers + 1) tasks stays small.
_SPAN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows of the model's input, and the sample that each row belongs to.

    A sample is one row, unless preprocessing cuts it into windows: then its windows
    are consecutive rows, possibly of several batches.
    """

    x: Float32[np.ndarray, " b *input"]
    index: Int64[np.ndarray, " b"]


def batches(
    dataset: Dataset, preprocess: Preprocess, batch_size: int, workers: int = 2
) -> Generator[Batch, None, None]:
    """Prepare the samples in order, `batch_size` rows at a time; the last may be short.

    At most (workers + 1) * 8 samples are prepared ahead, so memory does not grow with
    the dataset. The outcome does not depend on `workers`.

    Raises:
        DataError: a sample cannot be read or prepared, differs in shape from the
            first, or is not finite; names the sample.
    """
    if batch_size < 1 or workers < 1:
        raise ValueError(f"batch_size={batch_size} and workers={workers} must be >= 1")
    rows: list[np.ndarray] = []
    index: list[np.ndarray] = []
    held = 0
    for position, x in enumerate(_prepared(dataset, preprocess, workers)):
        _require_shape(x, rows[0] if rows else x, dataset, position)
        rows.append(x)
        index.append(np.full(len(x), position, dtype=np.int64))
        held += len(x)
        if held < batch_size:
            continue
        x_all, index_all = np.concatenate(rows), np.concatenate(index)
        full = held - held % batch_size
        for start in range(0, full, batch_size):
            stop = start + batch_size
            yield Batch(x=x_all[start:stop], index=index_all[start:stop])
        # An empty rest still carries the shape that later samples must have.
        rows, index = [x_all[full:].copy()], [index_all[full:]]
        held -= full
    if held:
        yield Batch(x=np.concatenate(rows), index=np.concatenate(index))


def require_finite(x: Float32[np.ndarray, "..."], sample: str) -> None:
    """Refuse NaN and infinity, which no quantization can represent.

    Raises:
        DataError: names the sample and counts the bad values.
    """
    if not np.isfinite(x).all():
        bad = int(np.count_nonzero(~np.isfinite(x)))
        raise DataError(
            f"found {bad} of {x.size} values NaN or infinite; expected finite values",
            where=sample,
        )


def require_no_nan(
    output: Shaped[np.ndarray, "..."],
    index: Int64[np.ndarray, " b"],
    dataset: Dataset,
    name: str = "",
) -> None:
    """Refuse a model's output [b, ...] that is NaN; row i belongs to sample index[i].

    Raises:
        DataError: names the sample, and the output if it has a name.
    """
    if output.dtype.kind != "f" or not np.isnan(output).any():
        return
    row = int(np.argwhere(np.isnan(output))[0][0])
    which = f"output {name!r}" if name else "output"
    raise DataError(
        f"the model's {which} is NaN",
        file=dataset.file,
        where=dataset.ids[int(index[row])],
    )


def _prepared(
    dataset: Dataset, preprocess: Preprocess, workers: int
) -> Generator[Float32[np.ndarray, " rows *input"], None, None]:
    """Yield each prepared sample as rows, in order, with a bounded look-ahead."""
    starts = iter(range(0, len(dataset), _SPAN))

    def prepare_span(start: int) -> list[np.ndarray]:
        stop = min(start + _SPAN, len(dataset))
        return [_prepare(dataset, preprocess, i) for i in range(start, stop)]

    pool = ThreadPoolExecutor(workers, thread_name_prefix="emu-batches")
    try:
        running: deque[Future[list[np.ndarray]]] = deque(
            pool.submit(prepare_span, start) for start in islice(starts, workers + 1)
        )
        while running:
            span = running.popleft().result()
            running.extend(pool.submit(prepare_span, s) for s in islice(starts, 1))
            yield from span
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(
    dataset: Dataset, preprocess: Preprocess, index: int
) -> Float32[np.ndarray, " rows *input"]:
    raw = dataset.load(index)
    try:
        x = preprocess.apply(raw)
        require_finite(x, dataset.ids[index])
    except DataError as error:
        raise DataError(
            error.message, file=dataset.file, where=dataset.ids[index]
        ) from error
    return x if preprocess.windowed else x[None]


def _require_shape(
    x: Float32[np.ndarray, "..."],
    first: Float32[np.ndarray, "..."],
    dataset: Dataset,
    index: int,
) -> None:
    if x.shape[1:] != first.shape[1:]:
        raise DataError(
            f"found a sample of shape {list(x.shape[1:])} after preprocessing; "
            f"expected {list(first.shape[1:])} as before",
            file=dataset.file,
            where=dataset.ids[index],
        )
