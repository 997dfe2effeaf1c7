"""Where the boxes of a drawn network stand: layers from top to bottom, few crossings.

The steps of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures", IEEE Transactions on Systems, Man and Cybernetics 11, 1981: longest
path layering, dummy boxes on long edges, ordering by barycentres, then columns.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

WIDTH: Final = 168.0
HEIGHT: Final = 38.0
_GAP_X: Final = 26.0
_GAP_Y: Final = 34.0
# The room that an edge takes beside boxes.
_LANE: Final = 14.0
_SWEEPS: Final = 12
_MARGIN: Final = 12.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawn network, in pixels from its upper left corner.

    Fields:
        width, height: of all.
        centres: of the boxes, WIDTH by HEIGHT each.
        routes: of the edges, the points that each passes from box to box.
    """

    width: float
    height: float
    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]


@lru_cache(maxsize=256)
def lay_out(count: int, edges: tuple[tuple[int, int], ...]) -> Drawing:
    """Place `count` boxes; each edge leads from a box to one with a higher number."""
    ranks = _ranks(count, edges)
    rank_of, links, paths = _with_dummies(ranks, edges)
    rows: list[list[int]] = [[] for _ in range(max(rank_of, default=-1) + 1)]
    for place, rank in enumerate(rank_of):
        rows[rank].append(place)
    above, below = _neighbours(len(rank_of), links)
    _order(rows, above, below)
    widths = [WIDTH if place < count else _LANE for place in range(len(rank_of))]
    x = _columns(rows, above, below, widths)
    left = min((x[p] - widths[p] / 2 for p in range(len(x))), default=0.0)
    right = max((x[p] + widths[p] / 2 for p in range(len(x))), default=0.0)
    pitch = HEIGHT + _GAP_Y
    at = [
        (round(x[p] - left + _MARGIN, 1), rank_of[p] * pitch + HEIGHT / 2 + _MARGIN)
        for p in range(len(x))
    ]
    return Drawing(
        width=round(right - left + 2 * _MARGIN, 1),
        height=len(rows) * pitch - _GAP_Y + 2 * _MARGIN if rows else 0.0,
        centres=tuple(at[:count]),
        routes=tuple(_route([at[p] for p in path]) for path in paths),
    )


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Longest paths from the top; what nothing leads to stands just above its reader."""
    ranks = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        ranks[target] = max(ranks[target], ranks[source] + 1)
    fed = {target for _, target in edges}
    for source in range(1, count):
        readers = [ranks[t] for s, t in edges if s == source]
        if source not in fed and readers:
            ranks[source] = min(readers) - 1
    return ranks


def _with_dummies(
    ranks: Sequence[int], edges: Sequence[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]], list[list[int]]]:
    """Ranks with the dummies', links between neighbouring rows, and edges as paths."""
    rank_of, links, paths = list(ranks), [], []
    for source, target in edges:
        path = [source]
        for rank in range(ranks[source] + 1, ranks[target]):
            path.append(len(rank_of))
            rank_of.append(rank)
        path.append(target)
        links += itertools.pairwise(path)
        paths.append(path)
    return rank_of, links, paths


def _neighbours(
    count: int, links: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _order(
    rows: list[list[int]], above: list[list[int]], below: list[list[int]]
) -> None:
    """Sort each row by the mean place of its neighbours, down and up; the best stays."""
    place = {p: float(i) for row in rows for i, p in enumerate(row)}
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        fixed = above if down else below
        for row in rows if down else reversed(rows):
            means = {p: _mean([place[q] for q in fixed[p]], place[p]) for p in row}
            row.sort(key=means.__getitem__)
            place |= {p: float(i) for i, p in enumerate(row)}
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for row, following in itertools.pairwise(rows):
        place = {p: i for i, p in enumerate(following)}
        ends = [place[q] for p in row for q in sorted(below[p], key=place.__getitem__)]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def _columns(
    rows: Sequence[Sequence[int]],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    widths: Sequence[float],
) -> list[float]:
    """Centres that keep their order and distance, near those of their neighbours."""
    x = [0.0] * len(widths)
    for row in rows:
        _spread(row, dict.fromkeys(row, 0.0), widths, x)
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            fixed = above if down else below
            wish = {p: _mean([x[q] for q in fixed[p]], x[p]) for p in row}
            _spread(row, wish, widths, x)
    return x


def _spread(
    row: Sequence[int],
    wish: Mapping[int, float],
    widths: Sequence[float],
    x: list[float],
) -> None:
    """Set the centres of a row: least squares to the wishes, in order, not overlapping.

    Wishes less the room to their left must not fall: neighbours that do are pooled.
    """
    offsets, room = [], 0.0
    for left, here in zip([None, *row], row, strict=False):
        if left is not None:
            room += (widths[left] + widths[here]) / 2 + _GAP_X
        offsets.append(room)
    pools: list[list[float]] = []  # [sum of weighted wishes, weight, members]
    for place, offset in zip(row, offsets, strict=True):
        # Straight long edges matter more than centred boxes.
        weight = 1.0 if widths[place] == WIDTH else 3.0
        pools.append([weight * (wish[place] - offset), weight, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > (
            pools[-1][0] * pools[-2][1]
        ):
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    bases = [total / weight for total, weight, n in pools for _ in range(int(n))]
    for place, base, offset in zip(row, bases, offsets, strict=True):
        x[place] = base + offset


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _route(points: Sequence[Point]) -> tuple[Point, ...]:
    """From the lower end of the first box to the upper end of the last."""
    (x0, y0), *between, (x1, y1) = points
    turns = [(x, y) for x, c in between for y in (c - HEIGHT / 2, c + HEIGHT / 2)]
    return ((x0, y0 + HEIGHT / 2), *turns, (x1, y1 - HEIGHT / 2))
