"""Accelerators: one TOML each, read into a Target."""

from emu.targets.kernels import (
    AverageKernel as AverageKernel,
    MeanStyle as MeanStyle,
    ProductStyle as ProductStyle,
    RequantizeStyle as RequantizeStyle,
    ResizeStyle as ResizeStyle,
    SumStyle as SumStyle,
    TableStyle as TableStyle,
    TransposedStyle as TransposedStyle,
)
from emu.targets.target import (
    ActivationFormat as ActivationFormat,
    ScaleProduct as ScaleProduct,
    Target as Target,
    find_target as find_target,
    target_names as target_names,
)
