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


def test_the_page_holds_what_the_run_found(emu, suite, tmp_path):
    page = tmp_path / "pages" / "gate.html"
    first = emu(
        "gate", suite, "--update-baseline", "--reason", "made up", "--html", page
    )
    assert (first.code, first.err) == (0, "")
    text = page.read_text()
    assert "suite/tiny" in text
    # The network and the histograms are measured because of the page alone.
    assert '"blocks":' in text
    assert '"hist":[[' in text
    assert "emu gate" in text
    # The trend ends with this run.
    assert "1 run," in text
    again = emu("gate", suite, "--html", page, "--no-history")
    assert again.code == 0
    assert "1 run," not in page.read_text()


def test_a_page_that_cannot_be_written_costs_exit_code_2(emu, suite):
    emu("gate", suite, "--update-baseline", "--reason", "made up")
    found = emu("gate", suite, "--html", "/proc/self/gate.html", "--json")
    assert (found.code, found.json["exit_code"]) == (2, 2)
    assert found.err.startswith("error: /proc/self/gate.html: cannot write")
    assert found.err.count("\n") == 1
