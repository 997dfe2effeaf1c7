"""Lookup tables and factors of layers, as each engine computes them."""

from emu.quantize.tables.build import build_table as build_table
from emu.quantize.tables.factors import (
    mean_factors as mean_factors,
    xnnpack_sum_factors as xnnpack_sum_factors,
)
from emu.quantize.tables.pairs import build_binary_table as build_binary_table
from emu.quantize.tables.real import REAL_FUNCTIONS as REAL_FUNCTIONS
from emu.quantize.tables.resize import (
    ResizeStyle as ResizeStyle,
    build_resize as build_resize,
)
from emu.quantize.tables.softmax import build_softmax as build_softmax
