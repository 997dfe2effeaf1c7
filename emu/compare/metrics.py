"""Layer metrics: sums over batches inside the compiled function, figures at the end."""

import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float32, Int

from emu.compare.layers import Layer
from emu.fixedpoint import (
    Register,
    bits_needed,
    dequantize,
    overflowed,
    quantize,
)

Sums = dict[str, Array]
Totals = Mapping[str, float | int]


def sample_sums(
    layer: Layer,
    got: Int[Array, "n ..."],
    golden: Float32[Array, "n ..."],
    sums: Int[Array, "n ..."] | None,
    register: Register | None = None,
) -> Sums:
    """What the metrics need of a batch, one number a sample (shape n), float64.

    e = dequantized got - golden. A value counts as saturated if it stands at a limit
    of its format while the golden value lies more than half an LSB beyond. Overflows
    are those of `sums` at the end, or of every addition to a `register`.
    """
    axes = tuple(range(1, got.ndim))
    real = golden.astype(jnp.float64)
    scale, zero_point = layer.qparams.scale[0], layer.qparams.zero_point[0]
    error = dequantize(got, layer.qparams).astype(jnp.float64) - real
    low = (layer.format.min - zero_point - 0.5) * scale
    high = (layer.format.max - zero_point + 0.5) * scale
    clipped = ((got == layer.format.min) & (real < low)) | (
        (got == layer.format.max) & (real > high)
    )
    wanted = quantize(golden, layer.qparams, layer.format)
    found = {
        "signal": jnp.sum(real * real, axes),
        "noise": jnp.sum(error * error, axes),
        "product": jnp.sum(real * (real + error), axes),
        "power": jnp.sum((real + error) ** 2, axes),
        "error": jnp.sum(error, axes),
        "largest": jnp.max(jnp.abs(error), axes, initial=0.0),
        "saturated": jnp.sum(clipped, axes),
        "differing": jnp.sum(wanted != got, axes),
        "sum_low": jnp.zeros(got.shape[0], jnp.int64),
        "sum_high": jnp.zeros(got.shape[0], jnp.int64),
        "overflows": jnp.zeros(got.shape[0], jnp.int64),
    }
    if register is not None:
        over = tuple(range(1, register.held.ndim))
        found["sum_low"] = jnp.min(register.low, over)
        found["sum_high"] = jnp.max(register.high, over)
        found["overflows"] = jnp.sum(register.overflows, over)
    elif sums is not None and layer.accumulator is not None:
        over = tuple(range(1, sums.ndim))
        found["sum_low"] = jnp.min(sums, over).astype(jnp.int64)
        found["sum_high"] = jnp.max(sums, over).astype(jnp.int64)
        found["overflows"] = jnp.sum(overflowed(sums, layer.accumulator), over)
    return found


_COMBINE: Mapping[str, np.ufunc] = {
    "largest": np.maximum,
    "sum_low": np.minimum,
    "sum_high": np.maximum,
}


def combine(
    total: Totals | None, batch: Mapping[str, np.ndarray], count: int
) -> dict[str, float | int]:
    """Add the first `count` samples of a batch to running totals."""
    joined = {}
    for key, values in batch.items():
        function = _COMBINE.get(key, np.add)
        found = function.reduce(values[:count])
        joined[key] = (found if total is None else function(total[key], found)).item()
    return joined


def layer_table(
    layers: Sequence[Layer],
    totals: Mapping[str, Totals],
    elements: Mapping[str, int],
    levels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row a layer in execution order.

    `levels` are those of the tensors, if the network has several.

    Columns: name, op, level (of its result, "" for none; only with `levels`), sqnr_db (10 log10 of signal over noise power), cosine, mse,
    max_lsb (largest |error| over the scale), mean_error (real units), differing and
    elements (counts), saturated (share), acc_bits (signed bits that the sums needed,
    0 without sums; of a register that overflows on the way every partial sum counts),
    acc_overflows (count: sums that did not fit at the end, or additions on the way),
    acc_safe_bits (the width that no input could overflow, from the weights alone).
    """
    rows = []
    for layer in layers:
        t, n = totals[layer.name], elements[layer.name]
        summing = layer.sums or layer.watched
        peak = bits_needed(int(t["sum_low"]), int(t["sum_high"])) if summing else 0
        rows.append(
            {
                "name": layer.name,
                "op": layer.op,
                **({"level": levels.get(layer.tensor, "")} if levels else {}),
                "sqnr_db": _decibels(t["signal"], t["noise"]),
                "cosine": _cosine(t),
                "mse": float(t["noise"]) / n,
                "max_lsb": float(t["largest"]) / layer.qparams.scale[0],
                "mean_error": float(t["error"]) / n,
                "differing": int(t["differing"]),
                "elements": n,
                "saturated": float(t["saturated"]) / n,
                "acc_bits": peak,
                "acc_overflows": int(t["overflows"]),
                "acc_safe_bits": layer.safe_bits,
            }
        )
    return pd.DataFrame(rows)


def _decibels(signal: float | int, noise: float | int) -> float:
    if noise == 0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0 else -math.inf


def _cosine(t: Totals) -> float:
    norm = math.sqrt(float(t["signal"]) * float(t["power"]))
    if norm == 0:
        return 1.0 if t["signal"] == t["power"] else 0.0
    return min(1.0, float(t["product"]) / norm)


def first_divergence(table: pd.DataFrame) -> str | None:
    """The first layer in execution order with any element off its golden integer."""
    off = [name for name, n in zip(table["name"], table["differing"], strict=True) if n]
    return str(off[0]) if off else None
