"""Other engines beside the emulator: ONNX Runtime, FP32 and int8, and LiteRT."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
import onnx  # noqa: TID251 - ONNX Runtime's quantizer takes and gives ONNX models
import onnxruntime as ort
from jaxtyping import Shaped
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from emu.compare import (
    ONNXRUNTIME_FAILURES,
    Resolver,
    litert_engine,
    session_options,
)
from emu.errors import ModelError

Run = Callable[[np.ndarray], list[np.ndarray]]

ORT_FP32: Final = "onnxruntime_fp32"
ORT_INT8: Final = "onnxruntime_int8"
LITERT: Final = "litert_xnnpack"

_ERRORS_ONLY: Final = 3
_WARNINGS: Final = 2
_INITIALIZERS_ALONE: Final = 4
_PER_CHANNEL_OPSET: Final = 13
# A freed batch must give the same outputs up to the order of float sums.
_TOLERANCE: Final = 1e-4


@runtime_checkable
class Rival(Protocol):
    """A model for another engine."""

    @property
    def fixed_batch(self) -> bool:
        """Whether it takes one sample only."""
        ...

    def start(self) -> Run:
        """Load it, with all threads allowed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxRival:
    """An ONNX model for ONNX Runtime."""

    model: onnx.ModelProto
    fixed_batch: bool

    def start(self) -> Run:
        """Open a session with all graph optimizations and all threads allowed."""
        session = _session(self.model)
        name = session.get_inputs()[0].name

        def run(x: np.ndarray) -> list[np.ndarray]:
            return [np.asarray(y) for y in session.run(None, {name: x})]

        return run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiteRtRival:
    """A .tflite file for LiteRT with XNNPACK, its samples one after another."""

    path: Path
    fixed_batch: bool = False

    def start(self) -> Run:
        """Open an interpreter with all threads allowed."""
        engine = litert_engine(self.path, None, Resolver.XNNPACK)
        return lambda x: list(engine.run(x).values())


def rivals_of(
    source: Path, samples: Shaped[np.ndarray, "n ..."], *, quantized: bool
) -> dict[str, Rival]:
    """The engines that run a model file, by the names of `emu bench --json`.

    An ONNX file that is not `quantized` yet is also run as ONNX Runtime's quantizer
    makes it from `samples`. Nobody runs .tosa files.
    """
    suffix = source.suffix.lower()
    if suffix == ".tflite":
        return {LITERT: LiteRtRival(path=source)}
    if suffix != ".onnx":
        return {}
    own = onnx_rival(source)
    if quantized:
        return {ORT_INT8: own}
    return {ORT_FP32: own, ORT_INT8: int8_rival(own, samples, source)}


def onnx_rival(path: Path) -> OnnxRival:
    """The model as it is, its batch freed if the file fixes it to 1 and that works.

    Raises ModelError for a model that ONNX Runtime cannot run.
    """
    try:
        model = onnx.load(path)
        batch = _input(model).type.tensor_type.shape.dim[0]
        if not batch.HasField("dim_value"):
            _session(model)
            return OnnxRival(model=model, fixed_batch=False)
        freed = _with_free_batch(model)
        if batch.dim_value == 1 and _is_batchable(model, freed):
            return OnnxRival(model=freed, fixed_batch=False)
    except ONNXRUNTIME_FAILURES as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot run it: {reason}", file=path) from error
    return OnnxRival(model=model, fixed_batch=True)


def int8_rival(
    rival: OnnxRival, samples: Shaped[np.ndarray, "n ..."], file: Path
) -> OnnxRival:
    """The model quantized by ONNX Runtime: QDQ, int8 per channel by uint8, min-max.

    `samples` are model inputs; they calibrate one by one. Raises ModelError,
    naming `file`, for a model that the quantizer cannot take.
    """
    try:
        return _quantized(rival, samples)
    except Exception as error:  # foreign code, which raises anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"ONNX Runtime cannot quantize it: {reason}", file=file
        ) from error


def _quantized(rival: OnnxRival, samples: Shaped[np.ndarray, "n ..."]) -> OnnxRival:
    with tempfile.TemporaryDirectory(prefix="emu-bench-") as folder, _silence():
        source, ready, made = (
            Path(folder) / name for name in ("fp32.onnx", "ready.onnx", "int8.onnx")
        )
        onnx.save(_in_opset_13(rival.model), source)
        # Symbolic shapes would need another package; ONNX's own inference suffices.
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(made),
            _Samples(_input(rival.model).name, samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(made)
        _session(model)
        return OnnxRival(model=model, fixed_batch=rival.fixed_batch)


def _in_opset_13(model: onnx.ModelProto) -> onnx.ModelProto:
    """The first opset in which scales may be per channel, or the model's later one."""
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    if opsets.get("", opsets.get("ai.onnx", 0)) >= _PER_CHANNEL_OPSET:
        return model
    return onnx.version_converter.convert_version(model, _PER_CHANNEL_OPSET)


class _Samples(CalibrationDataReader):
    """One sample at a time, as the quantizer asks for them."""

    def __init__(self, name: str, samples: Shaped[np.ndarray, "n ..."]) -> None:
        self._feeds = iter([{name: samples[i : i + 1]} for i in range(len(samples))])

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
        """The next sample, None after the last."""
        return next(self._feeds, None)


@contextmanager
def _silence() -> Iterator[None]:
    """No warnings of the quantizer: nothing of them concerns the user of `emu`."""
    logging.disable(logging.CRITICAL)
    ort.set_default_logger_severity(_ERRORS_ONLY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ort.set_default_logger_severity(_WARNINGS)
        logging.disable(logging.NOTSET)


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(
        model.SerializeToString(),
        session_options(optimize=True),
        providers=["CPUExecutionProvider"],
    )


def _input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The one input that is no initializer."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return next(info for info in model.graph.input if info.name not in constants)


def _with_free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose batch is symbolic; Reshape of activations copies the batch."""
    freed = onnx.ModelProto()
    freed.CopyFrom(model)
    # Before version 4 every initializer had to be an input too.
    freed.ir_version = max(freed.ir_version, _INITIALIZERS_ALONE)
    graph = freed.graph
    del graph.value_info[:]
    for info in (_input(freed), *graph.output):
        if info.type.tensor_type.shape.dim:
            info.type.tensor_type.shape.dim[0].dim_param = "batch"
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] in arrays:
            continue
        shape = arrays.get(node.input[1])
        sizes = [] if shape is None else onnx.numpy_helper.to_array(shape).tolist()
        if sizes[:1] == [1]:
            free = np.array([0, *sizes[1:]], np.int64)
            name = f"{node.output[0]}:shape"
            graph.initializer.append(onnx.numpy_helper.from_array(free, name))
            node.input[1] = name
    return freed


def _is_batchable(model: onnx.ModelProto, freed: onnx.ModelProto) -> bool:
    """Whether the freed copy runs two samples and gives each what the model gives."""
    info = _input(model)
    sizes = [dim.dim_value for dim in info.type.tensor_type.shape.dim[1:]]
    x = np.random.default_rng(0).standard_normal((2, *sizes)).astype(np.float32)
    try:
        together = _session(freed).run(None, {info.name: x})
    except ONNXRUNTIME_FAILURES:
        return False
    single = _session(model)
    for i in range(2):
        alone = single.run(None, {info.name: x[i : i + 1]})
        pairs = zip(together, alone, strict=True)
        if not all(_agree(np.asarray(a)[i : i + 1], np.asarray(b)) for a, b in pairs):
            return False
    return True


def _agree(a: Shaped[np.ndarray, "..."], b: Shaped[np.ndarray, "..."]) -> bool:
    if a.shape != b.shape:
        return False
    scale = max(float(np.abs(b).max(initial=0.0)), 1e-6)
    return float(np.abs(a - b).max(initial=0.0)) <= _TOLERANCE * scale
