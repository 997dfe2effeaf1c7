"""From a model's outputs to detections in pixels of each image.

In a model's TOML entry, a decoder is a table with the key `kind`::

    [decoder]
    kind = "yolox"
    size = [416, 416]
    score_threshold = 0.001
    iou_threshold = 0.65
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Annotated, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int64, Shaped
from pydantic import Field

from emu.errors import UnsupportedError
from emu.evaluate.detect.boxes import Detections, Placement
from emu.evaluate.detect.final import FinalDetections, final_detections
from emu.evaluate.detect.nanodet import Nanodet, nanodet
from emu.evaluate.detect.nms import suppress
from emu.evaluate.detect.placing import to_image
from emu.evaluate.detect.raw import RawBoxes
from emu.evaluate.detect.retinanet import Retinanet, retinanet
from emu.evaluate.detect.settings import AbstractDecoder, AbstractRawDecoder
from emu.evaluate.detect.ssd import Ssd, ssd
from emu.evaluate.detect.yolox import Yolox, yolox

Decoder = Annotated[
    Yolox | Nanodet | Ssd | Retinanet | FinalDetections, Field(discriminator="kind")
]
# A model's outputs by name, in the order of its graph.
Outputs = Mapping[str, Shaped[np.ndarray, "..."] | Shaped[Array, "..."]]

# Each is called with its settings and the outputs that these name, in their order.
RAW_DECODERS: Final[
    MappingProxyType[type[AbstractRawDecoder], Callable[..., RawBoxes]]
] = MappingProxyType({Yolox: yolox, Nanodet: nanodet, Ssd: ssd, Retinanet: retinanet})


def detect(
    decoder: Decoder, outputs: Outputs, placements: Sequence[Placement]
) -> list[Detections]:
    """Return what a model finds in each image, the highest score first.

    Arguments:
        decoder: what the outputs mean.
        outputs: of a batch, by name in the order of the graph; real numbers.
        placements: where each image of the batch lies on the model's input.

    Raises:
        UnsupportedError: an output is missing or has another shape.
    """
    found = (
        _final(decoder, outputs)
        if isinstance(decoder, FinalDetections)
        else _suppressed(decoder, raw_boxes(decoder, outputs))
    )
    if len(found) != len(placements):
        raise UnsupportedError(
            f"the model's outputs hold {len(found)} images; expected {len(placements)}"
        )
    return [
        Detections(
            boxes=to_image(one.boxes, placement),
            scores=one.scores,
            classes=one.classes,
        )
        for one, placement in zip(found, placements, strict=True)
    ]


def raw_boxes(decoder: AbstractRawDecoder, outputs: Outputs) -> RawBoxes:
    """Return all boxes with the scores of the classes that the dataset has.

    The score of a box that is not finite is 0: it can never be a detection.

    Raises:
        UnsupportedError: an output is missing or has another shape.
    """
    return _decode(decoder, *map(jnp.asarray, _taken(decoder, outputs)))


def class_count(decoder: Decoder, outputs: Outputs) -> int | None:
    """Return how many classes a model tells apart, absent ones left out.

    None where its outputs hold final detections, which do not say it.

    Raises:
        UnsupportedError: an output is missing or has another shape.
    """
    if isinstance(decoder, FinalDetections):
        return None
    shapes = _decode.eval_shape(decoder, *map(jnp.asarray, _taken(decoder, outputs)))
    return shapes.scores.shape[-1]


@partial(jax.jit, static_argnums=0)
def _decode(decoder: AbstractRawDecoder, *outputs: Shaped[Array, "..."]) -> RawBoxes:
    raw = RAW_DECODERS[type(decoder)](decoder, *outputs)
    present = _present(decoder, raw.scores.shape[-1])
    finite = jnp.all(jnp.isfinite(raw.boxes), axis=-1, keepdims=True)
    return RawBoxes(
        boxes=jnp.where(finite, raw.boxes, jnp.float32(0)),
        scores=jnp.where(finite, raw.scores[..., jnp.asarray(present)], jnp.float32(0)),
    )


def _suppressed(decoder: AbstractRawDecoder, raw: RawBoxes) -> list[Detections]:
    found = suppress(
        raw,
        score_threshold=decoder.score_threshold,
        iou_threshold=decoder.iou_threshold,
        max_candidates=decoder.max_candidates,
        max_boxes=decoder.max_boxes,
        class_wise=decoder.class_wise,
    )
    boxes, scores, classes, counts = (np.asarray(part) for part in found)
    return [
        Detections(
            boxes=boxes[i, :n],
            scores=scores[i, :n],
            classes=classes[i, :n].astype(np.int64),
        )
        for i, n in enumerate(counts)
    ]


def _final(decoder: FinalDetections, outputs: Outputs) -> list[Detections]:
    result = []
    for one in final_detections(decoder, *map(np.asarray, _taken(decoder, outputs))):
        most = int(one.classes.max(initial=-1)) + 1
        present = _present(decoder, max(most, 1 + max(decoder.absent, default=-1)))
        kept = np.flatnonzero(np.isin(one.classes, present))[: decoder.max_boxes]
        result.append(
            Detections(
                boxes=one.boxes[kept],
                scores=one.scores[kept],
                classes=np.searchsorted(present, one.classes[kept]).astype(np.int64),
            )
        )
    return result


def _present(decoder: AbstractDecoder, many: int) -> Int64[np.ndarray, " c"]:
    """The model's classes that the dataset has."""
    beyond = [label for label in decoder.absent if label >= many]
    if beyond:
        raise UnsupportedError(
            f"class {beyond[0]} is said to be absent, but the model has {many} classes"
        )
    return np.setdiff1d(np.arange(many), decoder.absent)


def _taken(
    decoder: AbstractDecoder, outputs: Outputs
) -> list[Shaped[np.ndarray, "..."] | Shaped[Array, "..."]]:
    """The outputs that the decoding function takes, in its order."""
    names = decoder.outputs()
    if not names:
        if len(outputs) != decoder.unnamed:
            raise UnsupportedError(
                f"the model has {len(outputs)} outputs; expected {decoder.unnamed}, or "
                "their names in the decoder"
            )
        return list(outputs.values())
    missing = [name for name in names if name not in outputs]
    if missing:
        raise UnsupportedError(
            f"the model has no output {missing[0]!r}; it has "
            f"{', '.join(map(repr, outputs))}"
        )
    return [outputs[name] for name in names]
