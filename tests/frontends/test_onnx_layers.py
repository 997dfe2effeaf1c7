"""Further float operators, in each of their versions, beside ONNX Runtime."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import onnx
import pytest

from emu.errors import UnsupportedError
from emu.frontends.onnx_ops import IMPORTERS
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    one_node_model,
    opsets_of,
)
from tests.frontends.test_onnx_ops import CASES, IMAGE, normal, whole

Build = Callable[[int], onnx.ModelProto]

# Operators of quantized files and those that only static graphs have: tested in
# test_onnx_quantize, _qlinear, _qonnx, _integer and _static.
ELSEWHERE: Final = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "Cast",
    "Shape",
    "Where",
    "emu.MulAlone",
    "com.microsoft.QuantizeLinear",
    "com.microsoft.DequantizeLinear",
    "qonnx.Quant",
    "qonnx.IntQuant",
    "qonnx.BipolarQuant",
    "qonnx.Trunc",
}


def of_image(op: str, **attributes: Any) -> Build:
    return lambda opset: one_node_model(op, [IMAGE], opset=opset, **attributes)


def of_two(op: str) -> Build:
    return lambda opset: one_node_model(op, [IMAGE, ("N", 4, 1, 1)], opset=opset)


def with_constant(op: str, constant: np.ndarray) -> Build:
    return lambda opset: one_node_model(
        op, [IMAGE], opset=opset, constants={"c": constant}
    )


def of_three(op: str) -> Build:
    return lambda opset: one_node_model(
        op, [IMAGE, ("N", 4, 1, 1)], opset=opset, constants={"c": normal(6, 5)}
    )


def positive(op: str) -> Build:
    return with_constant(op, np.abs(normal(4, 6, 5)) + np.float32(0.1))


def conv_transpose(groups: int, **attributes: Any) -> Build:
    constants = {"w": normal(4, 3, 3, 2), "b": normal(3 * groups)}
    return lambda opset: one_node_model(
        "ConvTranspose",
        [IMAGE],
        opset=opset,
        constants=constants,
        group=groups,
        **attributes,
    )


def matmul_of_two(opset: int) -> onnx.ModelProto:
    return one_node_model("MatMul", [("N", 3, 4, 5), ("N", 3, 5, 2)], opset=opset)


def resize(opset: int, scales: Sequence[float], **attributes: Any) -> onnx.ModelProto:
    constants = {"s": np.array(scales, np.float32)}
    operands = ["x0", "s"] if opset < 11 else ["x0", "roi", "s"]
    if opset >= 11:
        constants["roi"] = np.array([], np.float32)
    return one_node_model(
        "Resize",
        [IMAGE],
        opset=opset,
        constants=constants,
        operands=operands,
        **attributes,
    )


def resize_by(mode: str) -> Build:
    return lambda opset: resize(opset, [1, 1, 2, 2], mode=mode)


def upsample(opset: int) -> onnx.ModelProto:
    if opset < 9:
        return one_node_model(
            "Upsample", [IMAGE], opset=opset, scales=[1.0, 1.0, 2.0, 3.0]
        )
    scales = {"s": np.array([1, 1, 2, 3], np.float32)}
    return one_node_model("Upsample", [IMAGE], opset=opset, constants=scales)


def cut(
    starts: list[int], ends: list[int], axes: list[int], steps: list[int] | None = None
) -> Build:
    def build(opset: int) -> onnx.ModelProto:
        if opset < 10:
            return one_node_model(
                "Slice", [IMAGE], opset=opset, starts=starts, ends=ends, axes=axes
            )
        bounds = {"s": whole(*starts), "e": whole(*ends), "a": whole(*axes)}
        if steps:
            bounds["t"] = whole(*steps)
        return one_node_model("Slice", [IMAGE], opset=opset, constants=bounds)

    return build


def split(opset: int) -> onnx.ModelProto:
    sizes = [1, 3]
    model = one_node_model("Split", [IMAGE], opset=opset, axis=1)
    if opset < 13:
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("split", sizes))
    else:
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(whole(*sizes), "sizes")
        )
        model.graph.node[0].input.append("sizes")
    return _with_second_output(model, (2, 3, 6, 5))


def split_equally(opset: int) -> onnx.ModelProto:
    count: dict[str, Any] = {"num_outputs": 2} if opset >= 18 else {}
    model = one_node_model("Split", [IMAGE], opset=opset, axis=2, **count)
    return _with_second_output(model, (2, 4, 3, 5))


def _with_second_output(
    model: onnx.ModelProto, shape: Sequence[int]
) -> onnx.ModelProto:
    model.graph.node[0].output.append("z")
    info = onnx.helper.make_tensor_value_info("z", 1, ["N", *shape[1:]])
    model.graph.output.append(info)
    first = [shape[0], *shape[1:]]
    whole_shape = [2, 4, 6, 5]
    axis = next(i for i in range(1, 4) if first[i] != whole_shape[i])
    first[axis] = whole_shape[axis] - first[axis]
    model.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("y", 1, ["N", *first[1:]])
    )
    return model


def reduction(op: str, axes: tuple[int, ...], keepdims: int) -> Build:
    def build(opset: int) -> onnx.ModelProto:
        attributes: dict[str, Any] = {"keepdims": keepdims}
        if opset >= (13 if op == "ReduceSum" else 18):
            constants = {"axes": whole(*axes)}
        else:
            constants, attributes["axes"] = {}, list(axes)
        return one_node_model(
            op, [IMAGE], opset=opset, constants=constants, **attributes
        )

    return build


LAYERS: Final[dict[str, tuple[str, Build]]] = {
    "conv transpose": ("ConvTranspose", conv_transpose(1)),
    "conv transpose in groups": (
        "ConvTranspose",
        conv_transpose(
            2,
            strides=[2, 3],
            pads=[1, 0, 0, 1],
            output_padding=[1, 2],
            dilations=[2, 1],
        ),
    ),
    "matmul of two": ("MatMul", matmul_of_two),
    "divide": ("Div", positive("Div")),
    "minimum": ("Min", of_two("Min")),
    "minimum of one": ("Min", of_image("Min")),
    "maximum": ("Max", with_constant("Max", normal(4, 1, 1))),
    "maximum of three": ("Max", of_three("Max")),
    "prelu": ("PRelu", with_constant("PRelu", normal(4, 1, 1))),
    "tanh": ("Tanh", of_image("Tanh")),
    "exp": ("Exp", of_image("Exp")),
    "elu": ("Elu", of_image("Elu", alpha=0.7)),
    "gelu": ("Gelu", of_image("Gelu")),
    "gelu by tanh": ("Gelu", of_image("Gelu", approximate="tanh")),
    "round": ("Round", of_image("Round")),
    "resize nearest": ("Resize", resize_by("nearest")),
    "resize linear": ("Resize", resize_by("linear")),
    "upsample": ("Upsample", upsample),
    "slice": ("Slice", cut([1, -4], [2**31, -1], [1, 2])),
    "slice of rows": ("Slice", cut([0], [2], [3])),
    "split": ("Split", split),
    "split equally": ("Split", split_equally),
    "sum": ("ReduceSum", reduction("ReduceSum", (2, 3), 1)),
    "sum to rows": ("ReduceSum", reduction("ReduceSum", (1,), 0)),
    "largest": ("ReduceMax", reduction("ReduceMax", (1, 3), 0)),
    "smallest": ("ReduceMin", reduction("ReduceMin", (2,), 1)),
}


def opsets(op: str) -> list[int]:
    """Those that can be run: Min and Max broadcast since 8, Upsample ended with 9."""
    known = {"Min": range(8, 99), "Max": range(8, 99), "Upsample": range(10)}
    return [opset for opset in opsets_of(op) if opset in known.get(op, range(99))]


@pytest.mark.parametrize(
    ("name", "opset"),
    [(name, opset) for name, (op, _) in LAYERS.items() for opset in opsets(op)],
)
def test_operator_agrees_with_onnxruntime(name, opset):
    check_against_onnxruntime(LAYERS[name][1](opset))


def test_every_imported_operator_has_a_case():
    tested = {op for op, _ in (*CASES.values(), *LAYERS.values())}
    assert tested | ELSEWHERE == set(IMPORTERS)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    "way",
    [
        "half_pixel",
        "pytorch_half_pixel",
        "asymmetric",
        "align_corners",
        "tf_half_pixel_for_nn",
    ],
)
@pytest.mark.parametrize("scales", [[1, 1, 2, 3], [1, 1, 0.5, 1.7]])
def test_resize_knows_all_coordinates(mode, way, scales):
    if (mode, way) == ("linear", "tf_half_pixel_for_nn"):
        pytest.skip("made for nearest")
    check_against_onnxruntime(
        resize(18, scales, mode=mode, coordinate_transformation_mode=way)
    )


@pytest.mark.parametrize(
    "nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
)
def test_resize_knows_all_roundings(nearest):
    check_against_onnxruntime(resize(13, [1, 1, 1.5, 2], nearest_mode=nearest))


@pytest.mark.parametrize(("axes", "sizes"), [(None, [2, 4, 9, 7]), ([2, 3], [9, 7])])
def test_resize_to_sizes(axes, sizes):
    attributes = {} if axes is None else {"axes": axes}
    model = one_node_model(
        "Resize",
        [(2, 4, 6, 5)],
        opset=18,
        constants={"sizes": whole(*sizes)},
        operands=["x0", "", "", "sizes"],
        mode="linear",
        **attributes,
    )
    check_against_onnxruntime(model)


def test_slices_downwards_and_with_steps():
    check_against_onnxruntime(cut([-1, 5], [-9, 0], [2, 3], [-2, -3])(13))
    check_against_onnxruntime(cut([1], [6], [2], [2])(13))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (resize(13, [1, 1, 2, 2], mode="cubic"), "mode cubic"),
        (resize(13, [1, 2, 2, 2]), "only h and w"),
        (resize(18, [1, 1, 0.5, 1], mode="linear", antialias=1), "antialias"),
        (cut([1], [2], [0])(13), "cuts the batch"),
        (cut([3], [3], [1])(13), "without elements"),
        (of_image("Gelu", approximate="rough")(20), "approximate rough"),
    ],
)
def test_forms_that_cannot_be_run_say_why(model, reason):
    with pytest.raises(UnsupportedError, match=f"'node'.*{reason}"):
        import_model(model)
