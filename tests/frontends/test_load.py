"""load_model chooses the frontend by suffix."""

import pytest

from emu.errors import UnsupportedError
from emu.frontends import load_model
from tests.frontends.run import one_node_model, save


def test_onnx_files_are_read(tmp_path):
    path = save(one_node_model("Relu", [("N", 3)]), tmp_path)
    upper = path.rename(tmp_path / "MODEL.ONNX")
    assert load_model(str(upper)).outputs == ("y",)


@pytest.mark.parametrize("name", ["model.pt", "model"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(UnsupportedError, match=r"no frontend reads .*known: \.onnx"):
        load_model(tmp_path / name)
