"""Drawn networks: edges lead down, boxes do not overlap, nothing sticks out."""

from hypothesis import given, strategies as st

from emu.report.layout import HEIGHT, WIDTH, lay_out


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, tuple[tuple[int, int], ...]]:
    count = draw(st.integers(1, 14))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return count, tuple(edges)


@given(networks())
def test_edges_lead_down_from_box_to_box(network):
    count, edges = network
    drawing = lay_out(count, edges)
    for (source, target), route in zip(edges, drawing.routes, strict=True):
        (x0, y0), (x1, y1) = drawing.centres[source], drawing.centres[target]
        assert route[0] == (x0, y0 + HEIGHT / 2)
        assert route[-1] == (x1, y1 - HEIGHT / 2)
        heights = [y for _, y in route]
        assert heights == sorted(heights)
        assert y1 > y0


@given(networks())
def test_boxes_neither_overlap_nor_stick_out(network):
    count, edges = network
    drawing = lay_out(count, edges)
    for place, (x, y) in enumerate(drawing.centres):
        assert WIDTH / 2 <= x <= drawing.width - WIDTH / 2
        assert HEIGHT / 2 <= y <= drawing.height - HEIGHT / 2
        for x2, y2 in drawing.centres[:place]:
            assert abs(x - x2) >= WIDTH or abs(y - y2) >= HEIGHT


@given(networks())
def test_no_edge_passes_behind_a_box(network):
    count, edges = network
    drawing = lay_out(count, edges)
    for route in drawing.routes:
        for x, y in route[1:-1]:
            for cx, cy in drawing.centres:
                inside = abs(x - cx) < WIDTH / 2 and abs(y - cy) < HEIGHT / 2
                assert not inside


def test_a_chain_is_a_straight_line():
    drawing = lay_out(5, ((0, 1), (1, 2), (2, 3), (3, 4)))
    assert len({x for x, _ in drawing.centres}) == 1
    assert all(len({x for x, _ in route}) == 1 for route in drawing.routes)


def test_branches_of_equal_length_do_not_cross():
    drawing = lay_out(6, ((0, 1), (0, 2), (1, 4), (2, 3), (3, 5), (4, 5)))
    x = [x for x, _ in drawing.centres]
    assert (x[1] < x[2]) == (x[4] < x[3])


def test_nothing_is_drawn_of_nothing():
    assert lay_out(0, ()).centres == ()
