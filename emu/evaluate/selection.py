"""Named parts of a dataset: `name[selection]`, so that splits can be disjoint.

A dataset reference is a name or a path, followed by any number of selections, applied
from left to right::

    vww01              every sample
    vww01[0:100]       the first 100 samples
    vww01[::5]         samples 0, 5, 10, ...
    vww01[!::5]        every sample that `[::5]` leaves out (its complement)
    vww01[!::5][0:64]  the first 64 of those

A selection is `[start:stop]` or `[start:stop:step]` with the meaning of a Python slice;
start and stop may be left out or negative (counted from the end), the step is positive.
Unlike a Python slice, a start or stop outside the dataset is an error, and so is a
selection that holds no sample.
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int64

from emu.errors import ConfigError, DataError

_REFERENCE: Final = re.compile(r"(?P<base>[^\[\]]+)(?P<selections>(?:\[[^\[\]]*\])*)")
_SELECTION: Final = re.compile(
    r"\[(?P<complement>!?)(?P<start>-?\d{1,15})?:(?P<stop>-?\d{1,15})?"
    r"(?::(?P<step>\d{1,15})?)?\]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A slice of the samples, or all samples but this slice.

    Fields have the meaning of a Python slice; `step` >= 1. `text` is what was
    written, for messages.
    """

    text: str
    start: int | None
    stop: int | None
    step: int
    complement: bool

    def rows(self, n: int) -> Int64[np.ndarray, " m"]:
        """Positions selected from `n` samples, increasing.

        Raises:
            DataError: a bound lies outside the samples, or nothing is selected.
        """
        for bound in (self.start, self.stop):
            if bound is not None and not -n <= bound <= n:
                raise DataError(
                    f"selection {self.text} names position {bound}, "
                    f"but there are {n} samples"
                )
        inside = np.zeros(n, dtype=bool)
        inside[self.start : self.stop : self.step] = True
        rows = np.flatnonzero(inside != self.complement).astype(np.int64)
        if rows.size == 0:
            raise DataError(f"selection {self.text} holds none of {n} samples")
        return rows


def parse_selection(text: str) -> Selection:
    """Read one selection, brackets included, for example "[!::5]".

    Raises:
        ConfigError: `text` is not of the form `[start:stop:step]`.
    """
    match = _SELECTION.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"found selection {text!r}; expected [start:stop], [start:stop:step] "
            "or [!start:stop:step] with whole numbers"
        )
    part = {key: int(match[key]) if match[key] else None for key in ("start", "stop")}
    step = int(match["step"] or 1)
    if step == 0:
        raise ConfigError(f"found selection {text!r}; its step must be at least 1")
    return Selection(
        text=text,
        start=part["start"],
        stop=part["stop"],
        step=step,
        complement=bool(match["complement"]),
    )


def parse_selections(text: str) -> tuple[Selection, ...]:
    """Read any number of selections in a row, for example "[!::5][0:64]".

    Raises:
        ConfigError: `text` is not a row of selections.
    """
    parts = re.findall(r"\[[^\[\]]*\]", text)
    if "".join(parts) != text:
        raise ConfigError(
            f"found {text!r}; expected selections such as [0:100] or [!::5]"
        )
    return tuple(parse_selection(part) for part in parts)


def split_reference(ref: str) -> tuple[str, tuple[Selection, ...]]:
    """Split a dataset reference into its name (or path) and its selections.

    Raises:
        ConfigError: the brackets are unbalanced or hold no selection.
    """
    match = _REFERENCE.fullmatch(ref)
    if match is None:
        raise ConfigError(
            f"found dataset {ref!r}; expected NAME, NAME[start:stop] or "
            "NAME[!start:stop:step]"
        )
    return match["base"], parse_selections(match["selections"])
