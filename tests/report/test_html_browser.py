"""The HTML page of a run in a browser: it works, and it asks nobody for anything.

Needs Chromium and its driver; where they are absent the tests are reported as skipped
with that reason.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from emu.report.html import html_page
from tests.report.pages import HOSTILE, history, run_info, run_with_everything

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1300,1000",
)

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="Chromium and its driver are not installed "
    "(Debian: apt-get install chromium chromium-driver)",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    found = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "gate.html"
    file.write_bytes(html_page(run_with_everything(), run_info(), history()))
    return Path(file).as_uri()


class Page:
    """What a reader sees and does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def focus(self, selector: str) -> None:
        self.driver.execute_script("arguments[0].focus()", self.one(selector))

    def texts(self, selector: str) -> list[str]:
        return [one.text for one in self.all(selector) if one.is_displayed()]

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def picked(self) -> dict[str, str]:
        """The layer that each part of a case shows as picked."""
        shown = "#case-2 "
        return {
            "table": self.one(shown + "tr.picked td:nth-child(2)").get_attribute(
                "title"
            )
            or "",
            "graph": (
                self.one(shown + ".node.picked").get_attribute("aria-label") or ""
            ).split(",")[0],
            "side": self.one(shown + ".side h3").text,
        }


@pytest.fixture
def page(driver: webdriver.Chrome, address: str) -> Page:
    driver.get("about:blank")
    driver.get(address)
    return Page(driver)


@pytest.fixture
def case(page: Page) -> Page:
    page.one("a[href='#case-2']").click()
    return page


def everywhere(name: str) -> dict[str, str]:
    return {"table": name, "graph": name, "side": name}


def test_it_asks_nobody_for_anything_and_reports_no_error(driver, address):
    for log in ("browser", "performance"):
        driver.get_log(log)
    for place in ("", "#case-1", "#case-2", "#case-3", "#case-4", "#%"):
        driver.get("about:blank")
        driver.get(address + place)
    assert driver.get_log("browser") == []
    messages = [
        json.loads(entry["message"])["message"]
        for entry in driver.get_log("performance")
    ]
    asked = {
        message["params"]["request"]["url"].partition(":")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    # The browser's own first page is none of ours.
    assert asked <= {"file", "data", "about", "chrome"}
    assert "file" in asked


def test_no_name_of_a_layer_becomes_code(case: Page):
    assert HOSTILE in [one.get_attribute("title") for one in case.all("#case-2 td")]
    assert case.ask("window.hacked") is None
    assert case.all("#case-2 .layers img, #case-2 .layers script") == []


def test_the_overview_sorts_by_mouse_and_by_keyboard(page: Page):
    assert page.texts("#cases tbody a") == ["s/plain", "s/drawn", "s/f"]
    head = page.one("#cases th:nth-child(2)")
    head.find_element(By.TAG_NAME, "button").click()
    assert page.texts("#cases tbody a") == ["s/drawn", "s/f", "s/plain"]
    assert head.get_attribute("aria-sort") == "ascending"
    page.focus("#cases th:nth-child(2) button")
    page.press(Keys.ENTER)
    assert page.texts("#cases tbody a") == ["s/plain", "s/f", "s/drawn"]
    assert head.get_attribute("aria-sort") == "descending"
    page.one("#cases th:nth-child(1) button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert page.texts("#cases tbody a")[0] == "s/f"


def test_the_overview_is_filtered(page: Page):
    page.one("#search").send_keys("dra")
    assert page.texts("#cases tbody a") == ["s/drawn"]
    assert page.one("#shown").text == "1 of 3 cases"
    page.one("#search").send_keys(Keys.BACKSPACE * 3)
    page.one("#failing").click()
    assert page.texts("#cases tbody a") == ["s/drawn", "s/f"]


def test_a_case_has_a_page_of_its_own(case: Page):
    assert case.texts("h1") == ["s/drawn regressed"]
    assert case.driver.switch_to.active_element.text == "s/drawn regressed"
    case.one("#case-2 .crumbs a").click()
    assert case.texts("h1") == ["3 cases"]


def test_skipping_to_the_content_stays_with_the_case(case: Page):
    case.focus(".skip")
    case.press(Keys.ENTER)
    assert case.driver.switch_to.active_element.tag_name == "main"
    assert case.texts("h1") == ["s/drawn regressed"]


def test_a_layer_is_picked_everywhere(case: Page):
    # The worst one to begin with.
    assert case.picked() == everywhere("fc")
    case.one("#case-2 .node[aria-label^='conv']").click()
    assert case.picked() == everywhere("conv")
    case.one("#case-2 tr[data-row='1']").click()
    assert case.picked() == everywhere("relu")
    case.one("#case-2 .bar[aria-label^='fc'] .fill").click()
    assert case.picked() == everywhere("fc")
    case.one("#case-2 .hist:nth-child(1)").click()
    assert case.picked() == everywhere("conv")
    assert len(case.all("#case-2 .picked")) == 4


def test_layers_are_sorted(case: Page):
    def order() -> list[str | None]:
        return [
            one.get_attribute("title")
            for one in case.all("#case-2 tbody tr td:nth-child(2)")
            if one.get_attribute("title")
        ]

    heads = case.all("#case-2 .layers th button")
    texts = [one.text for one in heads]
    assert {"layer", "op", "all dB", "change"} <= set(texts)
    heads[texts.index("all dB")].click()
    # What was not compared comes last, whichever way.
    assert order() == ["fc", "relu", "conv", HOSTILE]
    heads[texts.index("all dB")].click()
    assert order() == ["conv", "relu", "fc", HOSTILE]


def test_the_keyboard_walks_the_graph(case: Page):
    case.focus("#case-2 .node[tabindex='0']")
    case.press(Keys.ARROW_UP)
    case.press(Keys.ARROW_UP)
    label = case.driver.switch_to.active_element.get_attribute("aria-label") or ""
    assert label.startswith("conv,")
    assert case.picked() == everywhere("fc")
    case.press(Keys.ENTER)
    assert case.picked() == everywhere("conv")


def test_the_graph_zooms(case: Page):
    def scale() -> float:
        world = case.one("#case-2 .graph > svg > g").get_attribute("transform") or ""
        return float(world.rpartition("scale(")[2].rstrip(")"))

    case.focus("#case-2 .node[tabindex='0']")
    first = scale()
    case.press("+")
    assert scale() > first
    case.press("-")
    assert scale() == pytest.approx(first, abs=1e-3)
    case.one("#case-2 .zoom button:nth-child(2)").click()
    assert scale() < first
    case.ask(
        "document.querySelector('#case-2 .graph > svg').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: -400, cancelable: true}))"
    )
    assert scale() > first


def test_the_keyboard_walks_chart_and_table(case: Page):
    case.focus("#case-2 .bar[tabindex='0']")
    case.press(Keys.ARROW_LEFT)
    assert case.picked() == everywhere("relu")
    case.focus("#case-2 tr[tabindex='0']")
    case.press(Keys.ARROW_UP)
    assert case.picked() == everywhere("conv")


def test_boxes_can_be_hidden(case: Page):
    shown = case.all("#case-2 .box.now")
    assert [one.is_displayed() for one in shown] == [True]
    case.one("#case-2 .show[data-kind='now']").click()
    assert [one.is_displayed() for one in shown] == [False]
    assert case.one("#case-2 .box.truth").is_displayed()


def test_colours_follow_the_system_until_they_are_chosen(page: Page):
    def background(system: str) -> str:
        feature = {"name": "prefers-color-scheme", "value": system}
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [feature]}
        )
        return page.ask("getComputedStyle(document.body).backgroundColor")

    light, dark = background("light"), background("dark")
    assert light != dark
    button = page.one("#theme")
    button.click()
    assert (background("dark"), background("light")) == (light, light)
    button.click()
    assert (background("dark"), background("light")) == (dark, dark)
    button.click()
    assert (background("dark"), background("light")) == (dark, light)
