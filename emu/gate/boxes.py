"""All boxes of a detector, exactly and compactly: what a baseline keeps of them."""

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import Field, model_validator

from emu.config import Config
from emu.errors import DataError
from emu.evaluate import Detections

# More than any baseline holds, in one image and in all: 64 MiB of them.
MOST_BOXES: Final = 3_000_000
_LINE: Final = 96
_CLASSES: Final = 1 << 16
# A score, four edges, a class.
_BYTES: Final = 4 + 4 * 4 + 2


class KeptBoxes(Config):
    """The boxes of one image.

    Fields:
        count: how many there are.
        data: all scores, then all edges, box after box (float32), then all classes
            (uint16), little endian; zlib of that, base64 of that, in short lines.
    """

    count: Annotated[int, Field(ge=0, le=MOST_BOXES)]
    data: tuple[str, ...]

    @model_validator(mode="after")
    def _can_be_read(self) -> "KeptBoxes":
        kept_detections(self)
        return self


def keep_boxes(found: Detections) -> KeptBoxes:
    """What a baseline holds of an image; DataError for more than 65536 classes."""
    if found.classes.max(initial=0) >= _CLASSES:
        raise DataError(
            f"found class {found.classes.max()}; a baseline holds {_CLASSES} classes"
        )
    parts = (
        found.scores.astype("<f4"),
        found.boxes.astype("<f4"),
        found.classes.astype("<u2"),
    )
    packed = zlib.compress(b"".join(part.tobytes() for part in parts), 9)
    text = base64.b64encode(packed).decode()
    lines = tuple(text[at : at + _LINE] for at in range(0, len(text), _LINE))
    return KeptBoxes(count=len(found.scores), data=lines)


def kept_detections(kept: KeptBoxes) -> Detections:
    """The boxes again, to the last bit; never more bytes than the count stands for.

    Raises ValueError for anything that `keep_boxes` does not write.
    """
    size = kept.count * _BYTES
    try:
        packed = base64.b64decode("".join(kept.data), validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, size + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"boxes cannot be unpacked: {error}") from error
    # Without an end that was seen, more may follow.
    if len(data) != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"boxes do not unpack to {size} bytes, {kept.count} boxes")
    scores, edges, classes = np.split(
        np.frombuffer(data, np.uint8), [4 * kept.count, 20 * kept.count]
    )
    return Detections(
        boxes=_floats(edges).reshape(kept.count, 4),
        scores=_floats(scores),
        classes=_whole(classes),
    )


def box_total(kept: Sequence[KeptBoxes]) -> int:
    """How many boxes there are in all images."""
    return sum(image.count for image in kept)


def _floats(data: np.ndarray) -> Float32[np.ndarray, " n"]:
    return data.view("<f4").astype(np.float32)


def _whole(data: np.ndarray) -> Int64[np.ndarray, " n"]:
    return data.view("<u2").astype(np.int64)
