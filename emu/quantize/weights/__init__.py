"""How float weights become integers: a file for each method of choosing their scales."""

from emu.quantize.weights.arq import largest_scale as largest_scale
from emu.quantize.weights.mse import least_error_scale as least_error_scale
from emu.quantize.weights.nuq import (
    Clusters as Clusters,
    best_levels as best_levels,
    cluster as cluster,
    compensate as compensate,
)
from emu.quantize.weights.style import (
    WeightMethod as WeightMethod,
    WeightStyle as WeightStyle,
)
