"""load_onnx as a whole: what it refuses, how the batch is freed, what it records."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import helper

from emu.errors import EmuError, UnsupportedError
from emu.frontends import load_onnx
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    model_of,
    one_node_model,
    run_graph,
    save,
)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_all_unsupported_nodes_are_listed_at_once(tmp_path):
    nodes = [
        helper.make_node("Erf", ["x"], ["a"], name="erf1"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Softmax", ["x"], ["c"], axis=0),
        helper.make_node("Cos", ["b"], ["d"], name="cos1"),
        helper.make_node("Add", ["c", "d"], ["y"], name="add"),
    ]
    path = save(model_of(nodes, {"x": ("N", 3)}), tmp_path)
    with pytest.raises(UnsupportedError) as error:
        load_onnx(path)
    assert str(error.value) == (
        f"{path}: 3 unsupported nodes: 'erf1' (Erf), "
        "'c' (Softmax: axis 0 is the batch), 'cos1' (Cos)"
    )


def test_operators_that_onnx_does_not_know_are_listed_too():
    names = ("erf1", "mine", "theirs")
    edges = ("x", "a", "b", "y")
    nodes = [
        helper.make_node("Erf", [x], [y], name=name)
        for x, y, name in zip(edges, edges[1:], names, strict=False)
    ]
    model = model_of(nodes, {"x": ("N", 3)})
    model.graph.node[1].op_type = "Madeup"
    model.graph.node[2].op_type = "Gelu"
    model.graph.node[2].domain = "com.microsoft"
    with pytest.raises(UnsupportedError) as error:
        import_model(model)
    assert error.value.message == (
        "3 unsupported nodes: 'erf1' (Erf), 'mine' (Madeup), "
        "'theirs' (com.microsoft.Gelu)"
    )


def test_an_operator_newer_than_the_opset_is_unsupported():
    model = one_node_model("HardSwish", [("N", 3)], opset=13)
    with pytest.raises(UnsupportedError, match=r"1 unsupported node: 'node'"):
        import_model(model)


@pytest.mark.parametrize("opset", [6, onnx.defs.onnx_opset_version() + 1])
def test_opsets_out_of_range_are_refused(opset):
    model = one_node_model("Relu", [("N", 3)])
    model.opset_import[0].version = opset
    with pytest.raises(UnsupportedError, match=f"opset {opset}; this emu reads 7 to"):
        import_model(model)


def test_a_fixed_batch_of_one_is_freed_through_a_reshape():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("Reshape", ["a", "s"], ["b"], name="reshape"),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="dense"),
    ]
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((60, 4)).astype(np.float32)
    constants = {"s": whole(1, 60), "w": weights}
    graph = check_against_onnxruntime(model_of(nodes, {"x": (1, 3, 4, 5)}, constants))
    assert graph.tensors["y"].shape == (None, 4)
    x = rng.standard_normal((3, 3, 4, 5)).astype(np.float32)
    whole_batch = run_graph(graph, {"x": x})["y"]
    singles = [run_graph(graph, {"x": x[i : i + 1]})["y"] for i in range(3)]
    np.testing.assert_allclose(whole_batch, np.concatenate(singles), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((1, 3, 4), (1, -1)),
        ((1, 3, 4), (-1, 12)),
        ((1, 3, 4), (0, 2, -1)),
        (("N", 3, 4), (1, 12)),
        (("N", 3, 4), (0, 0, 2, 2)),
    ],
)
def test_reshapes_that_keep_the_batch_are_made_free(shape, target):
    model = one_node_model("Reshape", [shape], constants={"s": whole(*target)})
    graph = import_model(model)
    x = np.zeros((2, 3, 4), np.float32)
    assert run_graph(graph, {"x0": x})["y"].shape[0] == 2


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        (("N", 4, 6), (4, 6)),
        (("N", 4, 6), (1, -1)),
        (("N", 4, 6), (2, -1)),
    ],
)
def test_reshapes_that_fix_or_mix_the_batch_are_refused(shape, target):
    model = one_node_model("Reshape", [shape], constants={"s": whole(*target)})
    with pytest.raises(UnsupportedError, match=r"'node' \(Reshape: .*batch"):
        import_model(model)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            one_node_model(
                "Add", [("N", 3)], constants={"c": np.ones((2, 3), np.float32)}
            ),
            "fixes the batch size to 2",
        ),
        (
            one_node_model(
                "Concat",
                [("N", 3)],
                constants={"c": np.ones((1, 3), np.float32)},
                axis=1,
            ),
            "the constant 'c' fixes the batch size",
        ),
        (one_node_model("Transpose", [("N", 3)]), "moves the batch axis"),
        (one_node_model("Flatten", [("N", 3, 4)], axis=2), "mix the batch"),
        (one_node_model("Add", [("N", 3), ("M", 2, 3)]), "mix the batch"),
        (one_node_model("ReduceMean", [("N", 3)]), "the mean over the batch"),
        (
            one_node_model("Pad", [("N", 3)], constants={"p": whole(1, 0, 0, 0)}),
            "pads the batch axis",
        ),
    ],
)
def test_nodes_that_prevent_a_free_batch_are_named(model, reason):
    with pytest.raises(UnsupportedError, match=f"'node'.*{reason}"):
        import_model(model)


@pytest.mark.parametrize(
    ("op", "shapes", "constants", "attributes", "reason"),
    [
        ("Gemm", [("N", 4)], {"w": np.ones((5, 3))}, {"transA": 1}, "transA"),
        ("Gemm", [("N", 4), (4, 3)], {}, {}, "the weight is computed"),
        ("MatMul", [("N", 3), ("N", 4, 3, 3)], {}, {}, "operands of ranks"),
        ("Add", [("N", 3)], {"c": np.ones((1, 1, 3))}, {}, "rank 3 beside"),
    ],
)
def test_forms_that_cannot_be_run_say_why(op, shapes, constants, attributes, reason):
    arrays = {name: array.astype(np.float32) for name, array in constants.items()}
    model = one_node_model(op, shapes, constants=arrays, **attributes)
    with pytest.raises(UnsupportedError, match=f"'node'.*{reason}"):
        import_model(model)


def test_padding_by_reflection_is_refused_with_its_mode():
    amounts = {"p": whole(0, 1, 0, 1)}
    model = one_node_model("Pad", [("N", 3)], constants=amounts, mode="reflect")
    with pytest.raises(UnsupportedError, match=r"'node' \(Pad: mode reflect\)"):
        import_model(model)


@pytest.mark.parametrize(
    ("shape", "element", "reason"),
    [
        (("N", 3, "h", 4), onnx.TensorProto.FLOAT, "only the batch"),
        (("N", 3), onnx.TensorProto.INT64, "found elements INT64, expected integers"),
        ((), onnx.TensorProto.FLOAT, "scalar"),
    ],
)
def test_inputs_that_cannot_be_fed_are_named(shape, element, reason):
    model = one_node_model("Identity", [("N", 3)])
    info = helper.make_tensor_value_info("x0", element, shape)
    output = helper.make_tensor_value_info("y", element, shape)
    model.graph.input[0].CopyFrom(info)
    model.graph.output[0].CopyFrom(output)
    with pytest.raises(UnsupportedError, match=f"input 'x0': .*{reason}"):
        import_model(model)


def test_an_unknown_element_type_is_refused():
    model = one_node_model("Relu", [("N", 3)])
    data = model.SerializeToString()
    number = model.graph.input[0].type.tensor_type.SerializeToString()[:2]
    assert data.count(number) == 2
    broken = onnx.ModelProto.FromString(data.replace(number, bytes([number[0], 99])))
    with pytest.raises(EmuError):
        import_model(broken)


@pytest.mark.parametrize(
    ("value", "attributes"), [(np.inf, {}), (np.nan, {}), (3e38, {"alpha": 100.0})]
)
def test_weights_that_are_not_finite_are_refused(value, attributes):
    constants = {"w": np.full((3, 2), value, np.float32)}
    model = one_node_model("Gemm", [("N", 3)], constants=constants, **attributes)
    with pytest.raises(UnsupportedError, match=r"'node' \(Gemm: constant 'w.* finite"):
        import_model(model)


def test_float16_weights_are_refused():
    model = one_node_model(
        "Identity", [("N", 3)], constants={"c": np.ones(3, np.float16)}
    )
    node = helper.make_node("Add", ["x0", "c"], ["y"], name="node")
    model.graph.node[0].CopyFrom(node)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    with pytest.raises(UnsupportedError, match=r"FLOAT16, expected .*, FLOAT or BOOL"):
        import_model(model)


def test_an_output_made_of_constants_is_refused():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("Add", ["c", "c"], ["y"], name="sum"),
    ]
    constants = {"c": np.ones(3, np.float32)}
    model = model_of(nodes, {"x": ("N", 3)}, constants)
    with pytest.raises(UnsupportedError, match=r"output 'y': .*depend on the input"):
        import_model(model)


def test_the_source_is_recorded(tmp_path):
    path = save(one_node_model("Relu", [("N", 3)], opset=15), tmp_path)
    graph = load_onnx(path)
    assert graph.name == "model"
    assert graph.provenance == {
        "source": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": "onnx",
        "opset": 15,
    }


def test_initializers_listed_as_inputs_are_constants():
    """As files of IR version 3 have it."""
    weights = np.ones((4, 3), np.float32)
    model = one_node_model("MatMul", [("N", 4)], constants={"w": weights})
    listed = helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, (4, 3))
    model.graph.input.append(listed)
    assert import_model(model).inputs == ("x0",)
