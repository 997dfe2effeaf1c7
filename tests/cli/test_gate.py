"""emu gate on a suite of one tiny case: accepted, then changed."""

import shutil

import pytest

from emu.gate import read_baseline, write_baseline


@pytest.fixture
def suite(tiny, tmp_path):
    for file in tiny:
        shutil.copy(file, tmp_path)
    path = tmp_path / "suite.toml"
    path.write_text(
        '[[case]]\nid = "tiny"\nmodel = "tiny.onnx"\ndata = "tiny.npz[:8]"\n'
        'calibration = "tiny.npz[8:]"\nbatch_size = 4\ncompare_samples = 4\n'
    )
    return path


def test_exit_codes_follow_the_baseline(emu, suite, tmp_path):
    accepted = emu("gate", suite, "--update-baseline", "--reason", "made up")
    assert (accepted.code, accepted.err) == (0, "")
    assert "new baseline: n 8" in accepted.out
    assert "gate: holds" in accepted.out
    (file,) = (tmp_path / "baselines" / "suite").iterdir()
    stored = read_baseline(file)
    assert stored.reason == "made up"
    write_baseline(file, stored.model_copy(update={"digest": "0" * 64}))
    changed = emu("gate", suite, "--json")
    assert (changed.code, changed.json["exit_code"]) == (1, 1)
    verdicts = {v["kind"]: v["verdict"] for v in changed.json["verdicts"]}
    assert verdicts == {"accuracy": "equal", "layer": "equal", "bit": "regressed"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--update-baseline"], "--update-baseline: needs --reason TEXT"),
        (["--update-baseline", "--reason", " "], "needs --reason TEXT"),
        (["--reason", "so"], "--reason: means nothing without --update-baseline"),
    ],
)
def test_baselines_are_updated_for_a_reason(refused, suite, options, expected):
    line, error = refused("gate", suite, *options)
    assert expected in line
    assert error["kind"] == "config"
