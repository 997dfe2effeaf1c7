"""The embedded detector, stated once: trained by JAX and written as ONNX.

A backbone of residual blocks with BatchNormalization, a feature pyramid of two levels
(nearest upsampling and add) and one head, whose weights serve both levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jaxtyping import Array, Float, PRNGKeyArray
from onnx import TensorProto, helper, numpy_helper

CLASSES: Final = 10
SIDE: Final = 96
LEVELS: Final = (3, 4)
BN_EPSILON: Final = 1e-5
# Focal losses start from few objects: a probability of 0.01 for each class.
RARE: Final = -4.6

OPSET: Final = 17
IR_VERSION: Final = 8
PRODUCER: Final = "emu golden/digits_detection/train.py"

X = TypeVar("X")
Params: TypeAlias = dict[str, dict[str, Array]]
Stats: TypeAlias = dict[str, tuple[Array, Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution: with BatchNormalization and no bias (`bn`), or with a bias."""

    ci: int
    co: int
    kernel: int = 3
    stride: int = 1
    bn: bool = False
    bias: float = 0.0

    @property
    def pad(self) -> int:
        """Zeros on each side, so that stride 1 keeps height and width."""
        return self.kernel // 2


CONVS: Final[Mapping[str, Conv]] = MappingProxyType(
    {
        "stem": Conv(ci=1, co=16, stride=2, bn=True),
        "down2": Conv(ci=16, co=32, stride=2, bn=True),
        "block2a": Conv(ci=32, co=32, bn=True),
        "block2b": Conv(ci=32, co=32, bn=True),
        "down3": Conv(ci=32, co=48, stride=2, bn=True),
        "block3a": Conv(ci=48, co=48, bn=True),
        "block3b": Conv(ci=48, co=48, bn=True),
        "down4": Conv(ci=48, co=64, stride=2, bn=True),
        "block4a": Conv(ci=64, co=64, bn=True),
        "block4b": Conv(ci=64, co=64, bn=True),
        "lateral3": Conv(ci=48, co=48, kernel=1),
        "lateral4": Conv(ci=64, co=48, kernel=1),
        "smooth3": Conv(ci=48, co=48),
        "smooth4": Conv(ci=48, co=48),
        "head1": Conv(ci=48, co=48),
        "head2": Conv(ci=48, co=48),
        "scores": Conv(ci=48, co=CLASSES, bias=RARE),
        "boxes": Conv(ci=48, co=4),
    }
)


class Layers(Protocol[X]):
    """The layers that the network is made of; `name` is that of the node."""

    def conv(self, name: str, conv: str, x: X) -> X:
        """The convolution CONVS[conv] and its BatchNormalization if it has one."""
        ...

    def relu(self, name: str, x: X) -> X:
        """The larger of x and 0."""
        ...

    def add(self, name: str, x: X, y: X) -> X:
        """The sum of two maps of one shape."""
        ...

    def double(self, name: str, x: X) -> X:
        """Each pixel four times: twice the height and width."""
        ...

    def rows(self, name: str, x: X) -> X:
        """[n, c, h, w] to [n, h * w, c], the output `name` of the network."""
        ...


def network(layers: Layers[X], image: X) -> dict[str, X]:
    """The outputs `scores3`, `scores4`, `boxes3` and `boxes4` of a batch of images.

    Logits [n, cells, 10] and deltas [n, cells, 4] of the levels of stride 8 and 16.
    """

    def conv_relu(name: str, x: X) -> X:
        return layers.relu(f"{name}_relu", layers.conv(name, name, x))

    def block(name: str, x: X) -> X:
        inner = layers.conv(f"{name}b", f"{name}b", conv_relu(f"{name}a", x))
        return layers.relu(f"{name}_relu", layers.add(f"{name}_add", inner, x))

    c2 = block("block2", conv_relu("down2", conv_relu("stem", image)))
    c3 = block("block3", conv_relu("down3", c2))
    c4 = block("block4", conv_relu("down4", c3))
    p4 = layers.conv("lateral4", "lateral4", c4)
    p3 = layers.conv("lateral3", "lateral3", c3)
    p3 = layers.add("pyramid3", p3, layers.double("upsample4", p4))
    maps = {3: conv_relu("smooth3", p3), 4: conv_relu("smooth4", p4)}
    scores, boxes = {}, {}
    for level, x in maps.items():
        for part in ("head1", "head2"):
            name = f"{part}_{level}"
            x = layers.relu(f"{name}_relu", layers.conv(name, part, x))  # noqa: PLW2901
        for part, found in (("scores", scores), ("boxes", boxes)):
            name = f"{part}{level}"
            found[name] = layers.rows(name, layers.conv(f"{part}_{level}", part, x))
    return scores | boxes


def initial_params(key: PRNGKeyArray) -> Params:
    """He-normal weights, BatchNormalizations that change nothing."""
    he_normal = jax.nn.initializers.he_normal(in_axis=1, out_axis=0)
    params: Params = {}
    for name, conv in CONVS.items():
        key, own = jax.random.split(key)
        shape = (conv.co, conv.ci, conv.kernel, conv.kernel)
        params[name] = {"weight": he_normal(own, shape, jnp.float32)}
        if conv.bn:
            params[name] |= {"gamma": jnp.ones(conv.co), "beta": jnp.zeros(conv.co)}
        else:
            params[name]["bias"] = jnp.full(conv.co, conv.bias)
    # Boxes start as their anchors, whatever the features are.
    params["boxes"]["weight"] *= 0.1
    params["scores"]["weight"] *= 0.1
    return params


def forward(
    params: Params, x: Float[Array, "n 1 96 96"], stats: Stats | None = None
) -> tuple[dict[str, Array], Stats]:
    """Outputs, and the mean and variance that each BatchNormalization used.

    Args:
        params: As `initial_params` makes them.
        x: Model input, float32 [n, 1, 96, 96].
        stats: Mean and variance per convolution; None takes those of this batch.
    """
    layers = _JaxLayers(params=params, stats=stats)
    return network(layers, x.transpose(0, 2, 3, 1)), layers.used


@dataclass(frozen=True, slots=True, kw_only=True)
class _JaxLayers:
    """Maps are [n, h, w, c], which XLA computes faster on CPUs."""

    params: Params
    stats: Stats | None
    used: Stats = field(default_factory=dict)

    def conv(self, name: str, conv: str, x: Array) -> Array:  # noqa: ARG002
        what, own = CONVS[conv], self.params[conv]
        y = jax.lax.conv_general_dilated(
            x,
            own["weight"],
            window_strides=(what.stride, what.stride),
            padding=[(what.pad, what.pad)] * 2,
            dimension_numbers=("NHWC", "OIHW", "NHWC"),
        )
        if not what.bn:
            return y + own["bias"][None, None, None]
        axes = (0, 1, 2)
        mean, variance = self.stats[conv] if self.stats else (y.mean(axes), y.var(axes))
        self.used[conv] = (mean, variance)
        factor = own["gamma"] / jnp.sqrt(variance + BN_EPSILON)
        shift = own["beta"] - mean * factor
        return y * factor[None, None, None] + shift[None, None, None]

    def relu(self, name: str, x: Array) -> Array:  # noqa: ARG002
        return jax.nn.relu(x)

    def add(self, name: str, x: Array, y: Array) -> Array:  # noqa: ARG002
        return x + y

    def double(self, name: str, x: Array) -> Array:  # noqa: ARG002
        return x.repeat(2, axis=1).repeat(2, axis=2)

    def rows(self, name: str, x: Array) -> Array:  # noqa: ARG002
        return x.reshape(len(x), -1, x.shape[-1])


def to_onnx(params: Params, stats: Stats) -> onnx.ModelProto:
    """The trained network as ONNX: input `image` [N, 1, 96, 96]."""
    layers = _OnnxLayers(params=params, stats=stats)
    outputs = network(layers, "image")
    cells = {level: (SIDE >> level) ** 2 for level in LEVELS}
    columns = {"scores": CLASSES, "boxes": 4}

    def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    graph = helper.make_graph(
        layers.nodes,
        "digits_detection",
        [tensor("image", "N", 1, SIDE, SIDE)],
        [tensor(o, "N", cells[int(o[-1])], columns[o[:-1]]) for o in outputs.values()],
        list(layers.weights.values()),
    )
    model = helper.make_model(
        graph,
        producer_name=PRODUCER,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnnxLayers:
    """A tensor is its name; weights that two nodes share are stored once."""

    params: Params
    stats: Stats
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def conv(self, name: str, conv: str, x: str) -> str:
        what, own = CONVS[conv], self.params[conv]
        names = [self._weight(f"{conv}.weight", own["weight"])]
        if not what.bn:
            names.append(self._weight(f"{conv}.bias", own["bias"]))
        y = self._node(
            "Conv",
            name,
            x,
            *names,
            kernel_shape=[what.kernel] * 2,
            strides=[what.stride] * 2,
            pads=[what.pad] * 4,
        )
        if not what.bn:
            return y
        mean, variance = self.stats[conv]
        return self._node(
            "BatchNormalization",
            f"{name}_bn",
            y,
            self._weight(f"{conv}.gamma", own["gamma"]),
            self._weight(f"{conv}.beta", own["beta"]),
            self._weight(f"{conv}.mean", mean),
            self._weight(f"{conv}.variance", variance),
            epsilon=BN_EPSILON,
        )

    def relu(self, name: str, x: str) -> str:
        return self._node("Relu", name, x)

    def add(self, name: str, x: str, y: str) -> str:
        return self._node("Add", name, x, y)

    def double(self, name: str, x: str) -> str:
        scales = self._weight("double", np.array([1, 1, 2, 2], np.float32))
        return self._node(
            "Resize",
            name,
            x,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def rows(self, name: str, x: str) -> str:
        moved = self._node("Transpose", f"{name}_moved", x, perm=[0, 2, 3, 1])
        last = CONVS[name[:-1]].co
        shape = self._weight(f"{name[:-1]}.rows", np.array([0, -1, last], np.int64))
        return self._node("Reshape", name, moved, shape, output=name)

    def _weight(self, name: str, value: Array | np.ndarray) -> str:
        self.weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(
        self,
        op_type: str,
        name: str,
        *inputs: str,
        output: str = "",
        **attributes: Any,  # noqa: ANN401
    ) -> str:
        output = output or f"{name}_out"
        self.nodes.append(
            helper.make_node(op_type, list(inputs), [output], name=name, **attributes)
        )
        return output
