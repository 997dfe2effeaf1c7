"""Passes on float Graphs: what integer hardware should not have to do, done before."""

from emu.optimize.balance import (
    Balanced as Balanced,
    balance as balance,
    balance_factors as balance_factors,
)
from emu.optimize.fold_affine import fold_affine as fold_affine
from emu.optimize.lower_batch_norm import lower_batch_norm as lower_batch_norm
from emu.optimize.merge_layout import merge_layout as merge_layout
from emu.optimize.merge_pad import merge_pad as merge_pad
from emu.optimize.merge_silu import merge_silu as merge_silu
from emu.optimize.run import (
    FLOAT_PASSES as FLOAT_PASSES,
    Pass as Pass,
    run_passes as run_passes,
)
