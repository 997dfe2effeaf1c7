"""Samples that can be read, and those that cannot: what `emu eval --skip-bad` leaves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from emu.errors import DataError
from emu.evaluate.datasets import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSample:
    """A sample that cannot be read: its name, and what is wrong with its file."""

    name: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """The stable names of `skipped` in `emu eval --json`."""
        return {"name": self.name, "reason": self.reason}


def sound_samples(
    dataset: Dataset, workers: int = 2
) -> tuple[Dataset, tuple[BadSample, ...]]:
    """Read every sample once; return those that can be read, and the others' names.

    Both are in the order of the dataset, whatever the number of threads. Labels and
    objects of a bad sample go with it, so that nothing in it counts as missed.

    Raises:
        DataError: no sample can be read; says what is wrong with the first.
    """

    def fault(index: int) -> str | None:
        try:
            dataset.load(index)
        except DataError as error:
            return error.message
        return None

    with ThreadPoolExecutor(workers, thread_name_prefix="emu-sound") as pool:
        faults = list(pool.map(fault, range(len(dataset))))
    bad = tuple(
        BadSample(name=name, reason=reason)
        for name, reason in zip(dataset.ids, faults, strict=True)
        if reason is not None
    )
    if len(bad) == len(dataset):
        raise DataError(
            f"none of {len(bad)} samples can be read: {bad[0].name}: {bad[0].reason}",
            file=dataset.file,
            where=dataset.name,
        )
    sound = np.array([row for row, reason in enumerate(faults) if reason is None])
    return (dataset.take(sound) if bad else dataset), bad
