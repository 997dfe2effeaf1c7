"""run_passes: apply passes in order, the graph verified before and after each."""

from collections.abc import Callable, Sequence
from typing import Final

from emu.errors import GraphError
from emu.graph import Graph, verify
from emu.optimize.fold_affine import fold_affine
from emu.optimize.lower_batch_norm import lower_batch_norm
from emu.optimize.merge_layout import merge_layout
from emu.optimize.merge_pad import merge_pad
from emu.optimize.merge_silu import merge_silu

Pass = Callable[[Graph], Graph]

# What every float graph goes through before calibration. Folding runs again after
# the lowering, which makes convolutions that following constants fold into.
FLOAT_PASSES: Final[tuple[Pass, ...]] = (
    merge_layout,
    merge_pad,
    merge_silu,
    fold_affine,
    lower_batch_norm,
    fold_affine,
)


def run_passes(graph: Graph, passes: Sequence[Pass] = FLOAT_PASSES) -> Graph:
    """Apply the passes; the same object comes back when none changes anything.

    Raises GraphError for an unsound graph, naming the pass after which it is so.
    """
    verify(graph)
    for one in passes:
        name = getattr(one, "__name__", str(one))
        try:
            changed = one(graph)
            if changed is not graph:
                verify(changed)
        except GraphError as error:
            raise GraphError(
                f"pass {name}: {error.message}", where=error.where
            ) from error
        graph = changed
    return graph
