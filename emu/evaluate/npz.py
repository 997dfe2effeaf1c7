"""Datasets in .npz files: samples, labels and names."""

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int64, Shaped

from emu.arrays import MAX_ARRAY_BYTES, read_npz
from emu.errors import DataError
from emu.evaluate.datasets import Dataset, from_arrays

_CLASSES: Final = "classes"


def open_npz(
    path: Path,
    *,
    name: str,
    x: str = "x",
    y: str | None = "y",
    names: str | None = "names",
    limit: int = MAX_ARRAY_BYTES,
) -> Dataset:
    """Read samples, labels and names from the arrays so called in an .npz file.

    An array `classes` of text, if there is one, names the labels.

    Arguments:
        path: the file.
        name: of the dataset, for messages and results.
        x: the array of samples [n, ...], of at most 16-bit integers or of floats.
        y: the array of labels [n], integers; absent means no labels.
        names: the array of sample names [n], strings; absent means "x[0]", ...
        limit: most bytes that one array may take.

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged, too large, or holds something else.
    """
    wanted = [key for key in (x, y, names, _CLASSES) if key is not None]
    members = read_npz(path, wanted, limit)
    arrays = {key: array for key, array in members.items() if array is not None}
    if x not in arrays:
        raise DataError(
            f"holds no array {x!r}; it holds {', '.join(sorted(members)) or 'nothing'}",
            file=path,
        )
    return from_arrays(
        _samples(arrays[x], x, path),
        _labels(arrays[y], y, path) if y is not None and y in arrays else None,
        name=name,
        ids=_names(arrays.get(names), names, path) if names is not None else None,
        file=path,
        classes=_class_names(arrays.get(_CLASSES)),
    )


def _class_names(array: Shaped[np.ndarray, "..."] | None) -> list[str]:
    """The names of the labels; none where the array is something else."""
    if array is None or array.ndim != 1 or array.dtype.kind != "U":
        return []
    return [str(item) for item in array]


def _samples(
    array: Shaped[np.ndarray, "..."], key: str, path: Path
) -> Shaped[np.ndarray, " n *sample"]:
    """Check that the array holds samples whose values fit float32."""
    integer = array.dtype.kind in "iu" and array.dtype.itemsize <= 2
    if array.ndim < 2 or not (integer or array.dtype.kind == "f"):
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected samples "
            "[n, ...] of 8 or 16-bit integers or floats",
            file=path,
            where=key,
        )
    return array


def _labels(
    array: Shaped[np.ndarray, "..."], key: str, path: Path
) -> Int64[np.ndarray, " n"]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected labels [n] "
            "of integers",
            file=path,
            where=key,
        )
    return array.astype(np.int64)


def _names(
    array: Shaped[np.ndarray, "..."] | None, key: str, path: Path
) -> list[str] | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(
            f"found {array.dtype} of shape {list(array.shape)}; expected names [n] "
            "of text",
            file=path,
            where=key,
        )
    return [str(item) for item in array]
