from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Page, chromium
from mptcp_check import plotting
from mptcp_check.analysis.flows.connections import connections
from traced import two_paths

pytestmark = pytest.mark.browser

TICKS = "[...document.querySelectorAll('#c2s-{} .x-tick')].map(t => t.textContent)"
HEIGHTS = "[...document.querySelectorAll('#c2s-{} .y-tick')].map(t => t.textContent)"
SHOWN = "document.getElementById('shown').textContent"
ALL = "0 to 210 ms"


@pytest.fixture(scope="module")
def plots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    capture = two_paths().capture()
    directory = tmp_path_factory.mktemp("plots") / "made"
    plotting.write(capture, connections(capture.packets), directory, source="two paths")
    return directory / "connection-0" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser: Page, plots: Path) -> Page:
    browser.requests.clear()
    browser.complaints.clear()
    browser.load(Path("/dev/null"))
    browser.load(plots)
    browser.click("#c2s-sequence .live")
    return browser


def middle(page: Page) -> tuple[float, float]:
    x, y = page.value(
        "(() => { const b = document.querySelector('#c2s-sequence .live').getBoundingClientRect();"
        "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )
    return x, y


def test_the_page_opens_without_a_request_or_a_complaint(page: Page, plots: Path) -> None:
    assert page.value(SHOWN) == ALL
    assert set(page.requests) <= {plots.as_uri(), "file:///dev/null"}
    assert page.complaints == []
    assert page.value("document.querySelectorAll('.live canvas').length") == 5
    assert page.value("[...document.querySelectorAll('.still')].every(s => s.hidden)")


def test_something_is_drawn(page: Page) -> None:
    inked = page.value(
        "(() => { const c = document.querySelector('#c2s-sequence canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
    )

    assert inked > 100


def test_the_wheel_zooms_the_time_of_all_plots_and_the_height_of_one(page: Page) -> None:
    before = [page.value(script.format("sequence")) for script in (TICKS, HEIGHTS)]
    other = page.value(HEIGHTS.format("window"))
    page.mouse("mouseWheel", *middle(page), deltaX=0, deltaY=-500)
    page.wait(f"{SHOWN} !== '{ALL}'")

    assert page.value(TICKS.format("sequence")) != before[0]
    assert page.value(HEIGHTS.format("sequence")) != before[1]
    assert page.value(TICKS.format("window")) == page.value(TICKS.format("sequence"))
    assert page.value(HEIGHTS.format("window")) == other


def test_dragging_moves_and_a_double_click_shows_all_again(page: Page) -> None:
    x, y = middle(page)
    page.mouse("mousePressed", x, y, button="left", clickCount=1)
    page.mouse("mouseMoved", x + 90, y, button="left", buttons=1)
    page.mouse("mouseReleased", x + 90, y, button="left", clickCount=1)
    page.wait(f"{SHOWN}.startsWith('-')")
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            page.mouse(kind, x, y, button="left", clickCount=count)
    page.wait(f"{SHOWN} === '{ALL}'")


def test_two_fingers_zoom(page: Page) -> None:
    x, y = middle(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 120)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.wait(f"{SHOWN} !== '{ALL}'")
    low, _, high = page.value(SHOWN).removesuffix(" ms").partition(" to ")

    assert 0 < float(low) < float(high) < 210


def test_buttons_and_keys_zoom_too(page: Page) -> None:
    page.click("#in")
    page.wait(f"{SHOWN} === '52.5 to 157.5 ms'")
    page.click("#out")
    page.wait(f"{SHOWN} === '{ALL}'")
    page.click("#c2s-sequence .live")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="+", text="+")
    page.wait(f"{SHOWN} !== '{ALL}'")
    page.click("#all")
    page.wait(f"{SHOWN} === '{ALL}'")


def test_an_address_may_name_a_time(page: Page, plots: Path) -> None:
    page.load(plots, "#t=0.05,0.1")
    page.wait(f"{SHOWN} === '50 to 100 ms'")

    assert page.value(TICKS.format("rtt")) == ["50", "60", "70", "80", "90", "100"]


def test_the_pointer_reads_the_point_under_it(page: Page) -> None:
    x, y = page.value(
        "(() => { const b = document.querySelector('#c2s-rtt .live');"
        "b.scrollIntoView({block: 'center'}); const r = b.getBoundingClientRect();"
        "const rows = [...b.querySelectorAll('.y-tick')], scale = r.width / 960;"
        "const top = rows[rows.length - 1]; return [r.left + (76 + 862 * 60 / 210) * scale,"
        " r.top + top.getAttribute('y') * scale]; })()"
    )
    page.mouse("mouseMoved", x, y)
    page.wait("document.querySelector('#c2s-rtt .live').textContent.includes('0.060000 s, 40 ms')")


def test_a_plot_that_was_not_clicked_lets_the_page_scroll_and_says_how_to_zoom(page: Page) -> None:
    page.value("document.activeElement.blur()")
    # it fades in a second: who looks now and then may miss it
    page.value(
        "(() => { const hint = document.querySelector('#c2s-sequence .hint');"
        "new MutationObserver(() => { window.hinted ||= hint.classList.contains('shown'); })"
        ".observe(hint, {attributes: true}); })()"
    )
    page.mouse("mouseWheel", *middle(page), deltaX=0, deltaY=200)
    page.wait("window.hinted === true")

    assert page.value(SHOWN) == ALL


def test_without_scripts_the_still_pictures_are_seen(browser: Page, plots: Path) -> None:
    browser.load(Path("/dev/null"))
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("Page.navigate", url=plots.as_uri())
        browser.wait("document.querySelectorAll('.still svg').length === 5")
        seen = browser.value(
            "[...document.querySelectorAll('.still svg')]"
            ".every(s => s.getBoundingClientRect().height > 100)"
        )
        assert seen
        assert browser.value("document.querySelectorAll('.live').length") == 0
        assert browser.value("document.getElementById('tools').hidden")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
