"""Small float Graphs for tests: one with every layer that has an integer form."""

import numpy as np

from emu.graph import Golden, Graph, GraphBuilder, Tensor
from emu.ops import (
    Add,
    AveragePool,
    BatchGemm,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Elu,
    Exp,
    Gelu,
    Gemm,
    HardSigmoid,
    HardSwish,
    Identity,
    Interpolation,
    LeakyRelu,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Op,
    Pad,
    PRelu,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
    Relu,
    Reshape,
    Resize,
    Reverse,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    SquaredDifference,
    Sub,
    Tanh,
    Transpose,
)

SAME = ((1, 1), (1, 1))


class ZooBuilder:
    """GraphBuilder with weights drawn from one seeded generator."""

    def __init__(self, name: str, shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder(name)
        perm = tuple(range(len(shape) + 1))
        tensor = Tensor(shape=(None, *shape), golden=Golden(name="x", perm=perm))
        self.builder.input("x", tensor)

    def weights(self, name: str, *shape: int) -> str:
        spread = 1.0 / np.sqrt(np.prod(shape[:-1]))
        values = self.rng.normal(0.0, spread, shape).astype(np.float32)
        return self.builder.constant(name, values)

    def add(self, op: Op, *inputs: str, to: str) -> str:
        rank = self._rank(op, inputs)
        golden = Golden(name=to, perm=tuple(range(rank)))
        return self.builder.add(op, inputs, to, layer=to, name=to, golden=golden)

    def _rank(self, op: Op, inputs: tuple[str, ...]) -> int:
        if isinstance(op, Reshape):
            return len(op.shape) + 1
        shape = self.builder.tensors[inputs[0]].shape
        if isinstance(op, ReduceMean) and not op.keepdims:
            return len(shape) - len(op.axes)
        return len(shape)

    def conv(self, x: str, to: str, co: int, kernel: int = 3, **fields) -> str:
        ci = self.builder.tensors[x].shape[-1] or 0
        groups = fields.get("groups", 1)
        w = self.weights(f"{to}.w", kernel, kernel, ci // groups, co)
        b = self.weights(f"{to}.b", co)
        return self.add(Conv(**fields), x, w, b, to=to)


def every_layer() -> Graph:
    """Every layer kind of `LOWERINGS`, a float tail (softmax) and two outputs."""
    zoo = ZooBuilder("every_layer", (8, 8, 3))
    add = zoo.add
    stem = add(Relu(), zoo.conv("x", "stem", 8, padding=SAME), to="stem.relu")
    deep = add(
        Clip(low=0.0, high=6.0),
        zoo.conv(stem, "deep", 16, groups=8, padding=SAME),
        to="deep.clip",
    )
    group = zoo.conv(deep, "group", 8, groups=2, padding=((0, 2), (2, 0)))
    wide = zoo.conv(stem, "wide", 8, padding=((2, 2), (2, 2)), dilation=(2, 2))
    summed = add(Relu(), add(Add(), group, wide, to="sum"), to="sum.relu")
    less = add(Sub(), summed, stem, to="less")
    swish = add(HardSwish(), less, to="swish")
    gate = add(Sigmoid(), wide, to="gate")
    gated = add(Mul(), swish, gate, to="gated")
    leaky = add(LeakyRelu(alpha=0.1), gated, to="leaky")
    squashed = add(HardSigmoid(alpha=0.2, beta=0.5), group, to="squashed")
    joined = add(Concat(axis=3), leaky, squashed, stem, to="joined")
    bent = more_layers(zoo, wide, deep)
    alone = add(Relu(), add(Identity(), bent, to="same"), to="alone")
    alone = add(Concat(axis=3), alone, joined, to="all")
    biggest = add(
        MaxPool(kernel=(3, 3), stride=(2, 2), padding=SAME), alone, to="biggest"
    )
    padded = add(Pad(padding=((0, 0), (1, 0), (0, 1), (0, 0))), biggest, to="padded")
    mean = add(
        AveragePool(kernel=(2, 2), stride=(1, 1), padding=((1, 0), (0, 1))),
        padded,
        to="mean",
    )
    stride = zoo.conv(mean, "stride", 12, kernel=1, stride=(2, 2))
    moved = add(Transpose(perm=(0, 3, 1, 2)), stride, to="moved")
    flat = add(Reshape(shape=(12 * 9,)), moved, to="flat")
    pooled = add(ReduceMean(axes=(1, 2), keepdims=False), stride, to="pooled")
    both = add(Concat(axis=1), flat, pooled, to="both")
    w, b = zoo.weights("fc.w", 12 * 10, 5), zoo.weights("fc.b", 5)
    scores = add(Gemm(), both, w, b, to="scores")
    shares = add(Softmax(axis=-1), scores, to="shares")
    return zoo.builder.build((shares, pooled), {"format": "zoo"})


def more_layers(zoo: ZooBuilder, x: str, y: str) -> str:
    """The layers that few classifiers have; x and y are images of 8 x 8."""
    add = zoo.add
    w, b = zoo.weights("up.w", 2, 2, 8, 8), zoo.weights("up.b", 8)
    up = add(ConvTranspose(stride=(2, 2), padding=((0, 1), (1, 0))), x, w, b, to="up")
    half = Resize(size=(8, 8), mode=Interpolation.LINEAR)
    down = add(half, up, to="down")
    # The batch axis is whole; the other axes lose a border.
    inner = Slice(starts=(0, 0, 0, 0), sizes=(-1, 8, 8, 8), steps=(1, 1, 1, 2))
    part = add(inner, y, to="part")
    bent = add(Tanh(), down, to="tanh")
    bent = add(Minimum(), bent, add(Elu(), part, to="elu"), to="least")
    bent = add(Maximum(), bent, add(Gelu(), x, to="gelu"), to="most")
    bent = add(SquaredDifference(), bent, add(Exp(), down, to="exp"), to="square")
    slopes = zoo.weights("slopes", 8)
    bent = add(PRelu(), add(BatchGemm(), bent, part, to="products"), slopes, to="prelu")
    total = add(ReduceSum(axes=(1,)), bent, to="total")
    raised = add(Add(), bent, total, to="raised")
    top = add(ReduceMax(axis=1), raised, to="top")
    low = add(ReduceMin(axis=2), raised, to="low")
    span = add(Add(), top, add(Silu(), low, to="silu"), to="span")
    return add(Reverse(axis=1), span, to="turned")


def two_convs() -> Graph:
    """Conv, Relu, Conv on 4x4 images: the smallest network with an inner layer."""
    zoo = ZooBuilder("two_convs", (4, 4, 2), seed=1)
    first = zoo.add(Relu(), zoo.conv("x", "first", 4, padding=SAME), to="first.relu")
    return zoo.builder.build((zoo.conv(first, "second", 3, padding=SAME),))


def images(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    """Normal samples for the graph's input, float32."""
    shape = [d for d in graph.tensors[graph.inputs[0]].shape if d is not None]
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *shape)).astype(np.float32)
