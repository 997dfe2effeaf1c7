"""JUnit XML: one test case a verdict, well-formed whatever the texts hold."""

import string
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from emu.errors import MissingError
from emu.gate import Outcome, Verdict
from emu.report.junit import junit_xml, write_junit
from tests.gate.made_up import failed, outcome, run_of

# Surrogates too: a file's name may hold bytes that are no UTF-8.
any_text = st.text(st.characters() | st.characters(categories=["Cs"]))


def test_each_verdict_is_a_test_case_of_its_kind(gate):
    root = ET.fromstring(junit_xml(gate))
    assert dict(root.attrib) == {
        "name": "emu gate",
        "tests": "9",
        "failures": "2",
        "errors": "3",
        "time": "1.250",
    }
    (suite,) = root
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert len(cases) == len(gate.verdicts) == 9
    found = {key: [child.tag for child in case] for key, case in cases.items()}
    for verdict in gate.verdicts:
        tag = {0: "system-out", 1: "failure", 2: "error"}[verdict.outcome.exit_code]
        assert found[f"s.{verdict.case}", verdict.kind.value] == [tag]
    error = cases["s.f", "run"].find("error")
    assert error is not None
    assert error.text == error.get("message") == "data.npz: x[3]: no luck"
    assert error.get("type") == "failed"


def test_suites_have_their_own_totals():
    other = replace(outcome(judged=Outcome.REGRESSED), suite="t")
    first, second = ET.fromstring(junit_xml(run_of(outcome(), failed(), other)))
    assert [first.get(key) for key in ("tests", "failures", "errors")] == [
        "2",
        "0",
        "1",
    ]
    assert [second.get(key) for key in ("tests", "failures", "errors")] == [
        "1",
        "1",
        "0",
    ]


@given(any_text, any_text, st.sampled_from(Outcome))
def test_any_text_is_well_formed_and_comes_back(name, detail, judged):
    case = outcome(judged=judged)
    verdict = Verdict(
        suite=name, case=name, kind=case.verdicts[0].kind, outcome=judged, detail=detail
    )
    result = run_of(replace(case, suite=name, case=name, verdicts=(verdict,)))
    ((found,),) = ET.fromstring(junit_xml(result))
    text = found[0].text or ""
    # XML reads line ends as one; what it cannot hold is replaced, one for one.
    assert text.count("\n") == detail.replace("\r\n", "\n").replace("\r", "\n").count(
        "\n"
    )
    assert all(mark in text for mark in detail if mark in string.printable.strip())


def test_the_file_is_whole_or_not_there(tmp_path, gate):
    file = tmp_path / "reports" / "junit.xml"
    write_junit(file, gate)
    assert file.read_bytes() == junit_xml(gate)
    assert [path.name for path in file.parent.iterdir()] == ["junit.xml"]
    with pytest.raises(MissingError, match=r"/proc/self/junit\.xml: cannot write"):
        write_junit(Path("/proc/self/junit.xml"), gate)
