"""The factors of a program as a record, and a record as factors for a float model."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from emu.config import nearest
from emu.errors import ConfigError, UnsupportedError
from emu.fixedpoint import IntFormat, QParams
from emu.graph import Graph, Node, Tensor, producers
from emu.ops import Conv2d, DepthwiseConv2d, Identity, MatMul, TransposeConv2d
from emu.quantize.amct.configuration import MOVES, WEIGHTED
from emu.quantize.amct.record import LayerRecord, Record
from emu.quantize.amct.text import wrong
from emu.quantize.layers import WEIGHT_SCALES
from emu.quantize.recorded import Factors, TensorFactors, WeightScale
from emu.targets import Target

_SUMS: Final = (Conv2d, DepthwiseConv2d, MatMul, TransposeConv2d)
# How a calibrated program calls the integers of a float tensor.
_SUFFIX: Final = ":q"


def record_of(graph: Graph) -> tuple[LayerRecord, ...]:
    """The factors of a program: its layers with weights, then its other tensors.

    A tensor has a record of its own where no layer with weights reads it and no layer
    that only moves integers makes it. Raises UnsupportedError for a program without
    the scales of its weights, and for weights with a zero point.
    """
    layers, read = [], set[str]()
    for node in graph.nodes:
        if isinstance(node.op, _SUMS):
            layers.append(_layer(graph, node))
            read.add(node.inputs[0])
    makers = producers(graph)
    tensors = [
        _tensor(name, tensor)
        for name, tensor in graph.tensors.items()
        if name.endswith(_SUFFIX)
        and name not in read
        and tensor.qparams
        and not _is_moved(graph, name, makers)
    ]
    if not layers:
        raise UnsupportedError("no layer with weights runs in integers")
    return (*layers, *tensors)


def _is_moved(graph: Graph, name: str, makers: Mapping[str, Node]) -> bool:
    """Whether the integers of a tensor are those of another one, moved."""
    if name not in makers or not isinstance(makers[name].op, MOVES):
        return False
    tensor, source = graph.tensors[name], graph.tensors.get(makers[name].inputs[0])
    if source is None:
        return False
    return (tensor.format, tensor.qparams) == (source.format, source.qparams)


def _layer(graph: Graph, node: Node) -> LayerRecord:
    if node.op.w_zero_point:  # type: ignore[attr-defined] - all of _SUMS have it
        raise UnsupportedError(
            "weights with a zero point; a record has none", where=node.layer
        )
    stated = graph.provenance.get(WEIGHT_SCALES)
    found = stated.get(node.layer) if isinstance(stated, Mapping) else None
    if not isinstance(found, Mapping):
        raise UnsupportedError(
            "the program does not say the scales of its weights; make it anew",
            where=node.layer,
        )
    given = _tensor(node.layer, graph.tensors[node.inputs[0]])
    try:
        scales = QParams(
            tuple(float(s) for s in found["scale"]),
            (0,) * len(found["scale"]),
            axis=0,
        )
        bits = IntFormat(int(found["bits"])).bits
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise UnsupportedError("damaged scales of weights", where=node.layer) from error
    return LayerRecord(
        key=node.layer,
        scale_d=given.scale_d,
        offset_d=given.offset_d,
        scale_w=scales.scale,
        bits=given.bits,
        weight_bits=bits,
    )


def _tensor(key: str, tensor: Tensor) -> LayerRecord:
    """The scale and the offset of a tensor, as if its integers were signed."""
    if tensor.qparams is None or tensor.format is None:
        raise UnsupportedError("reads integers without a scale", where=key)
    (scale, *_), (zero_point, *_) = tensor.qparams.scale, tensor.qparams.zero_point
    return LayerRecord(
        key=key,
        scale_d=scale,
        offset_d=zero_point - _middle(tensor.format),
        bits=tensor.format.bits,
    )


def _middle(fmt: IntFormat) -> int:
    """What unsigned integers lie above signed ones."""
    return 0 if fmt.signed else 1 << (fmt.bits - 1)


def fit_record(record: Record, graph: Graph, target: Target) -> Factors:
    """The factors for a float Graph after its passes.

    A scale_d is that of the tensor a layer reads and of those it is moved from.
    Raises ConfigError (file, line) for a layer or tensor that the model lacks and for
    factors that the target cannot have.
    """
    if target.activation.fraction_bits is not None:
        raise ConfigError(
            f"the scales of {target.name} are fixed; a record means nothing for it",
            file=record.file,
        )
    nodes = {node.name: node for node in graph.nodes}
    tensors: dict[str, TensorFactors] = {}
    weights: dict[str, WeightScale] = {}
    layers = []
    for one in record.layers:
        _require_bits(record, one, target)
        name = one.key.removesuffix(_SUFFIX)
        if one.key in nodes:
            layers.append((one, nodes[one.key]))
        elif one.key.endswith(_SUFFIX) and name in graph.tensors:
            tensors[name] = TensorFactors(one.scale_d, one.offset_d, one.bits)
        else:
            known = nearest(one.key, list(nodes))
            raise wrong(
                f"the model has no layer {one.key!r}{known}", record.file, one.line
            )
    makers = producers(graph)
    for one, node in layers:
        stated = TensorFactors(one.scale_d, one.offset_d, one.bits)
        for name in _moved_from(node.inputs[0], makers):
            tensors.setdefault(name, stated)
        if one.scale_w:
            weights[node.name] = _weights(record, one, node, graph)
    for node in graph.nodes:
        # Such tensors have no record unless their form is another than the operand's.
        if isinstance(node.op, (*MOVES, Identity)) and node.inputs[0] in tensors:
            tensors.setdefault(node.output, tensors[node.inputs[0]])
    return Factors(tensors=tensors, weights=weights)


def _moved_from(tensor: str, makers: Mapping[str, Node]) -> Iterator[str]:
    """A tensor, and those whose integers it has."""
    yield tensor
    while (node := makers.get(tensor)) and isinstance(node.op, MOVES):
        tensor = node.inputs[0]
        yield tensor


def _weights(record: Record, one: LayerRecord, node: Node, graph: Graph) -> WeightScale:
    if not isinstance(node.op, WEIGHTED):
        raise wrong(
            f"{one.key!r} is a {type(node.op).__name__}; it has no weights to quantize",
            record.file,
            one.line,
        )
    held = graph.constants.get(node.inputs[1])
    channels = 1 if held is None else held.shape[-1]
    if len(one.scale_w) not in (1, channels):
        raise wrong(
            f"{one.key!r}: {len(one.scale_w)} of scale_w, expected 1 or {channels}",
            record.file,
            one.line,
        )
    return WeightScale(np.array(one.scale_w, np.float64), one.weight_bits)


def _require_bits(record: Record, one: LayerRecord, target: Target) -> None:
    if one.bits not in target.activation.widths:
        has = " or ".join(map(str, target.activation.widths))
        raise wrong(
            f"{one.key!r}: data of {one.bits} bits; {target.name} has {has}",
            record.file,
            one.line,
        )
    most = max(target.weight.bits, *target.weight.widths)
    if one.scale_w and one.weight_bits > most:
        raise wrong(
            f"{one.key!r}: weights of {one.weight_bits} bits; {target.name} has {most}",
            record.file,
            one.line,
        )


def _of_data(one: LayerRecord) -> tuple[float, int, int]:
    return one.scale_d, one.offset_d, one.bits


def require_honoured(record: Record, program: Graph, left_out: set[str]) -> None:
    """Raise ConfigError (file, line) unless a program has the factors of a record.

    `left_out` are the layers that a recipe keeps from integers. A record can fail so
    where one tensor is to have two forms, or where a layer runs in float.
    """
    made = {one.key: one for one in record_of(program)}
    for one in record.layers:
        if not one.scale_w or one.key in left_out:
            continue
        found = made.get(one.key)
        if found is None:
            raise wrong(
                f"{one.key!r} does not run in integers on this target",
                record.file,
                one.line,
            )
        if _of_data(found) != _of_data(one):
            raise wrong(
                f"{one.key!r}: scale_d {one.scale_d:.9g}, offset_d {one.offset_d} "
                f"cannot be had: its input has {found.scale_d:.9g}, {found.offset_d} "
                "for another layer",
                record.file,
                one.line,
            )
        # One scale for all channels may be written once.
        count = max(len(found.scale_w), len(one.scale_w))
        wanted, had = (
            s * count if len(s) == 1 else s for s in (one.scale_w, found.scale_w)
        )
        if wanted != had:
            raise wrong(
                f"{one.key!r}: scale_w cannot be had: the recipe makes other weights",
                record.file,
                one.line,
            )
