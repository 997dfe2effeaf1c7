"""The same data through another engine: what ONNX Runtime or LiteRT makes of a model."""

import jax
import numpy as np

from emu.compare import open_engine
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.loop import PredictAll
from emu.evaluate.entries import ModelEntry
from emu.evaluate.session import EvalResult, Progress, evaluate_outputs
from emu.frontends import load_model
from emu.graph import with_real_edges
from emu.ops import KERNELS


def evaluate_engine(
    engine: str,
    entry: ModelEntry,
    dataset: Dataset,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> EvalResult:
    """The entry's metric of its model file in an engine of `ENGINES`.

    Preprocessing, decoder and metric are those of `evaluate_graph`.

    Raises what `open_engine` raises.
    """
    predict = engine_outputs(engine, entry)
    return evaluate_outputs(predict, entry, dataset, batch_size, progress)


def engine_outputs(engine: str, entry: ModelEntry) -> PredictAll:
    """A function from float32 rows to the outputs of a model file in an engine.

    The edges are those of `evaluate_graph` too, where reals become integers that the
    file takes, and integers that it gives reals.

    Raises what `open_engine` raises.
    """
    graph = load_model(entry.file)
    opened = open_engine(engine, entry.file, graph.outputs)
    edged = with_real_edges(graph)
    edges = {node.inputs[0]: node.op for node in edged.nodes if node not in graph.nodes}

    def cross(name: str, x: np.ndarray) -> np.ndarray:
        op = edges.get(name)
        if op is None:
            return x
        with jax.enable_x64(True):
            return np.asarray(KERNELS[type(op)](op, jax.numpy.asarray(x)))

    def predict(x: np.ndarray) -> dict[str, np.ndarray]:
        found = opened.run({opened.inputs[0]: cross(edged.inputs[0], x)})
        return {name: cross(name, found[name]) for name in graph.outputs}

    return predict
