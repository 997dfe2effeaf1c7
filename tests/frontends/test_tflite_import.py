"""load_tflite as a whole: names, the free batch, what is refused and how it says so."""

import hashlib
from typing import Any

import numpy as np
import pytest

from emu.errors import EmuError, ModelError, UnsupportedError
from emu.frontends import load_model, load_tflite
from emu.graph import Golden, Graph
from emu.ops import Gemm, Relu, Reshape
from tests.frontends.tflite_models import (
    LiteNode,
    check,
    import_bytes,
    options,
    packed,
    single,
    tflite_model,
)
from tests.oracles.litert import Lite, lite_constant


def real(*shape: int) -> Lite:
    return Lite(shape=shape, dtype="float32")


def ints(*values: int) -> Lite:
    return lite_constant(np.array(values, np.int32))


def dense(co: int, ci: int) -> Lite:
    values = np.random.default_rng(co).normal(0, 1, (co, ci))
    return lite_constant(values.astype(np.float32))


INT32 = 2  # in the schema
DENSE = options("FullyConnectedOptions", fusedActivationFunction=1)


def two_layers() -> Any:
    """Dense with a fused Relu, then a Softmax."""
    return tflite_model(
        [real(1, 4), dense(3, 4), dense(3, 1), real(1, 3), real(1, 3)],
        [
            LiteNode(
                operator="FULLY_CONNECTED",
                inputs=(0, 1, -1),
                outputs=(3,),
                options=DENSE,
            ),
            LiteNode(
                operator="SOFTMAX",
                inputs=(3,),
                outputs=(4,),
                options=options("SoftmaxOptions", beta=1.0),
            ),
        ],
        (0,),
        (4,),
    )


def refusal(data: bytes, kind: type[EmuError] = UnsupportedError) -> str:
    with pytest.raises(kind) as error:
        import_bytes(data)
    assert "\n" not in str(error.value)
    return str(error.value)


def refuse(operator: str, made: Any, inputs: list[Any], *outputs: Lite) -> str:
    with pytest.raises(UnsupportedError) as error:
        single(operator, made, inputs, list(outputs))
    return str(error.value)


def test_tensors_keep_the_names_of_the_file_and_steps_get_derived_ones():
    graph = import_bytes(packed(two_layers()))
    assert (graph.inputs, graph.outputs) == (("t0",), ("t4",))
    assert [node.output for node in graph.nodes] == ["t3:linear", "t3", "t4"]
    assert [node.name for node in graph.nodes] == ["t3", "t3:activation", "t4"]
    assert [node.layer for node in graph.nodes] == ["t3", "t3", "t4"]
    assert list(graph.constants) == ["t1:io"]
    assert graph.tensors["t3:linear"].golden is None
    for name in ("t0", "t3", "t4"):
        assert graph.tensors[name].golden == Golden(name=name, perm=(0, 1))
        assert graph.tensors[name].shape[0] is None


def test_names_of_ours_avoid_those_of_the_file():
    file = two_layers()
    file.subgraphs[0].tensors[4].name = "t3:linear"
    graph = import_bytes(packed(file))
    assert [node.output for node in graph.nodes] == ["t3:linear'", "t3", "t3:linear"]


def test_a_name_used_twice_is_told_apart_by_the_number_of_the_tensor():
    file = two_layers()
    for tensor in file.subgraphs[0].tensors[3:]:
        tensor.name = "same"
    graph = import_bytes(packed(file))
    assert [node.output for node in graph.nodes] == ["same:linear", "same", "same#4"]


def test_the_source_is_recorded(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(packed(two_layers()))
    graph = load_model(path)
    assert graph.name == "model"
    assert graph.provenance == {
        "source": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": "tflite",
    }


def test_what_no_output_needs_is_left_out():
    file = two_layers()
    file.subgraphs[0].outputs = [3]
    assert [node.output for node in import_bytes(packed(file)).nodes] == [
        "t3:linear",
        "t3",
    ]


def test_all_unsupported_operators_are_listed_at_once():
    x = real(1, 4)
    made = [
        LiteNode(operator="COS", inputs=(0,), outputs=(1,)),
        LiteNode(operator="RELU", inputs=(1,), outputs=(2,)),
        LiteNode(operator="TRANSPOSE", inputs=(0, 5), outputs=(3,)),
        LiteNode(operator="CONV_2D", inputs=(2, 3), outputs=(4,), custom=b""),
    ]
    file = tflite_model([x, x, x, x, x, ints(1, 0)], made, (0,), (4,))
    message = refusal(packed(file))
    assert "3 unsupported operators: 't1' (COS), 't3' (TRANSPOSE: " in message
    assert "'t4' (custom CONV_2D)" in message


def test_a_chain_that_computes_the_shape_is_folded():
    """SHAPE, STRIDED_SLICE, PACK and RESHAPE, as converters write Flatten."""
    tensors = [
        real(1, 2, 6),
        Lite(shape=(3,), dtype="int32"),
        ints(0),
        ints(1),
        Lite(shape=(), dtype="int32"),
        lite_constant(np.array(-1, np.int32)),
        Lite(shape=(2,), dtype="int32"),
        real(1, 12),
    ]
    made = [
        LiteNode(
            operator="SHAPE",
            inputs=(0,),
            outputs=(1,),
            options=options("ShapeOptions", outType=INT32),
        ),
        LiteNode(
            operator="STRIDED_SLICE",
            inputs=(1, 2, 3, 3),
            outputs=(4,),
            options=options("StridedSliceOptions", shrinkAxisMask=1),
        ),
        LiteNode(
            operator="PACK",
            inputs=(4, 5),
            outputs=(6,),
            options=options("PackOptions", valuesCount=2),
        ),
        LiteNode(operator="RESHAPE", inputs=(0, 6), outputs=(7,)),
    ]
    data = packed(tflite_model(tensors, made, (0,), (7,)))
    graph = import_bytes(data)
    assert [node.op for node in graph.nodes] == [Reshape(shape=(12,))]
    check(data, graph, tensors[:1])


def shaped(shape: tuple[int, ...], signature: tuple[int, ...] | None = None) -> bytes:
    relu = LiteNode(operator="RELU", inputs=(0,), outputs=(1,))
    file = tflite_model([real(*shape), real(*shape)], [relu], (0,), (1,))
    file.subgraphs[0].tensors[0].shapeSignature = signature
    return packed(file)


@pytest.mark.parametrize(
    ("shape", "signature"), [((2, 4), None), ((), None), ((1, 1), (-1, -1))]
)
def test_an_input_has_a_batch_of_one_and_fixed_sizes(shape, signature):
    message = refusal(shaped(shape, signature))
    assert "input 't0': found shape [" in message
    assert "expected a batch of 1 and fixed sizes" in message


def test_a_batch_that_the_file_leaves_free_is_free():
    graph = import_bytes(shaped((1, 4), (-1, 4)))
    assert graph.tensors["t0"].shape == (None, 4)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Lite(shape=(1, 4), dtype="int32"), "INT32 't0'"),
        (Lite(shape=(1, 4), dtype="int8"), "INT8 't0' without a scale"),
        (
            Lite(shape=(1, 2), dtype="int8", scale=(0.1, 0.2), axis=1),
            "'t0' has a scale for each channel",
        ),
    ],
)
def test_an_input_of_integers_needs_one_meaning(tensor, message):
    relu = LiteNode(operator="RELU", inputs=(0,), outputs=(1,))
    file = tflite_model([tensor, tensor], [relu], (0,), (1,))
    assert f"input 't0': {message}" in refusal(packed(file))


IMAGE = real(1, 4, 4, 2)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (("RESHAPE", None, [IMAGE, ints(2, 16)], real(2, 16)), "mix the batch"),
        (("RESHAPE", None, [IMAGE, ints(32)], real(32)), "mix the batch"),
        (("TRANSPOSE", None, [IMAGE, ints(3, 0, 1, 2)], real(2, 1, 4, 4)), "permut"),
        (
            (
                "CONCATENATION",
                options("ConcatenationOptions", axis=0),
                [IMAGE, IMAGE],
                real(2, 4, 4, 2),
            ),
            "axis 0 is the batch",
        ),
        (
            (
                "CONCATENATION",
                options("ConcatenationOptions", axis=3),
                [IMAGE, lite_constant(np.zeros((1, 4, 4, 2), np.float32))],
                real(1, 4, 4, 4),
            ),
            "fixes the batch size",
        ),
        (
            (
                "FULLY_CONNECTED",
                options("FullyConnectedOptions"),
                [IMAGE, dense(3, 2), None],
                real(16, 3),
            ),
            "mix the batch",
        ),
        (
            (
                "ADD",
                options("AddOptions"),
                [IMAGE, lite_constant(np.ones((3, 1, 1, 1), np.float32))],
                real(3, 4, 4, 2),
            ),
            "fixes the batch size",
        ),
        (
            ("ADD", options("AddOptions"), [IMAGE, real(1, 2)], IMAGE),
            "operands of ranks",
        ),
        (
            ("MEAN", options("ReducerOptions"), [IMAGE, ints(0, 1)], real(4, 2)),
            "axis 0 is the batch",
        ),
        (("SQUEEZE", options("SqueezeOptions"), [real(1, 1, 4)], real(4)), "batch too"),
        (
            (
                "RELU",
                None,
                [Lite(shape=(1, 4), dtype="float32")],
                Lite(shape=(1, 4), dtype="int32"),
            ),
            "INT32 't1'",
        ),
        (
            (
                "ADD",
                options("AddOptions", fusedActivationFunction=5),
                [IMAGE, IMAGE],
                IMAGE,
            ),
            "fused activation 5",
        ),
        (
            (
                "MAX_POOL_2D",
                options("Pool2DOptions", strideH=0, strideW=1),
                [IMAGE],
                IMAGE,
            ),
            "FilterHeight and FilterWidth are (0, 0)",
        ),
        (
            (
                "CONV_2D",
                options("Conv2DOptions", strideH=1, strideW=1),
                [IMAGE, real(1, 1, 1, 2)],
                real(1, 4, 4, 1),
            ),
            "the weight is computed, expected a constant",
        ),
        (
            (
                "STRIDED_SLICE",
                options("StridedSliceOptions"),
                [IMAGE, ints(0, 3, 0, 0), ints(1, 0, 4, 2), ints(1, -1, 1, 1)],
                IMAGE,
            ),
            "strides (1, -1, 1, 1)",
        ),
        (
            (
                "PAD",
                None,
                [real(1, 4), lite_constant(np.array([[1, 0], [0, 0]], np.int32))],
                real(2, 4),
            ),
            "pads the batch",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(case, message):
    assert message in refuse(*case)


def graph_of(file: Any) -> Graph:
    return import_bytes(packed(file))


def test_a_shape_that_contradicts_the_operator_is_a_model_error():
    file = two_layers()
    file.subgraphs[0].tensors[4].shape = [1, 5]
    message = refusal(packed(file), ModelError)
    assert "'t4': computed with shape (1, 3), but the file means (1, 5)" in message


def test_an_operand_that_is_nowhere_made_is_refused():
    file = two_layers()
    file.subgraphs[0].operators[1].inputs = [4]
    assert "operand 't4' is not computed from the input" in refusal(packed(file))


def test_a_tensor_made_twice_is_a_model_error():
    file = two_layers()
    file.subgraphs[0].operators[1].outputs = [3]
    assert "'t3': made twice" in refusal(packed(file), ModelError)


def test_a_missing_operand_is_a_model_error():
    file = two_layers()
    file.subgraphs[0].operators[0].inputs = []
    message = refusal(packed(file), ModelError)
    assert "operator 't3': an operand is missing" in message


def test_options_of_another_operator_are_a_model_error():
    file = two_layers()
    file.subgraphs[0].operators[1].builtinOptionsType = 1
    message = refusal(packed(file), ModelError)
    assert "SOFTMAX with options of type 1, not SoftmaxOptions" in message


def test_constants_that_are_not_finite_are_refused():
    weights = lite_constant(np.full((3, 4), np.inf, np.float32))
    message = refuse("FULLY_CONNECTED", DENSE, [real(1, 4), weights, None], real(1, 3))
    assert "constant 't1:io' is not finite everywhere" in message


def test_weights_used_twice_are_one_constant():
    file = two_layers()
    graph = file.subgraphs[0]
    graph.tensors[4].shape = [1, 3]
    graph.operators[1] = graph.operators[0].__class__()
    graph.operators[1].__dict__.update(graph.operators[0].__dict__)
    graph.operators[1].outputs = [4]
    graph.outputs = [3, 4]
    made = graph_of(file)
    assert list(made.constants) == ["t1:io"]
    assert {type(node.op) for node in made.nodes} == {Gemm, Relu}


def test_load_model_reads_tflite_by_its_suffix(tmp_path):
    path = tmp_path / "MODEL.TFLITE"
    path.write_bytes(packed(two_layers()))
    assert load_model(path).outputs == load_tflite(path).outputs == ("t4",)
