"""Golden FP32 outputs: every tensor of the source model, computed by ONNX Runtime."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,  # noqa: A004 - ONNX Runtime's name
    RuntimeException,
)

from emu.errors import MissingError, ModelError

Batch = np.ndarray | Mapping[str, np.ndarray]

# What ONNX Runtime raises for a model that it cannot read or run.
ONNXRUNTIME_FAILURES: Final = (
    DecodeError,
    OSError,
    ValueError,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
    RuntimeException,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenEngine:
    """Somebody else's implementation of a model file.

    Fields:
        run: from a batch of each input by name (or the array of the only input) to
            the tensors by name; names and layouts are those of the file, but the
            first axis counts the samples.
        inputs: names of the inputs.
        names: of the tensors that `run` gives.
        about: engine, version and settings, as every golden must tell.
    """

    run: Callable[[Batch], dict[str, np.ndarray]]
    inputs: tuple[str, ...]
    names: frozenset[str]
    about: dict[str, str]


def session_options(*, optimize: bool) -> ort.SessionOptions:
    """Errors only in the log; as many threads as this process may use."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def onnxruntime_engine(
    path: str | Path, names: Sequence[str] | None = None, *, optimize: bool = False
) -> GoldenEngine:
    """ONNX Runtime on the CPU, giving tensors by name.

    `names` may be any tensors of the model; None means its outputs. With `optimize`
    only outputs and results of quantized operators are given: asking for them leaves
    the fusions as they are, asking for another tensor would undo one. A model whose
    batch is fixed to 1 is run sample by sample. Raises MissingError or ModelError.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError("the model for golden outputs is not there", file=path)
    try:
        if optimize and names is not None:
            names = _kept_when_fused(path, names)
        session = _open(path, names, optimize=optimize)
    except ONNXRUNTIME_FAILURES as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot run it: {reason}", file=path) from error
    entries = session.get_inputs()
    inputs = tuple(entry.name for entry in entries)
    fixed = any(entry.shape and entry.shape[0] == 1 for entry in entries)
    available = [output.name for output in session.get_outputs()]
    wanted = [n for n in (available if names is None else names) if n not in inputs]
    given = frozenset(available if names is None else names)

    def run_once(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            arrays = session.run(wanted, dict(feeds))
        except ONNXRUNTIME_FAILURES as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"ONNX Runtime cannot run it: {reason}", file=path
            ) from error
        found = dict(zip(wanted, map(np.asarray, arrays), strict=True))
        return found | {name: feeds[name] for name in inputs if name in given}

    def run(batch: Batch) -> dict[str, np.ndarray]:
        feeds = {inputs[0]: batch} if isinstance(batch, np.ndarray) else batch
        if not fixed:
            return run_once(feeds)
        count = len(feeds[inputs[0]])
        single = [
            run_once({name: x[i : i + 1] for name, x in feeds.items()})
            for i in range(count)
        ]
        return {
            name: np.concatenate([_with_batch(found[name]) for found in single])
            for name in single[0]
        }

    about = {
        "engine": "onnxruntime",
        "version": ort.__version__,
        "settings": "CPUExecutionProvider, x64quantprecision, graph optimizations "
        f"{'on' if optimize else 'off'}",
    }
    return GoldenEngine(run=run, inputs=inputs, names=given, about=about)


def _with_batch(array: np.ndarray) -> np.ndarray:
    """A tensor of one sample with a first axis of 1, which the file may leave out."""
    return array if array.shape[:1] == (1,) else array[None]


def _kept_when_fused(path: Path, names: Sequence[str]) -> list[str]:
    """Those of `names` that ONNX Runtime's quantized kernels write themselves.

    QuantizeLinear ends what is fused into one kernel, and QLinear... are such kernels.
    """
    graph = onnx.load(path, load_external_data=False).graph
    kept = {output.name for output in graph.output}
    for node in graph.node:
        if node.op_type.startswith("Q"):
            kept.update(node.output)
    return [name for name in names if name in kept]


def _open(
    path: Path, names: Sequence[str] | None, *, optimize: bool
) -> ort.InferenceSession:
    options = session_options(optimize=optimize)
    # Without VNNI the fast uint8 x int8 kernels add pairs of products in 16 bits, which
    # saturate (vpmaddubsw); this chooses kernels that are exact on every processor.
    options.add_session_config_entry("session.x64quantprecision", "1")
    providers = ["CPUExecutionProvider"]
    if names is None:
        return ort.InferenceSession(str(path), options, providers=providers)
    model = onnx.load(path)
    present = {output.name for output in model.graph.output}
    inputs = {entry.name for entry in model.graph.input}
    for name in dict.fromkeys(names):
        if name not in present | inputs:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    data = model.SerializeToString()
    return ort.InferenceSession(data, options, providers=providers)
