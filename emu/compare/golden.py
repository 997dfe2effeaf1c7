"""Golden FP32 outputs: every tensor of the source model, computed by ONNX Runtime."""

import os
from collections.abc import Callable, Sequence
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
    """A float engine: run(batch) gives the asked tensors in the model's own layout.

    `about` names engine, version and settings, as every golden must.
    """

    run: Callable[[np.ndarray], dict[str, np.ndarray]]
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
    path: str | Path, names: Sequence[str] | None = None
) -> GoldenEngine:
    """ONNX Runtime on the CPU, graph optimizations off, giving tensors by name.

    `names` may be any tensors of the model; None means its outputs. A model whose
    batch is fixed to 1 is run sample by sample. Raises MissingError or ModelError.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError("the model for golden outputs is not there", file=path)
    try:
        session = _open(path, names)
    except ONNXRUNTIME_FAILURES as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot run it: {reason}", file=path) from error
    entry = session.get_inputs()[0]
    fixed = entry.shape and isinstance(entry.shape[0], int)
    available = {output.name for output in session.get_outputs()}
    wanted = [name for name in names or available if name != entry.name]

    def run_once(x: np.ndarray) -> dict[str, np.ndarray]:
        arrays = session.run(wanted, {entry.name: x})
        found = dict(zip(wanted, map(np.asarray, arrays), strict=True))
        return {**found, entry.name: x} if names and entry.name in names else found

    def run(x: np.ndarray) -> dict[str, np.ndarray]:
        if not fixed:
            return run_once(x)
        single = [run_once(x[i : i + 1]) for i in range(len(x))]
        return {name: np.concatenate([s[name] for s in single]) for name in single[0]}

    about = {
        "engine": "onnxruntime",
        "version": ort.__version__,
        "settings": "CPUExecutionProvider, graph optimizations off",
    }
    return GoldenEngine(run=run, about=about)


def _open(path: Path, names: Sequence[str] | None) -> ort.InferenceSession:
    options = session_options(optimize=False)
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
