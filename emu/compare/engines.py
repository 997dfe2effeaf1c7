"""The engines that a program can be held against, by the names of `--against`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emu.compare.engines_litert import Resolver, litert_engine
from emu.compare.golden import GoldenEngine, onnxruntime_engine
from emu.errors import UnsupportedError

# Path of the model and names of tensors (None: its outputs) -> the engine.
Opener = Callable[[Path, Sequence[str] | None], GoldenEngine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """An engine before it has a model.

    Fields:
        suffix: of the files it runs.
        every_tensor: whether it can give inner tensors, or outputs only.
    """

    suffix: str
    every_tensor: bool
    open: Opener


ENGINES: Final[Mapping[str, Rival]] = MappingProxyType(
    {
        "litert-ref": Rival(
            suffix=".tflite",
            every_tensor=True,
            open=partial(litert_engine, resolver=Resolver.REFERENCE),
        ),
        "litert": Rival(
            suffix=".tflite",
            every_tensor=True,
            open=partial(litert_engine, resolver=Resolver.OPTIMIZED),
        ),
        "litert-xnnpack": Rival(
            suffix=".tflite",
            every_tensor=False,
            open=partial(litert_engine, resolver=Resolver.XNNPACK),
        ),
        "onnxruntime": Rival(
            suffix=".onnx", every_tensor=True, open=onnxruntime_engine
        ),
        "onnxruntime-optimized": Rival(
            suffix=".onnx",
            every_tensor=True,
            open=partial(onnxruntime_engine, optimize=True),
        ),
    }
)


def open_engine(name: str, model: Path, names: Sequence[str]) -> GoldenEngine:
    """The engine of that name on a model file, giving `names` as far as it can.

    Raises UnsupportedError for a file that it does not run, MissingError if the engine
    is not installed, ModelError for a model it cannot load.
    """
    rival = ENGINES[name]
    if model.suffix.lower() != rival.suffix:
        raise UnsupportedError(
            f"{name} runs {rival.suffix} files, not {model.suffix or 'this one'}",
            file=model,
        )
    return rival.open(model, list(names) if rival.every_tensor else None)


def golden_engine(model: Path, names: Sequence[str]) -> GoldenEngine:
    """The engine that gives golden FP32 outputs of a float model file."""
    name = "litert-ref" if model.suffix.lower() == ".tflite" else "onnxruntime"
    return ENGINES[name].open(model, list(names))
