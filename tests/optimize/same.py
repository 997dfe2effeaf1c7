"""Whether two graphs compute the same function, tensor by tensor."""

import numpy as np

from emu.graph import Graph, verify
from tests.frontends.run import run_graph


def assert_same_function(
    first: Graph, second: Graph, *, tolerance: float = 2e-6
) -> None:
    """Every tensor that both graphs have is equal on random inputs.

    The tolerance, relative to the largest value, allows for sums of a few dozen
    products in another order or with weights rounded once more.
    """
    verify(second)
    assert (second.inputs, second.outputs) == (first.inputs, first.outputs)
    rng = np.random.default_rng(7)
    shapes = {name: first.tensors[name].shape for name in first.inputs}
    feeds = {
        name: rng.standard_normal([size or 2 for size in shape]).astype("float32")
        for name, shape in shapes.items()
    }
    ours, theirs = run_graph(second, feeds), run_graph(first, feeds)
    for name in ours.keys() & theirs.keys():
        expected = np.asarray(theirs[name])
        worst = np.abs(np.asarray(ours[name]) - expected).max(initial=0.0)
        assert worst <= tolerance * max(np.abs(expected).max(initial=0.0), 1.0), name
