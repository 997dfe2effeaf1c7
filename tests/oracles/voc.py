"""VOC's average precision, written after VOCevaldet.m and VOCap.m, in fractions.

Corners are pixels, counted from 1, that belong to the box; hence the + 1 of each side.
"""

from fractions import Fraction

Box = tuple[Fraction, Fraction, Fraction, Fraction]
Truth = tuple[int, int, Box, bool]  # image, class, box, difficult
Found = tuple[int, int, Box, Fraction]  # image, class, box, score


def average_precisions(
    truths: list[Truth], founds: list[Found], klass: int
) -> tuple[Fraction, Fraction] | None:
    """Area under the curve and 11 points of one class; None without objects."""
    own = [truth for truth in truths if truth[1] == klass]
    positives = sum(not difficult for _, _, _, difficult in own)
    if not positives:
        return None
    found = [f for f in founds if f[1] == klass]
    found.sort(key=lambda f: -f[3])
    taken = [False] * len(own)
    hits = misses = 0
    recalls, precisions = [], []
    for image, _, box, _ in found:
        largest, which = Fraction(-1), -1
        for j, (other, _, truth, _) in enumerate(own):
            if other == image and overlap(box, truth) > largest:
                largest, which = overlap(box, truth), j
        if largest >= Fraction(1, 2):
            if not own[which][3]:
                if taken[which]:
                    misses += 1
                else:
                    hits += 1
                    taken[which] = True
        else:
            misses += 1
        recalls.append(Fraction(hits, positives))
        precisions.append(
            Fraction(hits, hits + misses) if hits + misses else Fraction(0)
        )
    return area(recalls, precisions), eleven_points(recalls, precisions)


def overlap(a: Box, b: Box) -> Fraction:
    wide = min(a[2], b[2]) - max(a[0], b[0]) + 1
    high = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if wide <= 0 or high <= 0:
        return Fraction(-1)
    sizes = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return wide * high / (sizes[0] + sizes[1] - wide * high)


def area(recalls: list[Fraction], precisions: list[Fraction]) -> Fraction:
    recall = [Fraction(0), *recalls, Fraction(1)]
    precision = [Fraction(0), *precisions, Fraction(0)]
    for i in reversed(range(len(precision) - 1)):
        precision[i] = max(precision[i], precision[i + 1])
    return sum(
        (
            (recall[i] - recall[i - 1]) * precision[i]
            for i in range(1, len(recall))
            if recall[i] != recall[i - 1]
        ),
        Fraction(0),
    )


def eleven_points(recalls: list[Fraction], precisions: list[Fraction]) -> Fraction:
    total = Fraction(0)
    for k in range(11):
        reached = [
            precision
            for recall, precision in zip(recalls, precisions, strict=True)
            if recall >= Fraction(k, 10)
        ]
        total += max(reached, default=Fraction(0)) / 11
    return total
