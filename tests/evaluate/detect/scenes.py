"""Objects and detections to measure: random ones, and those that a test spells out."""

import numpy as np

from emu.evaluate.detect.boxes import Category, Detections, Objects

CATEGORIES = tuple(Category(id=i, name=f"class {i}") for i in range(3))


def objects(boxes, classes=None, *, crowd=None, difficult=None, areas=None):
    """Objects of one image; by default of class 0, neither crowd nor difficult."""
    box = np.array(boxes, np.float64).reshape(-1, 4)
    n = len(box)
    plain = (box[:, 2:] - box[:, :2]).prod(axis=1)
    return Objects(
        size=(480, 640),
        boxes=box,
        classes=np.array(classes or [0] * n, np.int64),
        areas=np.array(areas or plain, np.float64) if n else np.zeros(0),
        crowd=np.array(crowd or [False] * n, np.bool_),
        difficult=np.array(difficult or [False] * n, np.bool_),
    )


def detections(boxes, scores, classes=None):
    """Detections in one image; by default of class 0."""
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        classes=np.array(classes or [0] * len(scores), np.int64),
    )


NOTHING = detections([], [])


def annotations(seed, images=12, classes=5):
    """An official annotation file: all sizes, crowds, boxes beyond the image."""
    rng = np.random.default_rng(seed)
    entries = []
    for image in range(images):
        for _ in range(rng.integers(0, 9)):
            side = 2.0 ** rng.uniform(2, 8.5, 2)
            corner = rng.uniform(-10, 400, 2)
            box = [round(float(v), 2) for v in (*corner, *side)]
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": 3 * image + 10,
                    "category_id": 2 * int(rng.integers(0, classes)) + 1,
                    "bbox": box,
                    "area": round(box[2] * box[3] * float(rng.uniform(0.4, 1)), 4),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
    return {
        "images": [
            {
                "id": 3 * image + 10,
                "file_name": f"{image}.jpg",
                "width": 640,
                "height": 480,
            }
            for image in range(images)
        ],
        # The last category has no objects.
        "categories": [
            {"id": 2 * i + 1, "name": f"class {i}"} for i in range(classes + 1)
        ],
        "annotations": entries,
    }


def perturbed(truth, classes, seed, *, noise=0.1, missed=0.2, wrong=2):
    """Detections near the objects of each image; scores of few values, so many ties."""
    rng = np.random.default_rng(seed)
    found = []
    for image in truth:
        kept = rng.random(len(image.boxes)) >= missed
        boxes = image.boxes[kept]
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        near = boxes + rng.normal(0, noise, boxes.shape) * sides
        corners = rng.uniform(0, 400, (wrong, 2))
        stray = np.hstack([corners, corners + rng.uniform(5, 200, (wrong, 2))])
        all_boxes = np.vstack([near, np.repeat(near[:1], wrong, axis=0), stray])
        n = len(all_boxes)
        labels = np.resize(image.classes[kept], n) if kept.any() else np.zeros(n)
        strange = rng.random(n) < 0.1
        labels = np.where(strange, rng.integers(0, classes, n), labels)
        scores = rng.integers(1, 17, n) / 16
        order = np.argsort(-scores, kind="stable")
        found.append(
            Detections(
                boxes=all_boxes[order].astype(np.float32),
                scores=scores[order].astype(np.float32),
                classes=labels[order].astype(np.int64),
            )
        )
    return tuple(found)
