"""A part of a case's data: the first samples, a seeded choice, or named ones."""

import hashlib
from typing import Annotated

import numpy as np
from pydantic import Field

from emu.config import Config, nearest
from emu.errors import DataError
from emu.evaluate import Dataset


class Choice(Config):
    """`choose` samples that `seed` picks, whatever the order of the data."""

    choose: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)] = 0


Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Samples = Count | Choice | Names


def choose_samples(dataset: Dataset, samples: Samples) -> Dataset:
    """The part of a dataset, in the order of the dataset.

    A choice takes the names whose sha256, of "seed:name", is smallest: the same names
    everywhere, and most of them again from data that has grown.

    Raises DataError for more samples than there are, and for a name of none.
    """
    n = len(dataset)
    wanted = samples.choose if isinstance(samples, Choice) else samples
    if isinstance(wanted, int) and wanted > n:
        raise DataError(
            f"found {n} samples, expected {wanted} or more",
            file=dataset.file,
            where=dataset.name,
        )
    if isinstance(samples, int):
        return dataset.first(samples)
    if isinstance(samples, Choice):
        keys = [_key(samples.seed, name) for name in dataset.ids]
        rows = sorted(range(n), key=keys.__getitem__)[: samples.choose]
    else:
        position = {name: row for row, name in enumerate(dataset.ids)}
        for name in samples:
            if name not in position:
                raise DataError(
                    f"there is no sample {name!r}{nearest(name, list(dataset.ids))}",
                    file=dataset.file,
                    where=dataset.name,
                )
        rows = [position[name] for name in samples]
    return dataset.take(np.array(sorted(set(rows)), np.int64))


def _key(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
