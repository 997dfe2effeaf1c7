"""Each step against NumPy or Pillow written out; wrong orders and shapes refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image
from pydantic import ValidationError

from emu.errors import DataError
from emu.evaluate.preprocess import Preprocess
from emu.evaluate.preprocess_functions import STEPS
from emu.evaluate.preprocess_steps import Stage


def apply(x, *steps):
    return Preprocess.model_validate(list(steps)).apply(x)


def image(h, w, c=3):
    return np.random.default_rng(0).integers(0, 256, (h, w, c), dtype=np.uint8)


def test_no_steps_only_make_float32():
    x = np.array([[-3, 100]], np.int8)
    out = apply(x)
    assert out.dtype == np.float32
    assert out.tolist() == [[-3.0, 100.0]]


@given(h=st.integers(1, 60), w=st.integers(1, 60), size=st.integers(1, 40))
def test_resize_short_makes_the_shorter_side_exact(h, w, size):
    out = apply(image(h, w), {"op": "resize_short", "size": size})
    assert min(out.shape[:2]) == size
    scale = size / min(h, w)
    assert out.shape == (round(h * scale), round(w * scale), 3)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resize_is_pillows(name):
    x = image(20, 30)
    out = apply(x, {"op": "resize", "size": [7, 11], "filter": name})
    expected = Image.fromarray(x).resize((11, 7), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(out, np.asarray(expected, np.float32))


def test_resize_keeps_one_channel():
    x = image(20, 30, 1)
    out = apply(x, {"op": "resize", "size": [4, 5]})
    assert out.shape == (4, 5, 1)


def test_center_crop_rounds_the_offsets_down():
    x = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    out = apply(x, {"op": "center_crop", "size": [2, 3]})
    np.testing.assert_array_equal(out, x[1:3, 1:4])


def letterbox(size, **settings):
    return {"op": "letterbox", "size": size, **settings}


def test_letterbox_puts_pillows_image_top_left_on_a_grey_canvas():
    x = image(20, 30)
    out = apply(x, letterbox([16, 16]))
    small = Image.fromarray(x).resize((16, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(out[:10], np.asarray(small, np.float32))
    assert (out[10:] == 114).all()


def test_letterbox_rounds_down_or_to_nearest():
    # 20 rows come to 10.67.
    assert (apply(image(20, 30), letterbox([16, 16], pad=0))[10:] == 0).all()
    nearest = apply(image(20, 30) | 1, letterbox([16, 16], pad=0, rounding="nearest"))
    assert (nearest[:11] > 0).all()
    assert (nearest[11:] == 0).all()


def test_letterbox_loses_a_row_where_the_code_of_yolox_does():
    h = 360
    assert int(h * (416 / h)) == 415
    out = apply(image(h, h) | 1, letterbox([416, 416], pad=0))
    assert (out[:415, :415] > 0).all()
    assert (out[415:] == 0).all()


def test_letterbox_rounds_centre_offsets_down():
    x = image(10, 3) | 1
    out = apply(x, letterbox([10, 10], align="center", pad=[0, 0, 0]))
    np.testing.assert_array_equal(out[:, 3:6], x)
    assert (out[:, :3] == 0).all()
    assert (out[:, 6:] == 0).all()


def test_letterbox_pads_each_channel_with_its_own_value():
    out = apply(image(4, 8), letterbox([8, 8], pad=[1, 2, 3]))
    assert (out[4:] == np.array([1, 2, 3])).all()


def test_letterbox_never_shrinks_a_side_to_nothing():
    out = apply(image(1, 300) | 1, letterbox([16, 16], pad=0))
    assert (out[0] > 0).all()
    assert (out[1:] == 0).all()


def test_letterbox_resamples_as_told_and_keeps_one_channel():
    x = image(20, 20, 1)
    out = apply(x, letterbox([9, 9], filter="nearest"))
    small = Image.fromarray(x[:, :, 0]).resize((9, 9), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(out[:, :, 0], np.asarray(small, np.float32))


def placement(h, w, *steps):
    placed = Preprocess.model_validate(list(steps)).placement(h, w)
    assert placed.size == (h, w)
    return placed.scale, placed.offset


def test_without_steps_on_pixels_an_image_lies_where_it_is():
    steps = ({"op": "normalize", "div": 255}, {"op": "layout", "to": "NCHW"})
    assert placement(7, 9, *steps) == ((1.0, 1.0), (0.0, 0.0))


def test_each_step_on_pixels_places_the_image():
    resize = {"op": "resize", "size": [300, 300]}
    assert placement(150, 600, resize) == ((2.0, 0.5), (0.0, 0.0))
    short = {"op": "resize_short", "size": 10}
    assert placement(20, 33, short) == ((0.5, 16 / 33), (0.0, 0.0))
    crop = {"op": "center_crop", "size": [4, 4]}
    assert placement(9, 8, crop) == ((1.0, 1.0), (-2.0, -2.0))


def test_letterbox_places_by_the_ratio_or_by_the_rounded_sizes():
    ratio = 16 / 30
    assert placement(20, 30, letterbox([16, 16])) == ((ratio, ratio), (0.0, 0.0))
    centred = letterbox([16, 16], align="center", rounding="nearest")
    assert placement(20, 30, centred) == ((ratio, ratio), (2.0, 0.0))
    by_sizes = {**centred, "boxes_by": "sizes"}
    assert placement(20, 30, by_sizes) == ((11 / 20, 16 / 30), (2.0, 0.0))


def test_placements_compose():
    steps = (
        {"op": "resize", "size": [40, 20]},
        {"op": "center_crop", "size": [30, 20]},
    )
    twice = {"op": "resize", "size": [60, 60]}
    assert placement(20, 20, *steps, twice) == ((4.0, 3.0), (-10.0, 0.0))


@given(
    y=st.integers(0, 7),
    x=st.integers(0, 7),
    align=st.sampled_from(["top-left", "center"]),
)
def test_a_pixel_is_found_where_the_placement_says(y, x, align):
    picture = np.zeros((8, 8, 1), np.uint8)
    picture[y, x] = 255
    steps = [
        {"op": "resize", "size": [16, 32], "filter": "nearest"},
        letterbox([64, 70], align=align, pad=0, filter="nearest"),
    ]
    out = apply(picture, *steps)[:, :, 0]
    (sy, sx), (oy, ox) = placement(8, 8, *steps)
    rows, columns = np.nonzero(out)
    # Edges within a pixel: resampling and the canvas round to whole ones.
    assert abs(rows.min() - (y * sy + oy)) < 1
    assert abs(rows.max() + 1 - ((y + 1) * sy + oy)) < 1
    assert abs(columns.min() - (x * sx + ox)) < 1
    assert abs(columns.max() + 1 - ((x + 1) * sx + ox)) < 1


def test_a_placement_refuses_an_image_that_a_step_cannot_take():
    with pytest.raises(DataError, match="is only 3x9"):
        placement(3, 9, {"op": "center_crop", "size": [4, 4]})


def test_bgr_reverses_the_channels():
    x = image(2, 2)
    out = apply(x, {"op": "channels", "order": "BGR"})
    np.testing.assert_array_equal(out, x[:, :, ::-1])
    np.testing.assert_array_equal(apply(x, {"op": "channels", "order": "RGB"}), x)


def test_normalize_and_scale_compute_in_float32():
    x = image(3, 2)
    out = apply(x, {"op": "normalize", "sub": [1, 2, 3], "div": 58.395})
    wide = x.astype(np.float32)
    expected = (wide - np.array([1, 2, 3], np.float32)) / np.float32(58.395)
    np.testing.assert_array_equal(out, expected)
    out = apply(x, {"op": "scale", "add": -83, "mul": 0.5847029})
    np.testing.assert_array_equal(out, (wide - 83) * np.float32(0.5847029))


def test_layout_nchw_moves_the_channels_first():
    x = image(2, 5)
    out = apply(x, {"op": "layout", "to": "NCHW"})
    np.testing.assert_array_equal(out, x.transpose(2, 0, 1))
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(apply(x, {"op": "layout", "to": "NHWC"}), x)


def test_transpose_orders_the_axes_as_told():
    x = np.arange(490, dtype=np.int16).reshape(49, 10, 1)
    out = apply(x, {"op": "transpose", "axes": [2, 1, 0]})
    np.testing.assert_array_equal(out, x.transpose(2, 1, 0))
    assert out.shape == (1, 10, 49)


def test_reshape_adds_the_channel_axis():
    assert apply(
        image(28, 28, 1)[:, :, 0], {"op": "reshape", "shape": [1, 28, 28]}
    ).shape
    with pytest.raises(DataError, match=r"reshape to \[1, 28, 28\]: .*\[27, 28\]"):
        apply(np.zeros((27, 28), np.uint8), {"op": "reshape", "shape": [1, 28, 28]})


def test_windows_hold_whole_slices_in_order():
    x = np.arange(200 * 128, dtype=np.float32).reshape(200, 128)
    out = apply(x, {"op": "windows", "length": 5})
    assert out.shape == (196, 640)
    for k in (0, 17, 195):
        np.testing.assert_array_equal(out[k], x[k : k + 5].reshape(-1))
    strided = apply(x, {"op": "windows", "length": 5, "stride": 3})
    np.testing.assert_array_equal(strided, out[::3])


@pytest.mark.parametrize(
    ("x", "step", "message"),
    [
        (np.zeros((4, 4)), {"op": "resize", "size": [2, 2]}, "expected uint8"),
        (image(4, 4), {"op": "center_crop", "size": [5, 4]}, "is only 4x4"),
        (np.zeros((4, 4)), letterbox([2, 2]), "letterbox: .*expected uint8"),
        (image(4, 4, 1), letterbox([2, 2], pad=[1, 2]), "2 values of pad for 1"),
        (image(4, 4, 1), {"op": "channels", "order": "BGR"}, r"expected \[h, w, 3\]"),
        (image(4, 4), {"op": "normalize", "sub": [1, 2]}, "found 2 values"),
        (np.zeros(4), {"op": "layout", "to": "NCHW"}, r"expected \[h, w, c\]"),
        (np.zeros(4), {"op": "transpose", "axes": [1, 0]}, "expected 2 axes"),
        (np.zeros((4, 2)), {"op": "windows", "length": 5}, "has only 4"),
    ],
)
def test_a_step_refuses_samples_it_cannot_work_on(x, step, message):
    with pytest.raises(DataError, match=message):
        apply(x, step)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [{"op": "normalize"}, {"op": "resize", "size": [2, 2]}],
            "resize must come before normalize",
        ),
        (
            [{"op": "layout", "to": "NCHW"}, {"op": "normalize"}],
            "normalize must come before layout",
        ),
        (
            [{"op": "windows", "length": 2}, {"op": "reshape", "shape": [4]}],
            "windows must be the last step",
        ),
        ([{"op": "transpose", "axes": [0, 2]}], r"expected each axis 0\.\.1 once"),
        ([{"op": "normalize", "div": [1, 0, 1]}], "div must not be 0"),
        ([{"op": "normalize", "sub": float("nan")}], "finite"),
        ([{"op": "resize", "size": [0, 2]}], "greater than or equal to 1"),
        (
            [{"op": "letterbox", "size": [2, 2], "pad": 256}],
            "less than or equal to 255",
        ),
        (
            [{"op": "letterbox", "size": [2, 2], "align": "left"}],
            "'top-left' or 'center'",
        ),
    ],
)
def test_a_pipeline_that_means_nothing_is_refused(steps, message):
    with pytest.raises(ValidationError, match=message):
        Preprocess.model_validate(steps)


def test_a_double_too_large_for_float32_becomes_infinite_without_a_warning():
    assert np.isinf(apply(np.array([1e300]))).all()


def test_every_step_has_a_function_and_a_stage():
    ops = {step.model_fields["op"].default for step in STEPS}
    assert len(ops) == len(STEPS)
    assert all(isinstance(step.stage, Stage) for step in STEPS)
    assert all(
        STEPS[step].__name__ == step.model_fields["op"].default for step in STEPS
    )
