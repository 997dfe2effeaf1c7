"""Tables as the QLinear operators of ONNX Runtime compute them, and QDQ in float32.

Source: onnxruntime/contrib_ops/cpu/quantization/qlinear_lookup_table.cc and MLAS
quantize.cpp (a float32 quotient, limited, rounded half to even, then the zero point).
"""

import numpy as np
from jaxtyping import Integer

from emu.fixedpoint import IntFormat, QParams
from emu.quantize.tables.arithmetic import RealFunction, levels


def lookup(
    function: RealFunction,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Integer[np.ndarray, " n"]:
    """rint(f(real) / scale) + zero_point, every step in float32."""
    reals = levels(x, x_format).astype(np.float32) * np.float32(x.scale[0])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = function(reals.astype(np.float64)).astype(np.float32)
        steps = values / np.float32(y.scale[0])
    zero = y.zero_point[0]
    limited = np.clip(steps, y_format.min - zero, y_format.max - zero)
    return (np.rint(limited).astype(np.int64) + zero).astype(y_format.dtype)
