"""How each float layer becomes integer nodes, one function a kind; quantize_graph."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from emu.calibrate import Calibration
from emu.errors import EmuError, UnsupportedError
from emu.graph import Graph, Node, verify
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
    FloatType,
    Gelu,
    Gemm,
    HardSigmoid,
    HardSwish,
    Identity,
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
from emu.quantize.forms import Calibrated, Source
from emu.quantize.lower import Lowering
from emu.quantize.moves import lower_average, lower_move, lower_resize
from emu.quantize.pairs import (
    lower_join,
    lower_product,
    lower_squared_difference,
    lower_sum,
)
from emu.quantize.pointwise import (
    lower_lookup,
    lower_prelu,
    lower_rectifier,
    lower_requantize,
    lower_softmax,
)
from emu.quantize.recipe import Recipe, check_recipe
from emu.quantize.recorded import NO_FACTORS, Factors
from emu.quantize.reductions import lower_mean, lower_total
from emu.quantize.weighted import (
    lower_batch_product,
    lower_transposed,
    lower_weighted,
)
from emu.targets import Target

# Every kind of float layer that has an integer form, and how it gets it.
LOWERINGS: Final[Mapping[type[Op], Callable[[Lowering, Node], None]]] = (
    MappingProxyType(
        {
            Conv: lower_weighted,
            Gemm: lower_weighted,
            ConvTranspose: lower_transposed,
            BatchGemm: lower_batch_product,
            Add: lower_sum,
            Sub: lower_sum,
            Mul: lower_product,
            SquaredDifference: lower_squared_difference,
            Minimum: lower_join,
            Maximum: lower_join,
            Concat: lower_join,
            Relu: lower_rectifier,
            Clip: lower_rectifier,
            Identity: lower_requantize,
            Sigmoid: lower_lookup,
            HardSigmoid: lower_lookup,
            HardSwish: lower_lookup,
            LeakyRelu: lower_lookup,
            Tanh: lower_lookup,
            Elu: lower_lookup,
            Gelu: lower_lookup,
            Silu: lower_lookup,
            Exp: lower_lookup,
            PRelu: lower_prelu,
            Softmax: lower_softmax,
            MaxPool: lower_move,
            Reshape: lower_move,
            Transpose: lower_move,
            Pad: lower_move,
            Slice: lower_move,
            Reverse: lower_move,
            ReduceMax: lower_move,
            ReduceMin: lower_move,
            Resize: lower_resize,
            AveragePool: lower_average,
            ReduceMean: lower_mean,
            ReduceSum: lower_total,
        }
    )
)


# Where a program's provenance has the scales of weights, by layer.
WEIGHT_SCALES: Final = "weight_scales"


def quantize_graph(
    graph: Graph,
    calibration: Calibration,
    recipe: Recipe,
    target: Target,
    provenance: Mapping[str, object] | None = None,
    *,
    factors: Factors = NO_FACTORS,
    uniform: bool = False,
) -> Graph:
    """The integer Graph that `target` runs for a float Graph.

    `calibration` holds the range of every float tensor and the mean sample of those
    that bias corrections need. Graph inputs and outputs stay float and keep their
    names. `provenance` is added to the float graph's own. What `factors` states
    needs no range. `uniform` programs have one structure whatever the ranges are:
    with clamps that do nothing. Raises ConfigError for a recipe that does not fit the model,
    UnsupportedError for layers that can run neither way.
    """
    check_recipe(recipe, graph)
    source = Calibrated(graph, calibration, recipe, target, factors)
    for node in graph.nodes:
        result = node.output
        precision = _precision(source, target, node, result)
        if type(node.op) in LOWERINGS or precision is not None:
            continue
        raise UnsupportedError(
            f"{type(node.op).__name__} has no integer form for target "
            f"{target.name!r}; exclude it to run it in float",
            where=node.name,
        )
    state = lower(graph, source, target, uniform=uniform)
    outputs = tuple(state.real(name) for name in graph.outputs)
    record = {WEIGHT_SCALES: state.weight_scales, **(provenance or {})}
    return verify(state.builder.build(outputs, {**graph.provenance, **record}))


def lower(
    graph: Graph, source: Source, target: Target, *, uniform: bool = False
) -> Lowering:
    """Every layer of a float Graph, on integers where source and target say so."""
    state = Lowering(graph, source, target, uniform=uniform)
    done: set[str] = set()
    for name in graph.inputs:
        _through_integers(state, name, name)
    for node in graph.nodes:
        if node.name in done:
            continue
        precision = _precision(source, target, node, state.result(node))
        if precision is None and type(node.op) not in LOWERINGS:
            precision = target.operators.precision
        if precision is not None:
            _keep_float(state, node, precision, done)
            continue
        _lower_layer(state, node)
        if node.output in state.fused:
            done.add(state.fused[node.output].name)
    return state


def _lower_layer(state: Lowering, node: Node) -> None:
    """One layer to integers; whatever it cannot be is said with its name."""
    try:
        state.choose_target(node)
        LOWERINGS[type(node.op)](state, node)
    except EmuError as error:
        if error.where is None:
            raise type(error)(error.message, where=node.name) from error
        raise


def _precision(
    source: Source, target: Target, node: Node, result: str
) -> FloatType | None:
    """What a layer runs in: as recipe or file say, then the target; None: integers."""
    wish = source.precision(node, result)
    if wish is None and type(node.op).__name__ in target.operators.float:
        return target.operators.precision
    return wish


def _keep_float(
    state: Lowering, node: Node, precision: FloatType, done: set[str]
) -> None:
    """The layer and its fused activation as they are, on reals."""
    last = node
    if isinstance(node.op, Identity) and node.output not in state.graph.outputs:
        _keep(state, node.output, state.real(node.inputs[0], node.name, precision))
    else:
        _float_node(state, node, node, precision)
        if node.output in state.fused:
            last = state.fused[node.output]
            _float_node(state, last, node, precision)
            done.add(last.name)
    _through_integers(state, last.output, node.name)


def _float_node(state: Lowering, node: Node, layer: Node, precision: FloatType) -> None:
    tensor = state.graph.tensors[node.output]
    half = precision is FloatType.FLOAT16 and tensor.dtype == "float32"
    made = state.builder.add(
        node.op,
        tuple(state.real(name, node.name, precision) for name in node.inputs),
        state.half_name(node.output) if half else state.source.real_name(node.output),
        name=node.name,
        layer=layer.name,
        golden=tensor.golden,
    )
    _keep(state, node.output, made)


def _keep(state: Lowering, tensor: str, made: str) -> None:
    """Remember where the reals of a tensor are."""
    held = state.builder.constants.get(made)
    dtype = state.builder.tensors[made].dtype if held is None else str(held.dtype)
    (state.halves if dtype == "float16" else state.reals)[tensor] = made


def _through_integers(state: Lowering, tensor: str, layer: str) -> None:
    """Whoever reads these reals gets what the integers of the file stand for."""
    known = tensor in state.reals or tensor in state.halves
    if known and state.source.is_quantized(tensor):
        state.integer(tensor, layer)
        state.reals.pop(tensor, None)
        state.halves.pop(tensor, None)
