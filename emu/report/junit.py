"""JUnit XML of a gate run: a test case for each case and kind of verdict."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from emu.gate import CaseOutcome, GateResult, Outcome, Verdict
from emu.graph import write_atomically

# What XML 1.0 has no way to write, escaped or not.
_UNWRITABLE: Final = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def junit_xml(result: GateResult) -> bytes:
    """The verdicts as JUnit XML; well-formed whatever the texts hold.

    A suite is a `testsuite`. What changed is a `failure`, what could not be judged an
    `error`, each with the detail; the detail of what holds is `system-out`. The seconds
    of a case stand at its first verdict.
    """
    root = ET.Element("testsuites", _totals(result.cases), name="emu gate")
    for suite in dict.fromkeys(case.suite for case in result.cases):
        cases = [case for case in result.cases if case.suite == suite]
        element = ET.SubElement(root, "testsuite", _totals(cases), name=_clean(suite))
        for case in cases:
            for place, verdict in enumerate(case.verdicts):
                seconds = _seconds([case]) if place == 0 else 0.0
                element.append(_test_case(verdict, seconds))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def write_junit(path: Path, result: GateResult) -> None:
    """Write `junit_xml` whole or not at all; MissingError if it cannot be."""
    write_atomically(path, junit_xml(result))


def _test_case(verdict: Verdict, seconds: float) -> ET.Element:
    element = ET.Element(
        "testcase",
        classname=_clean(f"{verdict.suite}.{verdict.case}"),
        name=verdict.kind.value,
        time=f"{seconds:.3f}",
    )
    detail = _clean(verdict.detail)
    if _tag(verdict.outcome) is None:
        ET.SubElement(element, "system-out").text = detail
    else:
        told = {"type": verdict.outcome.value, "message": detail}
        ET.SubElement(element, _tag(verdict.outcome) or "", told).text = detail
    return element


def _totals(cases: Sequence[CaseOutcome]) -> dict[str, str]:
    tags = [_tag(verdict.outcome) for case in cases for verdict in case.verdicts]
    return {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "time": f"{_seconds(cases):.3f}",
    }


def _seconds(cases: Iterable[CaseOutcome]) -> float:
    return sum((case.result.seconds for case in cases if case.result), 0.0)


def _tag(outcome: Outcome) -> str | None:
    return {1: "failure", 2: "error"}.get(outcome.exit_code)


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
