"""The bias of layers that sum products."""

import numpy as np

from emu.errors import ModelError, UnsupportedError
from emu.fixedpoint import QParams
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope


def bias(scope: Scope, node: TfliteNode, at: int, size: int) -> tuple[str, ...]:
    """The bias at operand `at`: one value per output channel; nothing if absent.

    A file may leave out the scales of an integer bias: they are those of the weights
    times the operand's, in float32.
    """
    index = node.operand(at)
    if index < 0:
        return ()
    array = scope.value(index, "bias")
    if array.shape != (size,):
        raise UnsupportedError(f"bias of shape {array.shape}, expected ({size},)")
    bare = np.issubdtype(array.dtype, np.integer) and scope.meaning(index) is None
    if not bare:
        return (scope.constant(node, index, "bias"),)
    qparams = _product_scales(scope, node, at)
    name = scope.tensor(index).name
    return (scope.integers(name, array, qparams),)


def _product_scales(scope: Scope, node: TfliteNode, at: int) -> QParams:
    # The operand and the weights stand before the bias, in this or the other order.
    x, w = sorted(node.inputs[at - 2 : at], key=scope.is_constant)
    weights, held = scope.meaning(w), scope.tensor(x).qparams
    if weights is None or held is None:
        raise ModelError("an integer bias without a scale", where=node.name)
    scale = np.array(weights.scale, np.float32) * np.float32(held.scale[0])
    axis = None if len(weights.scale) == 1 else 0
    return QParams(tuple(scale.tolist()), (0,) * len(weights.scale), axis)
