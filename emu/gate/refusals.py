"""Cases that would measure something, but not what they say."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emu.errors import ConfigError
from emu.evaluate import Dataset, ModelEntry, Task
from emu.gate.suite import Case

# Limits that the metric of a task does not have.
_UNFIT: Final[Mapping[Task, set[str]]] = MappingProxyType(
    {
        Task.CLASSIFY: {"max_drop_auc"},
        Task.DETECT: {"max_drop_auc"},
        Task.RECONSTRUCT: {"max_drop_points", "not_worse_alpha"},
    }
)


def require_limits_fit(suite: Path, case: Case, entry: ModelEntry) -> None:
    """ConfigError for a limit on what the model's metric is not."""
    unfit = case.limits.stated & _UNFIT[entry.task]
    if unfit:
        raise ConfigError(
            f"{min(unfit)} means nothing for a model of task {entry.task.value!r}",
            file=suite,
            where=f"{case.id}: limits",
        )


def require_disjoint(
    suite: Path, case: Case, calibration: Dataset, data: Dataset
) -> None:
    """Refuse to evaluate samples that calibrated (same name and same content)."""
    known = dict(zip(calibration.ids, calibration.positions, strict=True))
    both = [
        name
        for name, position in zip(data.ids, data.positions, strict=True)
        if name in known
        and data.source.content(int(position))
        == calibration.source.content(int(known[name]))
    ]
    if both:
        raise ConfigError(
            f"{len(both)} samples, {both[0]!r} the first, are both in the calibration "
            f"data {calibration.name} and in the evaluated {data.name}",
            file=suite,
            where=case.id,
        )
