"""DetectResult: what a detector finds in a dataset, and its mean average precision."""

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Final

import pandas as pd

from emu.evaluate.detect.boxes import Category, Detections, Objects
from emu.evaluate.detect.coco_ap import CocoAp, coco_ap
from emu.evaluate.task import Task

# Average precisions are stored as whole numbers, in millionths.
MILLION: Final = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectResult:
    """Average precision of a dataset; every image's detections are kept.

    Fields:
        ids: of the images, in order.
        objects: what there is to find in each.
        detections: what was found in each.
        categories: that classes of both are positions in.
    """

    task: ClassVar[Task] = Task.DETECT
    metric: ClassVar[str] = "mAP"
    ids: tuple[str, ...]
    objects: tuple[Objects, ...] = field(repr=False)
    detections: tuple[Detections, ...] = field(repr=False)
    categories: tuple[Category, ...] = field(repr=False)

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.ids)

    @cached_property
    def _measured(self) -> tuple[CocoAp, pd.DataFrame]:
        return coco_ap(self.objects, self.detections, self.categories)

    @property
    def ap(self) -> CocoAp:
        """The twelve figures of COCO."""
        return self._measured[0]

    @property
    def by_class(self) -> pd.DataFrame:
        """Columns name, objects, ap, ap50; one row a category."""
        return self._measured[1]

    @property
    def exact(self) -> Fraction:
        """AP over IoU 0.50 to 0.95 to a millionth, 0 to 1."""
        return Fraction(_millionths(self.ap.ap), MILLION)

    @property
    def score(self) -> float:
        """AP over IoU 0.50 to 0.95, 0 to 1."""
        return self.ap.ap

    def counts(self) -> dict[str, int]:
        """Return whole numbers that a baseline stores; APs in millionths."""
        return {
            "n": self.n,
            "objects": sum(len(one.boxes) for one in self.objects),
            "detections": sum(len(one.boxes) for one in self.detections),
            "map_ppm": _millionths(self.ap.ap),
            "map50_ppm": _millionths(self.ap.ap50),
            "map75_ppm": _millionths(self.ap.ap75),
        }

    def to_json(self) -> dict[str, int | float]:
        """Return the stable names of `emu eval --json`; -1 stands for undefined."""
        names = {"ap": "map", "ap50": "map50", "ap75": "map75"}
        return {
            "n": self.n,
            "objects": sum(len(one.boxes) for one in self.objects),
            "detections": sum(len(one.boxes) for one in self.detections),
            **{names.get(key, key): value for key, value in asdict(self.ap).items()},
        }


def _millionths(ap: float) -> int:
    return round(ap * MILLION)
