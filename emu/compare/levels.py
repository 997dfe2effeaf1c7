"""Levels of a pyramid: how many pixels of the input a cell of a tensor stands for.

A detector looks at an image on several grids; P3 is the level whose cells are 2**3
pixels apart (Lin et al., Feature Pyramid Networks, arXiv:1612.03144). Nothing in a file
says which grid a tensor belongs to, so it is followed from the input: an operator on
[n, h, w, c] gives the grid h x w, and what only moves or joins values keeps the grids
of its operands.
"""

from collections.abc import Mapping
from typing import Final

from emu.graph import Graph, Shape
from emu.ops import Reshape, Transpose

Grid = tuple[int, int]

# Cells of 2**16 pixels are beyond every image.
_LEVELS: Final = 17


def tensor_levels(graph: Graph) -> Mapping[str, str]:
    """The level of each tensor: "P3", or "P3+P4+P5" where several lie in one tensor.

    A level Pn has ceil(H / 2**n) x ceil(W / 2**n) cells for an input of H x W pixels. A
    grid of another size is named by it ("7x5"), and so is one of a single cell ("1x1"),
    which a mean over the whole image gives too. Tensors that no grid leads to have no
    entry. There are none at all unless the graph takes one image and its outputs hold
    two or more levels.
    """
    size = _image_size(graph)
    if size is None:
        return {}
    grids = _grids(graph, size)
    if len({grid for name in graph.outputs for grid in grids.get(name, ())}) < 2:
        return {}
    return {
        name: "+".join(_name(grid, size) for grid in sorted(found, reverse=True))
        for name, found in grids.items()
        if found
    }


def _image_size(graph: Graph) -> Grid | None:
    """Height and width of the one input [n, h, w, c] or [n, c, h, w], c the smallest."""
    shape = graph.tensors[graph.inputs[0]].shape if len(graph.inputs) == 1 else ()
    if len(shape) != 4 or None in shape[1:]:
        return None
    first, second, third = (size or 0 for size in shape[1:])
    return (second, third) if first < third else (first, second)


def _grids(graph: Graph, size: Grid) -> dict[str, frozenset[Grid]]:
    """The grids that each tensor holds values of."""
    (image,) = graph.inputs
    grids = {image: frozenset({size})}
    laid_out = {image} if graph.tensors[image].shape[1:3] == size else set()
    for node in graph.nodes:
        shape = graph.tensors[node.output].shape
        held = frozenset().union(*(grids.get(name, ()) for name in node.inputs))
        moves = isinstance(node.op, Reshape | Transpose)
        computed = not moves and not laid_out.isdisjoint(node.inputs)
        # Moved values lie on their grid again where its height and width come back.
        if len(shape) == 4 and (computed or shape[1:3] in held):
            laid_out.add(node.output)
            held = frozenset({_grid(shape)})
        grids[node.output] = held
    return grids


def _grid(shape: Shape) -> Grid:
    return shape[1] or 0, shape[2] or 0


def _name(grid: Grid, size: Grid) -> str:
    for level in range(_LEVELS):
        stride = 2**level
        if grid == (-(-size[0] // stride), -(-size[1] // stride)) != (1, 1):
            return f"P{level}"
    return f"{grid[0]}x{grid[1]}"
