"""Cases of the float operators."""

from typing import Any, Final

from emu import ops
from tests.ops.operands import Case, Operand, activation, weight

SAME = ((1, 1), (1, 1))

_IMAGE = activation(6, 5, 4, dtype="float32")


def _real(*shape: int) -> Operand:
    return weight(*shape, dtype="float32", high=2)


def _conv(name: str, w: tuple[int, int, int, int], **fields: Any) -> Case:
    operands = (_IMAGE, _real(*w), _real(w[3]))
    return Case(name=name, op=ops.Conv(**fields), operands=operands)


_FUNCTIONS: Final = {
    "plain": ops.Relu(),
    "both": ops.Clip(low=-1.0, high=2.5),
    "above-only": ops.Clip(low=0.0, high=float("inf")),
    "default": ops.LeakyRelu(),
    "steep": ops.LeakyRelu(alpha=0.3),
    "logistic": ops.Sigmoid(),
    "linear": ops.HardSigmoid(),
    "sixth": ops.HardSigmoid(alpha=1 / 6, beta=0.4),
    "swish": ops.HardSwish(),
    "last": ops.Softmax(),
    "beta": ops.Softmax(beta=0.5),
    "rows": ops.Softmax(axis=1),
}

FLOATS: Final = [
    _conv("3x3-same", (3, 3, 4, 2), padding=SAME),
    _conv("5x4", (5, 4, 4, 3), padding=((2, 1), (0, 3)), stride=(2, 1)),
    _conv("dilation", (3, 2, 4, 3), dilation=(2, 3)),
    _conv("groups", (3, 3, 2, 6), groups=2, padding=SAME),
    _conv("depthwise", (3, 3, 1, 4), groups=4, padding=SAME, stride=(2, 2)),
    _conv("depthwise-2", (3, 3, 1, 8), groups=4, dilation=(2, 1)),
    Case(name="bare", op=ops.Conv(), operands=(_IMAGE, _real(1, 1, 4, 2))),
    Case(
        name="dense",
        op=ops.Gemm(),
        operands=(activation(33, dtype="float32"), _real(33, 5), _real(5)),
    ),
    Case(name="rows", op=ops.Gemm(), operands=(_IMAGE, _real(4, 7))),
    *(Case(name=name, op=op, operands=(_IMAGE,)) for name, op in _FUNCTIONS.items()),
    Case(name="alone", op=ops.Mul(alone=True), operands=(_IMAGE, _real(4))),
    Case(
        name="channels",
        op=ops.BatchNormalization(epsilon=1e-3),
        operands=(
            _IMAGE,
            *(_real(4) for _ in range(3)),
            weight(4, dtype="float32", low=0.1, high=3),
        ),
    ),
]
