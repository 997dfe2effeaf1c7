"""Suites: what may stand in them, and which files their names mean."""

from pathlib import Path

import pytest

from emu.errors import ConfigError
from emu.gate.suite import Case, case_calibration, case_data, case_model, read_suite


def write(folder: Path, text: str) -> Path:
    path = folder / "s.toml"
    path.write_text(text)
    return path


def test_a_case_has_sensible_defaults(tmp_path):
    case = read_suite(write(tmp_path, '[[case]]\nid = "a"\nmodel = "m"\n')).case[0]
    assert (case.target, case.batch_size, case.compare_samples) == (None, 32, 64)
    assert case.limits.max_drop_points is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[case]]\nid = "a"\nmodel = "m"\ntarged = "x"\n', "did you mean 'target'"),
        (
            '[[case]]\nid = "a"\nmodel = "m"\nlimits = { max_drop = 1 }\n',
            "did you mean 'max_drop_",
        ),
        ('[[cases]]\nid = "a"\nmodel = "m"\n', "did you mean 'case'"),
        ('[[case]]\nid = "a/b"\nmodel = "m"\n', "expected letters"),
        ('[[case]]\nid = "a"\n', "required"),
        ("case = []\n", "at least 1"),
        ('[[case]]\nid = "a"\nmodel = "m"\n' * 2, "two cases have the id 'a'"),
    ],
    ids=["key", "limit", "table", "id", "model", "empty", "twice"],
)
def test_a_wrong_suite_is_one_clear_line(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=expected) as caught:
        read_suite(path)
    assert caught.value.file == str(path)
    assert "\n" not in str(caught.value)


TWO = """\
[[case]]
id = "a"
model = "m"
target = "t"

[[case]]
id = "b"
model = "m"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO + 'taget = "x"\n', "line 9: case.1.taget: unknown key; did .* 'target'?"),
        (TWO + "target = 5\n", "line 9: case.1.target: found 5; Input should be"),
        (TWO + "batch_size = 0\n", "line 9: case.1.batch_size: found 0; .*equal to 1"),
        (TWO + "limits = { max_lsb = 5 }\n", "line 9: case.1.limits.max_lsb: found 5"),
        (
            TWO + "\n[case.limits]\nmax_drop_point = 1\n",
            "line 11: case.1.limits.max_drop_point: unknown key; did you mean",
        ),
        (TWO + "bands = { sqnr = 1 }\n", "line 9: case.1.bands.sqnr: .*'sqnr_db'"),
        (TWO + "bands = { sqnr_db = -1 }\n", "line 9: case.1.bands.sqnr_db: found -1"),
        (TWO + "bands = { cosine = nan }\n", "line 9: case.1.bands.cosine: found nan"),
        (
            TWO + "limits = { max_time_ratio = { onnx = 2 } }\n",
            "line 9: case.1.limits.max_time_ratio: no engine 'onnx'; known are",
        ),
        (TWO.replace('id = "b"', ""), "line 6: case.1.id: this key is required"),
        (TWO.replace('"b"', '"b/c"'), "line 7: case.1.id: found 'b/c'; expected lett"),
        (TWO.replace('"b"', '"a"'), "line 7: .*two cases have the id 'a', lines 2 and"),
        (
            TWO + 'recipe = "../r.toml"\n',
            "line 9: case.1.recipe: found '../r.toml', wh",
        ),
        (TWO + 'target = "/t.toml"\n', "line 9: case.1.target: .*leaves the project"),
        (TWO + 'data = "../d.npz[:5]"\n', "line 9: case.1.data: .*leaves the project"),
        (TWO + 'calibration = ".."\n', "line 9: case.1.calibration: .*leaves the proj"),
        (
            TWO.replace('b"\nmodel = "m"', '{model}"\nmodel = ["b", "../c.onnx"]'),
            r"line 8: case.1.model: found '\.\./c.onnx', which leaves the project",
        ),
    ],
)
def test_the_line_and_key_of_a_mistake_are_named(tmp_path, monkeypatch, text, expected):
    monkeypatch.delenv("EMU_DATA", raising=False)
    with pytest.raises(ConfigError, match=f"s.toml: {expected}"):
        read_suite(write(tmp_path, text))


def test_the_project_is_the_folder_that_holds_suites(tmp_path, monkeypatch):
    monkeypatch.setenv("EMU_DATA", str(tmp_path / "data"))
    folder = tmp_path / "project" / "suites"
    folder.mkdir(parents=True)
    inside = f'calibration = "{tmp_path}/data/x.npz[:4]"\nrecipe = "../r.toml"\n'
    assert read_suite(write(folder, TWO + inside)).case[1].recipe == "../r.toml"
    with pytest.raises(ConfigError, match=f"leaves the project {tmp_path}/project; "):
        read_suite(write(folder, TWO + 'recipe = "../../r.toml"\n'))
    with pytest.raises(ConfigError, match="leaves the project"):
        read_suite(write(folder, TWO + f'data = "{tmp_path}/data/../x.npz"\n'))


def test_names_are_looked_for_beside_the_suite_first(suite):
    (suite.parent / "models").mkdir()
    entry = suite.parent / "models" / "digits.toml"
    entry.write_text('file = "../tiny.onnx"\ncalibration = "other[0:2]"\n')
    found = case_model(suite, Case(id="a", model="digits"))
    assert found.file == suite.parent / "tiny.onnx"


def test_paths_count_from_the_folder_of_the_suite(suite):
    case = Case(id="a", model="tiny.toml", data="data.npz[0:3][::2]")
    entry = case_model(suite, case)
    assert entry.file == suite.parent / "tiny.onnx"
    assert case_data(suite, case, entry) == f"{suite.parent / 'data.npz'}[0:3][::2]"


def test_a_name_with_no_entry_beside_the_suite_stays_a_name(suite):
    case = Case(id="a", model="tiny.toml", data="digits_test[0:3]")
    assert case_data(suite, case, case_model(suite, case)) == "digits_test[0:3]"


def test_data_that_nothing_names_is_an_error(suite):
    case = Case(id="a", model="tiny.toml")
    with pytest.raises(ConfigError, match="names its calibration") as caught:
        case_calibration(suite, case, case_model(suite, case))
    assert caught.value.where == "a"


CROSS = """
    [[case]]
    id = "{model}-{target}-{recipe}"
    model = ["a", "folder/b.onnx"]
    target = ["generic-int8", "mine.toml"]
    recipe = ["recipes/kl.toml", "recipes/auto/{model}-{target}.toml"]
    limits = { max_drop_points = 1.0 }
"""


def test_lists_make_a_case_of_every_combination(tmp_path):
    cases = read_suite(write(tmp_path, CROSS)).case
    assert len(cases) == 8
    assert cases[0].id == "a-generic-int8-kl"
    assert cases[-1].id == "b-mine-auto"
    assert cases[-1].recipe == "recipes/auto/b-mine.toml"
    assert (cases[-1].model, cases[-1].target) == ("folder/b.onnx", "mine.toml")
    assert {case.limits.max_drop_points for case in cases} == {1.0}


def test_ids_that_do_not_say_what_varies_are_twice_the_same(tmp_path):
    text = CROSS.replace("-{recipe}", "")
    twice = "two cases have the id 'a-generic-int8', both of line 3"
    with pytest.raises(ConfigError, match=twice):
        read_suite(write(tmp_path, text))


def test_braces_of_other_names_are_no_part_of_an_id(tmp_path):
    text = CROSS.replace("{recipe}", "{data}")
    with pytest.raises(ConfigError, match="expected letters"):
        read_suite(write(tmp_path, text))
