"""The HTML page of a run: one file, safe, small enough, the same every time."""

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emu.errors import MissingError
from emu.gate import Kind, Outcome, Verdict
from emu.report.html import LIMIT_BYTES, html_page, write_html
from emu.report.page_case import sqnr_band
from tests.gate.made_up import outcome, run_of
from tests.report.pages import (
    HOSTILE,
    drawn,
    history,
    png,
    run_info,
    run_with_everything,
)


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of each script."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem:
            self.scripts[-1] += data
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page() -> bytes:
    return html_page(run_with_everything(), run_info(), history())


def test_every_case_has_a_row_and_a_section(page):
    found = Elements(page)
    sections = [one for one in found.all("section") if one.get("class") == "case"]
    assert [one["id"] for one in sections] == ["case-1", "case-2", "case-3"]
    links = [one["href"] for one in found.all("a")]
    assert {"#case-1", "#case-2", "#case-3"} <= set(links)
    rows = [one["data-code"] for one in found.all("tr") if "data-code" in one]
    assert rows == ["0", "1", "2"]
    text = "".join(found.text)
    for said in ("could not be judged", "s/drawn", "data.npz: x[3]: no luck", "abc123"):
        assert said in text


def test_figures_are_beside_the_baseline(page):
    text = page.decode()
    assert "<b>-25.00 points</b><span>since the baseline</span>" in text
    assert "<b>+25.00 points</b><span>loss against FP32</span>" in text
    assert "<b>30.0 dB</b><span>worst layer: fc</span>" in text


def test_the_layers_are_data_for_the_script(page):
    found = Elements(page)
    names = [one.get("id") for one in found.all("script")]
    data = json.loads(found.scripts[names.index("case-2-data")])
    assert [row[0] for row in data["layers"][:3]] == ["conv", "relu", "fc"]
    assert [row[7] for row in data["layers"]] == [40, 35, 30, None]
    assert [row[9] for row in data["layers"]] == [45, 40, 35, None]
    assert [block[0] for block in data["blocks"]][:2] == ["x", "conv"]
    assert [block[5] for block in data["blocks"]] == [-1, 0, 1, 2, 3, -1]
    assert data["edges"][0][:2] == [0, 1]
    assert data["hist"][0][0] == 0
    # Without visuals the figures of the layers are there all the same.
    plain = json.loads(found.scripts[names.index("case-1-data")])
    assert [row[0] for row in plain["layers"]] == ["conv", "relu", "fc"]
    assert "blocks" not in plain


def test_no_name_can_become_markup(page):
    found = Elements(page)
    assert HOSTILE in json.loads(found.scripts[1])["layers"][3][0]
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert len(found.all("script")) == 3
    assert b"<script>window" not in page
    assert f"cat {HOSTILE}" in [one.get("title") for one in found.all("span")]


@pytest.mark.parametrize("field", ["suite", "case", "detail"])
def test_texts_of_verdicts_are_escaped(field):
    case = outcome()
    texts = {"suite": "s", "case": "c", "detail": "d", field: HOSTILE}
    verdict = Verdict(kind=Kind.RUN, outcome=Outcome.FAILED, **texts)
    case = replace(case, suite=texts["suite"], case=texts["case"], verdicts=(verdict,))
    found = Elements(html_page(run_of(case), run_info()))
    assert len(found.all("script")) == 2
    assert HOSTILE in "".join(found.text)


def test_nothing_comes_from_elsewhere(page):
    text = page.decode()
    assert re.findall(r"https?://|//[a-z]+\.|@import|url\((?!#)", text) == []
    found = Elements(page)
    (policy,) = [
        one["content"]
        for one in found.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    script = found.scripts[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    sources = [one.get("src") for one in found.all("img")]
    sources += [one.get("href") for one in found.all("image")]
    assert len(sources) == 2
    assert all(one and one.startswith("data:image/png;base64,") for one in sources)
    assert not any("style" in attributes for _, attributes in found.tags)


def test_the_trend_ends_with_the_last_run(page):
    text = page.decode()
    assert text.count('class="spark"') == 1
    assert "3 runs, 70.00 % to 80.00 %, last 75.00 %" in text
    assert "run 3, 2026-01-01 00:00, abc123, 75.00 %, equal" in text
    without = html_page(run_with_everything(), run_info()).decode()
    assert 'class="spark"' not in without


def test_equal_runs_give_equal_pages(page):
    assert html_page(run_with_everything(), run_info(), history()) == page


@pytest.mark.parametrize(
    ("sqnr_db", "band"),
    [
        (-math.inf, 0),
        (-3.0, 0),
        (9.9, 0),
        (10.0, 1),
        (39.9, 3),
        (200.0, 4),
        (math.inf, 5),
    ],
)
def test_every_sqnr_has_a_colour(sqnr_db, band):
    assert sqnr_band(sqnr_db) == f"b{band}"


def test_a_large_run_stays_below_the_limit():
    names = tuple(f"block{i}/expanded_conv/depthwise" for i in range(100))
    blob = png(side=64) + bytes(2_500)
    one = drawn()
    assert one.result
    assert one.result.visuals
    layers = tuple(replace(one.result.visuals.blocks[1], name=name) for name in names)
    found = replace(
        one.result.visuals,
        blocks=layers,
        edges=tuple((i, i + 1) for i in range(99)),
        histograms=(),
        pictures=tuple(
            replace(one.result.visuals.pictures[0], image=blob) for _ in range(24)
        ),
    )
    case = replace(one, result=replace(one.result, visuals=found))
    page = html_page(run_of(*[case] * 70), run_info())
    assert len(page) <= LIMIT_BYTES == 5_000_000
    assert b"Left out to keep the page below 5.0 MB: most pictures." in page
    # The networks are there.
    assert page.count(b'"blocks":') == 70


def test_what_is_left_out_is_said_step_by_step():
    result = run_with_everything()
    whole = len(html_page(result, run_info()))
    fewer = html_page(result, run_info(), limit=whole - 1)
    assert len(fewer) < whole
    assert b"Left out" in fewer
    # Even a page that can hold no case says what the run came to.
    least = html_page(result, run_info(), limit=1)
    assert b"3 cases are left out here" in least
    assert Elements(least).all("section")[0]["id"] == "overview"


def test_bytes_that_are_no_utf8_do_no_harm():
    case = replace(outcome(), case="c\udcff")
    page = html_page(run_of(case), run_info())
    assert "s/c?" in page.decode()


def test_the_file_is_whole_or_not_there(tmp_path: Path):
    file = tmp_path / "reports" / "gate.html"
    write_html(file, run_with_everything(), run_info(), tmp_path / "no-history.db")
    assert file.read_bytes() == html_page(run_with_everything(), run_info())
    assert [path.name for path in file.parent.iterdir()] == ["gate.html"]
    with pytest.raises(MissingError, match="cannot write"):
        write_html(Path("/proc/self/gate.html"), run_with_everything(), run_info())
