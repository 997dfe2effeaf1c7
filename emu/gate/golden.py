"""Golden FP32 outputs, recorded for a few samples of each model and checked by the gate.

golden/fp32/<model>/      beside the folder `suites`
fp32/<model>/             beside a suite anywhere else

The layers of every case are held against what an engine gives here and now. A recording
tells when that reference itself has changed: with another version of the engine, on
another machine, or because a file is not what it was.
"""

import math
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped

from emu.compare.engines import golden_engine
from emu.errors import ConfigError, EmuError, MissingError
from emu.evaluate import (
    ModelEntry,
    find_dataset,
    model_inputs,
)
from emu.gate.baseline import baseline_folder
from emu.gate.golden_store import (
    Described,
    Finding,
    Recording,
    describe,
    is_recorded,
    little_endian,
    read_object,
    read_recording,
)
from emu.gate.shared import Shared, file_digest
from emu.gate.suite import Case, case_data, case_model
from emu.gate.verdict import Judgement, Kind, Outcome

# What another engine or machine may lose in float32. A reference with that much noise
# moves the SQNR of a layer that has 90 dB, the best of 16 bits, by 10*log10(1 + 1e-1) =
# 0.41 dB: less than the 0.5 dB that the gate allows. Other orders of summation (other
# kernels, fusions, threads) were seen to leave 107 dB or more in ten networks.
LEAST_DB: Final = 100.0

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
_ACCEPT: Final = "`emu gate --record-golden` accepts it"


def golden_folder(suite: Path, entry: ModelEntry) -> Path:
    """Where the recording of a model of the suite lies.

    Raises ConfigError if the name of the entry is none of a folder.
    """
    if not _NAME.fullmatch(entry.name):
        raise ConfigError(
            f"found the name {entry.name!r}; expected letters, digits, '_', '-', '.'",
            file=entry.file,
        )
    return baseline_folder(suite).parent.parent / "fp32" / entry.name


def has_recording(suite: Path, case: Case) -> bool:
    """Whether the model of a case has a recording, or had one: sound, damaged, gone."""
    try:
        return is_recorded(golden_folder(suite, case_model(suite, case)))
    except EmuError:
        return False


def judge_golden(suite: Path, case: Case, shared: Shared) -> list[Judgement]:
    """Whether the recording of a case's model holds; nothing without a recording.

    Every file of it is verified, and the engine must give the same tensors again: bit
    for bit where engine, version, settings and kind of machine are those of the
    recording, elsewhere with an SQNR of `LEAST_DB` or more in each tensor. Each
    recording is checked once for all cases that have something `shared`.
    """
    if not has_recording(suite, case):
        return []
    entry = case_model(suite, case)
    folder = golden_folder(suite, entry)
    key = (folder, entry.model_dump_json())
    if key not in shared.golden:
        shared.golden[key] = _checked(suite, case, entry, folder)
    found = shared.golden[key]
    if isinstance(found.error, MissingError):
        return [(Kind.GOLDEN, Outcome.MISSING, found.detail)]
    if found.error:
        return [(Kind.GOLDEN, Outcome.FAILED, found.detail)]
    outcome = Outcome.EQUAL if found.holds else Outcome.REGRESSED
    return [(Kind.GOLDEN, outcome, found.detail)]


def machine_kind() -> str:
    """What decides how an engine sums: processor, vector instructions, threads."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())
    threads = len(os.sched_getaffinity(0))
    return " ".join([platform.machine(), *found, f"{threads} threads"])


def _checked(suite: Path, case: Case, entry: ModelEntry, folder: Path) -> Finding:
    try:
        recording = read_recording(folder)
        stored = _read_all(folder, recording)
        return _compare(suite, case, entry, recording, stored)
    except EmuError as error:
        return Finding(holds=False, detail=str(error), error=error)


def _read_all(folder: Path, recording: Recording) -> dict[str, np.ndarray]:
    """All tensors by name; the error of the first tells how many others fail."""
    arrays: dict[str, np.ndarray] = {}
    errors: list[EmuError] = []
    for tensor in recording.tensors:
        try:
            arrays[tensor.name] = read_object(folder, tensor)
        except EmuError as error:
            errors.append(error)
    if errors:
        first, more = errors[0], len(errors) - 1
        others = f" (and {more} other tensors)" if more else ""
        raise type(first)(first.message + others, file=first.file, where=first.where)
    return arrays


def _compare(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    recording: Recording,
    stored: Mapping[str, np.ndarray],
) -> Finding:
    """The recording beside what the engine gives here and now."""
    digest = file_digest(entry.file)
    if digest != recording.model_sha256:
        return _changed(
            f"{entry.file} changed since the recording: sha256 "
            f"{recording.model_sha256[:12]} -> {digest[:12]}"
        )
    count = len(recording.samples)
    names, x = first_samples(suite, case, entry, recording.data, count)
    if names != recording.samples:
        return _changed(
            f"the first samples of {recording.data} are no longer those recorded: "
            f"{', '.join(recording.samples)} -> {', '.join(names)}"
        )
    if Described(**describe(x)) != recording.inputs:
        return _changed(
            f"the inputs made of {recording.data} changed since the recording: its "
            "samples or the preprocessing"
        )
    found, about = run_engine(entry.file, list(stored), x)
    here = machine_kind()
    alike = (about, here) == (recording.engine, recording.machine)
    by = _said(about)
    if not alike:
        by = f"{_said(recording.engine)} on {recording.machine}, now {by} on {here}"
    rounded: dict[str, float] = {}
    for tensor in recording.tensors:
        if tensor.name not in found:
            return _changed(f"{_said(about)} no longer gives tensor {tensor.name}")
        before, now = stored[tensor.name], found[tensor.name]
        sqnr = closeness(before, now)
        if sqnr < (math.inf if alike else LEAST_DB):
            how = f"{_form(before)} -> {_form(now)}"
            same = _form(before) == _form(now)
            return _changed(
                f"tensor {tensor.name} of layer {tensor.layer} is not what was recorded "
                f"({f'{sqnr:.1f} dB' if same else how}), by {by}"
            )
        if sqnr < math.inf:
            rounded[tensor.name] = sqnr
    what = f"{len(stored)} tensors of {count} samples as recorded by {by}"
    if not rounded:
        return Finding(holds=True, detail=f"{what}: bit for bit")
    worst = min(rounded, key=rounded.__getitem__)
    return Finding(
        holds=True,
        detail=f"{what}: {len(rounded)} not bit for bit, {worst} least with "
        f"{rounded[worst]:.1f} dB of the {LEAST_DB:g} that it needs",
    )


def _changed(reason: str) -> Finding:
    return Finding(holds=False, detail=f"{reason}; {_ACCEPT}")


def closeness(
    stored: Shaped[np.ndarray, "..."], found: Shaped[np.ndarray, "..."]
) -> float:
    """SQNR in dB; inf for equal bits, -inf for what float rounding does not explain."""
    if _form(stored) != _form(found):
        return -math.inf
    if little_endian(stored) == little_endian(found):
        return math.inf
    if stored.dtype.kind != "f":
        return -math.inf
    before, now = stored.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(before) & np.isfinite(now)
    if not np.array_equal(before[~finite], now[~finite], equal_nan=True):
        return -math.inf
    signal = float(np.sum(before[finite] ** 2))
    noise = float(np.sum((before[finite] - now[finite]) ** 2))
    if noise == 0:  # -0.0 beside 0.0, or another NaN: not the bits, but the numbers
        return sys.float_info.max
    return 10 * math.log10(signal / noise) if signal else -math.inf


def first_samples(
    path: Path, case: Case, entry: ModelEntry, reference: str, count: int
) -> tuple[tuple[str, ...], Shaped[np.ndarray, "n ..."]]:
    """Names and float32 inputs of the first samples of a reference, `count` at most."""
    asked = case.model_copy(update={"data": reference or None})
    dataset = find_dataset(case_data(path, asked, entry)).first(count)
    return dataset.ids, next(model_inputs(dataset, entry, count))


def run_engine(
    model: Path, names: Sequence[str], x: Shaped[np.ndarray, "n ..."]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors of the samples by name, as far as there are any, and about the engine."""
    engine = golden_engine(model, names)
    found = engine.run(x)
    arrays = {name: found[name] for name in names if name in found}
    return {name: array for name, array in arrays.items() if array.size}, engine.about


def _form(array: Shaped[np.ndarray, "..."]) -> str:
    return f"{array.dtype.name} {list(array.shape)}"


def _said(engine: Mapping[str, str]) -> str:
    return " ".join(engine.get(key, "?") for key in ("engine", "version"))
