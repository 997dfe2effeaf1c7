"""Comparison of every layer with golden FP32 outputs."""

from emu.compare.compare import (
    LayerReport as LayerReport,
    Mode as Mode,
    compare_layers as compare_layers,
)
from emu.compare.golden import (
    ONNXRUNTIME_FAILURES as ONNXRUNTIME_FAILURES,
    GoldenEngine as GoldenEngine,
    onnxruntime_engine as onnxruntime_engine,
    session_options as session_options,
)
