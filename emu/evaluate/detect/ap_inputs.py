"""What every average precision needs: objects and detections of the same images."""

from collections.abc import Sequence

import numpy as np

from emu.errors import DataError
from emu.evaluate.detect.boxes import Category, Detections, Objects


def require_comparable(
    objects: Sequence[Objects],
    detections: Sequence[Detections],
    categories: Sequence[Category],
) -> None:
    """Check that detections can be held against objects, image by image.

    Raises:
        DataError: there are not as many images of each, a class is no position in
            `categories`, or a detection has a NaN or infinite box or score.
    """
    if len(objects) != len(detections):
        raise DataError(
            f"found the objects of {len(objects)} images and the detections in "
            f"{len(detections)}; expected as many of each"
        )
    pairs = zip(objects, detections, strict=True)
    for position, (image, found) in enumerate(pairs):
        where = f"image {position}"
        for classes in (image.classes, found.classes):
            wrong = (classes < 0) | (classes >= len(categories))
            if wrong.any():
                raise DataError(
                    f"found class {int(classes[wrong][0])}; there are "
                    f"{len(categories)} categories",
                    where=where,
                )
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
            raise DataError(
                "found a detection whose box or score is NaN or infinite", where=where
            )
