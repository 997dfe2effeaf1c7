"""Histograms of layers: golden FP32 values beside what the integers mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int64

from emu.compare.engines import golden_engine
from emu.compare.layers import results
from emu.execute import Family, Program
from emu.fixedpoint import QParams, dequantize
from emu.graph import Graph, with_real_edges

_BINS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often values occur, in bins of equal width.

    Fields:
        layer: whose result it is.
        start, step: lower end of the first bin, and the width of each; real numbers.
        golden, program: how many values of golden FP32, and of the integer program
            dequantized, lie in each bin.
        scale: of the integers; several have no one (0).
    """

    layer: str
    start: float
    step: float
    golden: tuple[int, ...]
    program: tuple[int, ...]
    scale: float


def measure_histograms(
    program: Graph,
    model: Path,
    batches: Iterable[np.ndarray],
    layers: Sequence[str],
    batch_size: int,
    family: Family | None = None,
) -> tuple[Histogram, ...]:
    """The results of these layers in the whole network, beside another engine's FP32.

    `model` is the float file, `batches` its float32 inputs, at most `batch_size` rows
    at once. Layers without golden values are left out.
    """
    tensors = {k: v for k, v in results(program).items() if k in layers}
    described = {layer: program.tensors[name] for layer, name in tensors.items()}
    sources = {k: one.golden for k, one in described.items() if one.golden}
    engine = golden_engine(model, sorted({one.name for one in sources.values()}))
    runner = Program(
        with_real_edges(program), batch_size, tuple(tensors.values()), family=family
    )
    golden: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    codes: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    for x in batches:
        reals, integers = engine.run(x), runner(x)
        for layer, source in sources.items():
            # The engine's own layout: how values lie does not matter here.
            golden[layer].append(np.asarray(reals[source.name], np.float32).ravel())
            codes[layer].append(integers[tensors[layer]])
    return tuple(
        histogram(
            layer, np.concatenate(golden[layer]), np.concatenate(codes[layer]), qparams
        )
        for layer in layers
        if layer in sources and (qparams := described[layer].qparams)
    )


def histogram(
    layer: str,
    golden: Float32[np.ndarray, " n"],
    codes: np.ndarray,
    qparams: QParams,
) -> Histogram:
    """Count both in the same bins, about 64.

    Bins are whole numbers of steps of the integers wide, with those in the middle, so
    that their own grid makes no pattern. Values that are not finite do not count.
    """
    with jax.enable_x64(True):
        real = np.asarray(dequantize(jnp.asarray(codes), qparams))
    golden = golden[np.isfinite(golden)]
    low = float(min(real.min(initial=0), golden.min(initial=0)))
    high = float(max(real.max(initial=0), golden.max(initial=0)))
    scale = qparams.scale[0] if len(qparams.scale) == 1 else 0.0
    if scale:
        steps = ceil(((high - low) / scale + 1) / _BINS)
        first = np.floor(low / scale)
        start, step = (first - 0.5) * scale, steps * scale
    else:
        start, step = low, ((high - low) or 1.0) / _BINS
    count = int((high - start) / step) + 1
    return Histogram(
        layer=layer,
        start=float(start),
        step=float(step),
        golden=tuple(_counts(golden, start, step, count).tolist()),
        program=tuple(_counts(real.ravel(), start, step, count).tolist()),
        scale=float(scale),
    )


def _counts(
    values: Float32[np.ndarray, " n"], start: float, step: float, count: int
) -> Int64[np.ndarray, " count"]:
    places = ((values.astype(np.float64) - start) / step).astype(np.int64)
    return np.bincount(np.clip(places, 0, count - 1), minlength=count)
