"""record_golden: golden FP32 outputs of the models of suites, written to files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import numpy as np

from emu.errors import ConfigError, DataError, EmuError, ModelError
from emu.evaluate import Kind, ModelEntry, kind_of, open_model
from emu.gate.golden import (
    first_samples,
    golden_folder,
    machine_kind,
    run_engine,
)
from emu.gate.golden_store import (
    FORMAT,
    MAX_BYTES,
    Described,
    RecordedTensor,
    Recording,
    describe,
    has_manifest,
    list_recording,
    object_path,
    read_recording,
    remove_unnamed,
    write_object,
    write_recording,
)
from emu.gate.run import Progress
from emu.gate.select import Selection, suite_files
from emu.gate.shared import file_digest
from emu.gate.suite import Case, case_model, read_suite
from emu.graph import Graph

SAMPLES: Final = 4
# Of the tensors of a model; a repository keeps every version of them.
LIMIT_BYTES: Final = 384 << 10


class Status(Enum):
    """What became of the recording of a model.

    LEFT_OUT: the model is quantized, it has no FP32. FAILED: it could not be recorded.
    """

    NEW = "new"
    EQUAL = "equal"
    CHANGED = "changed"
    LEFT_OUT = "left out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What `record_golden` did for a model.

    Fields:
        model: name of its entry.
        folder: of its recording; None where the model was not found.
        recording: what is there now; None where nothing was recorded.
        stored_bytes: of the compressed files.
        error: why it failed.
    """

    model: str
    folder: Path | None
    status: Status
    recording: Recording | None = None
    stored_bytes: int = 0
    error: EmuError | None = None


def record_golden(
    suites: Sequence[Path],
    *,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> tuple[Recorded, ...]:
    """Record golden FP32 outputs of the models of the chosen cases; no case is run.

    Of each float model the first `SAMPLES` of its entry's data (else of the first
    case's) are recorded; fewer if all tensors together take more than `LIMIT_BYTES`;
    and if those of one sample do, the outputs and, smallest first, what fits. A model
    that fails does not stop the others.

    Raises an EmuError, before anything is recorded, if a suite cannot be read or no
    case is chosen.
    """
    if not suites:
        raise ConfigError("no suite to record")
    files = suite_files(list(map(Path, suites)))
    chosen = selection.of(
        [(path, case) for path in files for case in read_suite(path).case]
    )
    if not chosen:
        raise ConfigError("no case is chosen by -k, --tag and --shard")
    # One row for a model, however many cases have it.
    asked = {(path, case.model): case for path, case in reversed(chosen)}
    first: dict[Path, ModelEntry] = {}
    done: list[Recorded] = []
    for index, ((path, model), case) in enumerate(reversed(asked.items())):
        if progress:
            progress(model, "golden FP32", index, len(asked))
        one = _attempted(path, case, first)
        done += [one] if one else []
    return tuple(done)


def _attempted(
    path: Path, case: Case, first: dict[Path, ModelEntry]
) -> Recorded | None:
    """Record the model of a case; None if `first` shows that another suite had it."""
    name, folder = case.model, None
    try:
        entry = case_model(path, case)
        name, folder = entry.name, golden_folder(path, entry)
        entry = entry.model_copy(update={"file": entry.file.resolve()})
        if folder not in first:
            first[folder] = entry
            return _record(path, case, entry, folder)
        if first[folder] == entry:
            return None
        raise ConfigError(
            f"another model is named {entry.name!r} too: {first[folder].file}",
            file=entry.file,
        )
    except EmuError as error:
        return Recorded(model=name, folder=folder, status=Status.FAILED, error=error)


def _record(path: Path, case: Case, entry: ModelEntry, folder: Path) -> Recorded:
    _, graph = open_model(entry)
    if kind_of(graph) is not Kind.FLOAT:
        return Recorded(model=entry.name, folder=folder, status=Status.LEFT_OUT)
    reference = entry.data or case.data or ""
    names, x = first_samples(path, case, entry, reference, SAMPLES)
    layers = _layers(graph)
    everything, _ = run_engine(entry.file, list(layers), x)
    sizes = {name: array.nbytes // len(x) for name, array in everything.items()}
    count, kept = fitting(sizes, _outputs(graph), len(x))
    if not kept:
        raise ModelError(
            f"none of its tensors can be recorded within {LIMIT_BYTES} bytes",
            file=entry.file,
        )
    x = x[:count]
    # Once more, as the check will do it: fewer samples may be summed in another order.
    found, about = run_engine(entry.file, kept, x)
    recording = Recording(
        format=FORMAT,
        model=entry.name,
        model_sha256=file_digest(entry.file),
        command=f"emu gate {_from_root(path)} --record-golden",
        engine=about,
        machine=machine_kind(),
        data=reference,
        samples=names[:count],
        inputs=Described(**describe(x)),
        available=len(sizes),
        tensors=tuple(
            RecordedTensor(layer=layers[name], name=name, **describe(found[name]))
            for name in kept
        ),
    )
    if recording.nbytes > MAX_BYTES:
        raise DataError(
            f"its outputs take {recording.nbytes} bytes, expected {MAX_BYTES} at most",
            file=entry.file,
        )
    return _written(folder, recording, found)


def _written(
    folder: Path, recording: Recording, arrays: Mapping[str, np.ndarray]
) -> Recorded:
    """Write what is not there yet; objects first, so that a manifest never lacks one."""
    stored = _accepted(folder)
    fresh = [
        write_object(folder, tensor, arrays[tensor.name])
        for tensor in recording.tensors
    ]
    # The same recording may be asked for through any suite that has the model.
    if stored == recording.model_copy(update={"command": stored and stored.command}):
        status = Status.CHANGED if any(fresh) else Status.EQUAL
        recording = stored or recording
    else:
        status = Status.CHANGED if has_manifest(folder) else Status.NEW
        write_recording(folder, recording)
    list_recording(folder)
    remove_unnamed(folder, recording)
    files = {object_path(folder, tensor) for tensor in recording.tensors}
    return Recorded(
        model=recording.model,
        folder=folder,
        status=status,
        recording=recording,
        stored_bytes=sum(file.stat().st_size for file in files),
    )


def _accepted(folder: Path) -> Recording | None:
    """The recording to be replaced; a damaged one counts as none."""
    try:
        return read_recording(folder)
    except EmuError:
        return None


def fitting(
    sizes: Mapping[str, int], outputs: Sequence[str], most: int
) -> tuple[int, list[str]]:
    """How many samples, at most `most`, and which tensors are kept.

    `sizes` are bytes of one sample, in order of execution. All tensors, if those of one
    sample fit; else of one sample the outputs, which are always kept, and the smallest.
    """
    count = min(most, LIMIT_BYTES // max(1, sum(sizes.values())))
    if count:
        return count, list(sizes)
    kept = sizes.keys() & set(outputs)
    room = LIMIT_BYTES - sum(sizes[name] for name in kept)
    for name in sorted(sizes.keys() - kept, key=lambda name: (sizes[name], name)):
        room -= sizes[name]
        if room < 0:
            break
        kept.add(name)
    return 1, [name for name in sizes if name in kept]


def _layers(graph: Graph) -> dict[str, str]:
    """Tensor of the model file -> layer that makes it, in order of execution."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        golden = graph.tensors[node.output].golden
        # A transposition of it holds the same values; the first is the layer's own.
        if golden and golden.name not in graph.inputs:
            found.setdefault(golden.name, node.layer or golden.name)
    return found


def _outputs(graph: Graph) -> list[str]:
    """Outputs of the model file that the engine can be asked for."""
    found = (graph.tensors[name].golden for name in graph.outputs)
    return [golden.name for golden in found if golden]


def _from_root(suite: Path) -> str:
    """The suite as seen from the folder that holds the folder of recordings."""
    suite = suite.resolve()
    return f"suites/{suite.name}" if suite.parent.name == "suites" else suite.name
