"""What the settings of all decoders share."""

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from emu.config import Config
from emu.evaluate.detect.tables import TablesSwitch

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=1 << 14)]
# Pixels of the model's input between neighbouring cells of a level.
Strides = Annotated[tuple[Side, ...], Field(min_length=1, max_length=16)]


class AbstractDecoder(Config):
    """How a model's outputs become boxes, and which of them are kept.

    Fields:
        size: height and width of the model's input, in pixels.
        absent: classes that the model has and the dataset lacks. They are dropped, and
            the others numbered anew without gaps: so 90 classes numbered as COCO's ids
            become its 80 categories.
        score_threshold: detections have a higher score.
        max_boxes: detections of an image at most.
    """

    # How many outputs a model has whose outputs need no names; 0: they need them.
    unnamed: ClassVar[int] = 0
    size: tuple[Side, Side]
    absent: tuple[Annotated[int, Field(ge=0)], ...] = ()
    score_threshold: Share = 0.05
    max_boxes: Annotated[int, Field(ge=1, le=10_000)] = 300

    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that the decoding function takes, in its order.

        None at all means the `unnamed` ones of the model, in its order.
        """


class AbstractRawDecoder(AbstractDecoder):
    """A decoder whose boxes are still to be suppressed.

    Fields:
        iou_threshold: a box that overlaps a better one by more is dropped.
        max_candidates: pairs of box and class that are looked at, the best ones.
        class_wise: whether boxes of different classes leave each other alone.
        tables: whether sigmoid, exp and softmax of the decoding are integer tables; see
            `emu.evaluate.detect.tables`.
    """

    iou_threshold: Share = 0.6
    max_candidates: Annotated[int, Field(ge=1, le=100_000)] = 3000
    class_wise: bool = True
    tables: TablesSwitch = None
