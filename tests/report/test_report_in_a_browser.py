"""The page in a real browser: nothing foreign runs, everything can be found, nothing scrolls sideways."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_records import EGGS, made_record, write_records
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from services.embedded.report.assembly import write_report

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs Chromium and its driver (Debian: chromium, chromium-driver)"
)

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
HOSTILE = (
    "</script><script>window.ran = 'script'</script>",
    "<img src=x onerror=\"window.ran = 'image'\"><svg onload=\"window.ran = 'svg'\">",
    '"><iframe srcdoc="<script>parent.ran = \'frame\'</script>"></iframe><!-- \u2028 %%data%% ${ran}',
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of two files: 60 ordinary records, and some hostile ones."""
    folder = tmp_path_factory.mktemp("report")
    ordinary = [ordinary_record(place) for place in range(60)]
    hostile = [
        made_record(
            HOSTILE, outcome="repaired", edits=[(HOSTILE[0], HOSTILE[1] + "!")], wrong=0, evidence=HOSTILE[1],
            id=HOSTILE[0], generator=HOSTILE[1], scorer=HOSTILE[2], reason=HOSTILE[0],
            problem={"text": HOSTILE[2], "gold": HOSTILE[0], "reference": HOSTILE[1]},
        ),
        made_record(("word" * 400,), outcome="rejected", reason="x" * 300, id="y" * 300),
    ]  # fmt: skip
    files = [write_records(folder / "a.jsonl", ordinary), write_records(folder / "b.jsonl", hostile)]
    write_report(files, folder / "report.html")
    return (folder / "report.html").as_uri()


def ordinary_record(place: int) -> dict[str, object]:
    if place % 3:
        return made_record(id=f"kept/{place}")
    edits = [("16 - 3 = 13", "16 - 3 - 4 = 9")]
    return made_record(outcome="repaired", edits=edits, wrong=0, drift=place / 20, id=f"repaired/{place}")


def opened(browser: webdriver.Chrome, page: str, width: int = 1280) -> webdriver.Chrome:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)
    return browser


def cards(browser: webdriver.Chrome) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, ".card")


def status(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.CSS_SELECTOR, ".found").text


def field(browser: webdriver.Chrome, name: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, f".tools [name={name}]")


def first_hostile(browser: webdriver.Chrome) -> WebElement:
    Select(field(browser, "file")).select_by_visible_text("b.jsonl")
    card = cards(browser)[0]
    assert card.find_element(By.TAG_NAME, "h3").text == HOSTILE[0]
    return card


def test_no_text_of_a_record_runs_as_code(browser: webdriver.Chrome, page: str) -> None:
    first_hostile(opened(browser, page))
    assert browser.execute_script("return window.ran") is None


def test_hostile_texts_are_shown_as_they_are(browser: webdriver.Chrome, page: str) -> None:
    card = first_hostile(opened(browser, page))
    assert all(text.split("\u2028")[0].strip() in card.text for text in HOSTILE)


def test_no_text_of_a_record_becomes_an_element(browser: webdriver.Chrome, page: str) -> None:
    first_hostile(opened(browser, page))
    assert not browser.find_elements(By.CSS_SELECTOR, "img, iframe, svg[onload], script:not([type]) ~ script")


def test_the_page_asks_for_nothing_and_reports_no_error(browser: webdriver.Chrome, page: str) -> None:
    opened(browser, page)
    requests = browser.execute_script("return performance.getEntriesByType('resource').map((r) => r.name)")
    assert (requests, browser.get_log("browser")) == ([], [])


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: webdriver.Chrome, page: str, width: int) -> None:
    first_hostile(opened(browser, page, width))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_only_one_page_of_records_is_in_the_document(browser: webdriver.Chrome, page: str) -> None:
    opened(browser, page)
    assert (len(cards(browser)), status(browser)) == (12, "62 trajectories")


def test_the_next_page_shows_other_records(browser: webdriver.Chrome, page: str) -> None:
    before = cards(opened(browser, page))[0].text
    browser.find_element(By.CSS_SELECTOR, ".pager [data-turn='1']").click()
    assert cards(browser)[0].text != before


def test_an_outcome_tile_filters_the_records(browser: webdriver.Chrome, page: str) -> None:
    opened(browser, page).find_element(By.CSS_SELECTOR, ".tile.repaired").click()
    assert status(browser) == "21 trajectories"


def test_a_search_finds_the_text_of_a_solution(browser: webdriver.Chrome, page: str) -> None:
    field(opened(browser, page), "text").send_keys("repaired/57")
    assert [card.find_element(By.TAG_NAME, "h3").text for card in cards(browser)] == ["repaired/57"]


def test_a_search_that_finds_nothing_says_so(browser: webdriver.Chrome, page: str) -> None:
    field(opened(browser, page), "text").send_keys("no such words")
    assert status(browser) == "0 trajectories"


def test_the_order_by_drift_puts_the_most_foreign_edit_first(browser: webdriver.Chrome, page: str) -> None:
    Select(field(opened(browser, page), "order")).select_by_value("drift")
    assert cards(browser)[0].find_element(By.TAG_NAME, "h3").text == "repaired/57"


def repaired_card(browser: webdriver.Chrome, page: str) -> WebElement:
    field(opened(browser, page), "text").send_keys("repaired/57")
    return cards(browser)[0]


def test_a_repaired_step_stands_beside_the_native_one(browser: webdriver.Chrome, page: str) -> None:
    sides = repaired_card(browser, page).find_elements(By.CSS_SELECTOR, ".side .text")
    assert [side.text for side in sides] == [EGGS[0], EGGS[0].replace("16 - 3 = 13", "16 - 3 - 4 = 9")]


def test_a_wrong_step_comes_with_its_evidence_and_source(browser: webdriver.Chrome, page: str) -> None:
    evidence = repaired_card(browser, page).find_element(By.CSS_SELECTOR, ".evidence")
    assert evidence.text == (
        "✗ wrong: 13 is no quantity of the reference; expected 16 - 3 - 4 (reference, confidence 0.62)"
    )


def test_a_cell_of_the_surprisal_strip_tells_its_figures(browser: webdriver.Chrome, page: str) -> None:
    card = repaired_card(browser, page)
    card.find_elements(By.CSS_SELECTOR, ".cell")[1].click()
    assert card.find_element(By.CSS_SELECTOR, ".readout").text.startswith("step 2: 0.77 nats per token over")


def test_every_control_has_a_name_for_those_who_listen(browser: webdriver.Chrome, page: str) -> None:
    controls = opened(browser, page).find_elements(
        By.CSS_SELECTOR, "button, input, select, summary, svg[role]"
    )
    shown = (control for control in controls if control.is_displayed())
    assert all(control.accessible_name for control in shown)


def test_thousands_of_records_stay_usable(browser: webdriver.Chrome, tmp_path: Path) -> None:
    records = [ordinary_record(place % 60) for place in range(4_000)]
    write_report([write_records(tmp_path / "out.jsonl", records)], tmp_path / "report.html", most=2_000)
    opened(browser, (tmp_path / "report.html").as_uri())
    assert (len(cards(browser)), status(browser)) == (12, "2000 trajectories")
