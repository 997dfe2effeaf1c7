"""emu gate on a suite of one tiny case: accepted, then changed."""

import json

import pytest


@pytest.fixture
def suite(tiny, tmp_path):
    model, data = tiny
    path = tmp_path / "suite.toml"
    path.write_text(
        f'[[case]]\nid = "tiny"\nmodel = "{model}"\ndata = "{data}[:8]"\n'
        f'calibration = "{data}[8:]"\nbatch_size = 4\ncompare_samples = 4\n'
    )
    return path


def test_exit_codes_follow_the_baseline(emu, suite, tmp_path):
    accepted = emu("gate", suite, "--update-baseline")
    assert (accepted.code, accepted.err) == (0, "")
    assert "new baseline: n 8" in accepted.out
    assert "gate: holds" in accepted.out
    (file,) = (tmp_path / "baselines" / "suite").iterdir()
    stored = json.loads(file.read_text())
    stored["digest"] = "0" * 64
    file.write_text(json.dumps(stored))
    changed = emu("gate", suite, "--json")
    assert (changed.code, changed.json["exit_code"]) == (1, 1)
    verdicts = {v["kind"]: v["verdict"] for v in changed.json["verdicts"]}
    assert verdicts == {"accuracy": "equal", "layer": "equal", "bit": "regressed"}
