"""Models of one QLinear operator on random shapes, weights and parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

Array = np.ndarray[Any, Any]
Shape = tuple[int | str, ...]

OPSETS: Final = (("", 13), ("com.microsoft", 1))
IMAGE: Final[Shape] = ("N", 6, 9, 7)
ROWS: Final[Shape] = ("N", 33)


class Drawer:
    """Draws scales, zero points and weights; collects them as initializers."""

    def __init__(self, seed: int, dtype: type[np.integer]) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.arrays: dict[str, Array] = {}

    def scale(self, name: str, low: float, high: float, size: int = 0) -> str:
        drawn = self.rng.uniform(low, high, size or None)
        self.arrays[name] = np.array(drawn, np.float32)
        return name

    def zero_point(self, name: str, dtype: Any = None, size: int = 0) -> str:
        held = np.iinfo(self.dtype)
        middle = (int(held.max) + int(held.min) + 1) // 2
        if dtype is not None:
            self.arrays[name] = np.zeros(size or (), dtype)
        else:
            drawn = self.rng.integers(middle - 40, middle + 40)
            self.arrays[name] = np.array(drawn, self.dtype)
        return name

    def form(self, name: str, low: float, high: float) -> list[str]:
        return [self.scale(f"{name}s", low, high), self.zero_point(f"{name}z")]

    def codes(self, name: str, *shape: int, dtype: Any = np.int8) -> str:
        # Without VNNI, ONNX Runtime adds two products uint8 * int8 in a saturating
        # int16: weights of 7 bits never reach its limits, and all CPUs agree.
        low, high = (-63, 63) if dtype == np.int8 else (-3000, 3000)
        self.arrays[name] = self.rng.integers(low, high, shape, dtype, endpoint=True)
        return name


def build(
    drawer: Drawer,
    kind: str,
    inputs: Sequence[str],
    shapes: Mapping[str, Shape],
    domain: str = "com.microsoft",
    **attributes: Any,
) -> onnx.ModelProto:
    """The model of one node "node" with integer inputs and the output y."""
    rank = len(next(iter(shapes.values())))
    node = helper.make_node(
        kind, list(inputs), ["y"], name="node", domain=domain, **attributes
    )
    element = helper.np_dtype_to_tensor_dtype(drawer.dtype)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, element, s) for n, s in shapes.items()],
        # Only the rank of the result is said: its sizes are left open.
        [helper.make_tensor_value_info("y", element, [f"y{i}" for i in range(rank)])],
        [numpy_helper.from_array(a, n) for n, a in drawer.arrays.items()],
    )
    opsets = [helper.make_opsetid(*opset) for opset in OPSETS]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def conv(drawer: Drawer, group: int = 1, per_channel: bool = True) -> onnx.ModelProto:
    co = 12
    size = co if per_channel else 0
    inputs = [
        "x",
        *drawer.form("x", 0.01, 0.05),
        drawer.codes("w", co, 6 // group, 3, 3),
        drawer.scale("ws", 0.001, 0.01, size),
        drawer.zero_point("wz", np.int8, size),
        *drawer.form("y", 0.1, 0.2),
        drawer.codes("b", co, dtype=np.int32),
    ]
    return build(
        drawer, "QLinearConv", inputs, {"x": IMAGE}, "", group=group, pads=[1, 1, 0, 2]
    )


def matmul(drawer: Drawer) -> onnx.ModelProto:
    inputs = [
        "x",
        *drawer.form("x", 0.01, 0.05),
        drawer.codes("w", 33, 20),
        drawer.scale("ws", 0.001, 0.01),
        drawer.zero_point("wz", np.int8),
        *drawer.form("y", 0.05, 0.2),
    ]
    return build(drawer, "QLinearMatMul", inputs, {"x": ROWS}, "")


def gemm(drawer: Drawer) -> onnx.ModelProto:
    inputs = [
        "x",
        *drawer.form("x", 0.01, 0.05),
        drawer.codes("w", 20, 33),
        drawer.scale("ws", 0.001, 0.01, 20),
        drawer.zero_point("wz", np.int8, 20),
        drawer.codes("b", 20, dtype=np.int32),
        *drawer.form("y", 0.05, 0.2),
    ]
    return build(drawer, "QGemm", inputs, {"x": ROWS}, transB=1)


def of_two(kind: str) -> Callable[[Drawer], onnx.ModelProto]:
    def make(drawer: Drawer) -> onnx.ModelProto:
        forms = (drawer.form(name, 0.01, 0.05) for name in "ab")
        (a, b), result = forms, drawer.form("y", 0.02, 0.1)
        inputs = ["a", *a, "b", *b, *result]
        return build(drawer, kind, inputs, {"a": IMAGE, "b": IMAGE})

    return make


def of_one(
    kind: str, low: float, high: float, shape: Shape = IMAGE, **attributes: Any
) -> Callable[[Drawer], onnx.ModelProto]:
    def make(drawer: Drawer) -> onnx.ModelProto:
        inputs = ["x", *drawer.form("x", 0.01, 0.05), *drawer.form("y", low, high)]
        return build(drawer, kind, inputs, {"x": shape}, **attributes)

    return make


def concat(drawer: Drawer) -> onnx.ModelProto:
    result = drawer.form("y", 0.01, 0.05)
    forms = [drawer.form(name, 0.01, 0.05) for name in "ab"]
    inputs = [*result, "a", *forms[0], "b", *forms[1]]
    return build(drawer, "QLinearConcat", inputs, {"a": IMAGE, "b": IMAGE}, axis=1)


def where(drawer: Drawer) -> onnx.ModelProto:
    forms = [drawer.form(name, 0.01, 0.05) for name in "ab"]
    result = drawer.form("y", 0.01, 0.05)
    inputs = ["c", "a", *forms[0], "b", *forms[1], *result]
    model = build(drawer, "QLinearWhere", inputs, {"a": IMAGE, "b": IMAGE})
    condition = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, IMAGE)
    model.graph.input.append(condition)
    return model


WINDOW: Final[dict[str, Any]] = {
    "kernel_shape": [3, 2],
    "strides": [2, 1],
    "pads": [1, 0, 1, 1],
}

MODELS: Final[Mapping[str, Callable[[Drawer], onnx.ModelProto]]] = {
    "conv": conv,
    "conv per tensor": lambda drawer: conv(drawer, per_channel=False),
    "conv in groups": lambda drawer: conv(drawer, 3),
    "depthwise conv": lambda drawer: conv(drawer, 6),
    "matmul": matmul,
    "gemm": gemm,
    "add": of_two("QLinearAdd"),
    "mul": of_two("QLinearMul"),
    "concat": concat,
    "where": where,
    "sigmoid": of_one("QLinearSigmoid", 0.003, 0.005),
    "leaky relu": of_one("QLinearLeakyRelu", 0.01, 0.05, alpha=0.1),
    "softmax": of_one("QLinearSoftmax", 0.003, 0.005, axis=-1, opset=13),
    "softmax of rows": of_one("QLinearSoftmax", 0.003, 0.005, ROWS, axis=-1, opset=13),
    "average pool": of_one("QLinearAveragePool", 0.01, 0.05, **WINDOW),
    "global average pool": of_one("QLinearGlobalAveragePool", 0.005, 0.02),
}


def draw(name: str, seed: int, dtype: type[np.integer]) -> onnx.ModelProto:
    return MODELS[name](Drawer(seed, dtype))


def random_codes(model: onnx.ModelProto, batch: int, seed: int) -> dict[str, Array]:
    """Inputs over the whole dtype; of conditions both."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for info in model.graph.input:
        tensor = info.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        shape = (batch, *(dim.dim_value for dim in tensor.shape.dim[1:]))
        if dtype == np.bool_:
            feeds[info.name] = rng.integers(0, 2, shape).astype(np.bool_)
            continue
        held = np.iinfo(dtype)
        feeds[info.name] = rng.integers(held.min, held.max, shape, dtype, endpoint=True)
    return feeds
