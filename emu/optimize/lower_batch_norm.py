"""lower_batch_norm: what BatchNormalization is left becomes convolution or arithmetic."""

import numpy as np

from emu.graph import Graph, Node, Tensor
from emu.ops import Add, BatchNormalization, Conv, Mul
from emu.optimize.fold_affine import Affine, batch_norm_affine
from emu.optimize.rewrite import Rewrite


def lower_batch_norm(graph: Graph) -> Graph:
    """Replace BatchNormalization by operators that are quantized.

    - of rank 4: a depthwise 1x1 Conv with bias;
    - of other ranks: a Mul and an Add of constants.

    Left alone: one with computed parameters. Run `fold_affine` first, which folds
    those that follow a Conv or Gemm. The last new node has the name of the old.
    """
    work = Rewrite(graph)
    for node in graph.nodes:
        affine = None
        if isinstance(node.op, BatchNormalization):
            affine = batch_norm_affine(graph, node)
        if affine is None:
            work.keep(node)
        elif len(graph.tensors[node.output].shape) == 4:
            _lower_to_conv(work, node, affine)
        else:
            _lower_to_arithmetic(work, node, affine)
    return work.build()


def _lower_to_conv(work: Rewrite, node: Node, affine: Affine) -> None:
    channels = affine.factor.size
    weights = affine.factor.astype(np.float32).reshape(1, 1, 1, channels)
    inputs = (
        affine.x,
        work.constant(f"{node.name}:weight", weights),
        work.constant(f"{node.name}:bias", affine.offset.astype(np.float32)),
    )
    op = Conv(groups=channels)
    work.keep(
        Node(name=node.name, op=op, inputs=inputs, output=node.output, layer=node.layer)
    )


def _lower_to_arithmetic(work: Rewrite, node: Node, affine: Affine) -> None:
    shape = work.tensors[node.output].shape
    lead = (1,) * (len(shape) - 1) + (-1,)
    factor = work.constant(
        f"{node.name}:factor", affine.factor.astype(np.float32).reshape(lead)
    )
    offset = work.constant(
        f"{node.name}:offset", affine.offset.astype(np.float32).reshape(lead)
    )
    scaled = work.tensor(f"{node.output}:scaled", Tensor(shape=shape))
    names = {other.name for other in work.graph.nodes}
    title = f"{node.name}:mul"
    while title in names:
        title += "'"
    mul = Node(
        name=title,
        op=Mul(),
        inputs=(affine.x, factor),
        output=scaled,
        layer=title,
    )
    add = Node(
        name=node.name,
        op=Add(),
        inputs=(scaled, offset),
        output=node.output,
        layer=node.layer,
    )
    work.keep(mul)
    work.keep(add)
