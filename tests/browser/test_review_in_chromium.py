"""The review site as a reader walks it: list, filter, run, finding, download; no scripts."""

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chromium import Page, chromium
from collector_parts import Client, Clock, configuration, made
from collector_runs import run_bundle
from collector_threaded import threaded
from golden.diagnosed import CASES, capture_path
from mptcp_check.model import Side
from mptcp_collector.api import application
from mptcp_collector.configuration import Retention
from mptcp_collector.jobs import judge_child
from mptcp_collector.meta.records import Changed

pytestmark = pytest.mark.browser

WIDTHS = (390, 1200)
FOUND = "mp_capable_removed_from_syn"
RUN_ID = "01hzyrunwithafinding"
WAIT_S = 60
OTHERWISE = Changed(
    run_id=RUN_ID,
    rules_before="client 3",
    rules_version="4",
    outcome_before="mptcp",
    outcome="fell_back_at_handshake",
    appeared=(FOUND, "payload_altered"),
    gone=("address_translated",),
)


def answered_here(_: str, arguments: tuple[str, ...], given: tuple[object, ...]) -> bytes:
    """Judge without a sandbox: that has tests of its own, and this is about pages."""
    octets = given[0].read()  # type: ignore[attr-defined]
    return json.dumps(judge_child.judged(octets, arguments[0])).encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = replace(
        configuration(tmp_path_factory.mktemp("site")), retention=Retention(embargo_days=0)
    )
    clock = Clock()
    collector = made(settings, clock)
    with threaded(application.make(collector)) as (url, http):
        client = Client(http)
        cases = {RUN_ID: FOUND, **{f"01hzyrun-of-many-{n:03}": "clean" for n in range(50)}}
        for run_id, case in cases.items():
            clock.now_ns += 60 * 10**9
            octets = run_bundle(run_id, case) if case == FOUND else None
            octets = octets or run_bundle(run_id, CASES[0], app="ftp")
            assert client.upload(octets, run_id).status_code == 204
        judging = replace(collector.judging, answer=answered_here)
        while judging.judge_received():
            pass
        meta = collector.receiving.meta
        for _ in range(2):
            number = meta.begin_reanalysis("4", now_ns=clock.now_ns)
            meta.add_change(number, OTHERWISE)
            meta.end_reanalysis(number, len(cases))
        yield url
    collector.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(params=WIDTHS, ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, browser: Page) -> Page:
    width = request.param
    browser.requests.clear()
    browser.complaints.clear()
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    return browser


LOADED = "document.readyState === 'complete' && document.querySelector('main') !== null"


def pick(page: Page, name: str, value: str) -> None:
    page.value(f"document.querySelector('select[name={name}]').value = '{value}'")


def fits(page: Page) -> bool:
    """Say whether nothing is wider than the screen: what is has a frame of its own to scroll."""
    return bool(page.value("document.documentElement.scrollWidth <= innerWidth"))


def test_from_the_list_by_a_filter_to_a_findings_packets_and_its_capture(
    page: Page, site: str, tmp_path: Path
) -> None:
    page.go(f"{site}/runs")
    assert "51 runs, page 1 of 2" in page.value("document.body.innerText")
    assert fits(page)
    page.click("a[rel=next]")
    page.wait("document.body?.innerText.includes('page 2 of 2')")
    page.go(f"{site}/runs")
    pick(page, "behaviour", FOUND)
    page.click("form button")
    page.wait("document.querySelectorAll('table.runs tbody tr').length === 1")
    assert page.value(f"document.querySelector('select[name=behaviour]').value === '{FOUND}'")
    permalink = page.value("location.href")
    assert f"behaviour={FOUND}" in permalink
    page.click("table.runs .chip")
    page.wait(f"location.hash === '#{FOUND}' && {LOADED}")
    assert page.value("location.pathname") == f"/runs/{RUN_ID}"
    assert fits(page)
    heads = page.value(
        f"[...document.querySelectorAll('#{FOUND} .packet thead th')].map(t => t.innerText)"
    )
    assert heads[1].startswith("Sent: client, frame")
    assert heads[2].startswith("Received: server, frame")
    differs = page.value(f"document.querySelector('#{FOUND} .packet .differs').innerText")
    assert "MP_CAPABLE" in differs
    assert page.value(
        f"(() => {{ const b = document.querySelector('#{FOUND}').getBoundingClientRect();"
        "return b.top >= 0 && b.top < innerHeight; })()"
    ), "the address of a finding leads to it"

    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.click("a[download='server.pcapng']")
    wanted = capture_path(FOUND, Side.SERVER).read_bytes()
    for _ in range(WAIT_S * 10):
        arrived = tmp_path / "server.pcapng"
        if arrived.exists() and arrived.stat().st_size == len(wanted):
            break
        threading.Event().wait(0.1)
    assert (tmp_path / "server.pcapng").read_bytes() == wanted
    assert page.complaints == []
    asked = {url for url in page.requests if url.startswith("http")}
    assert all(url.startswith(f"{site}/") for url in asked), asked


def test_nothing_found_and_nothing_there_are_said_in_words(page: Page, site: str) -> None:
    page.go(f"{site}/runs?port=1")
    assert "No run is like that" in page.value("document.body.innerText")
    assert fits(page)
    page.go(f"{site}/runs/nobody-knows-it")
    assert page.value("document.querySelector('h1').innerText") == "There is no such run here"
    assert fits(page)


READABLE = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === undefined || c[3] > 0)
    return c; } return [255, 255, 255]; };
  const poor = new Set();
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color).slice(0, 3)),
      light(ground(e).slice(0, 3))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...poor];
})()
"""
"""Elements whose text stands out less than 4.5 to 1 (WCAG 2.2, criterion 1.4.3)."""

NAMELESS = """
[...document.querySelectorAll('input, select, button, a[href]')].filter(e =>
  !(e.labels && e.labels.length) && !e.innerText.trim() && !e.getAttribute('aria-label')
  && !e.classList.contains('skip')).map(e => e.outerHTML)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/runs", f"/runs/{RUN_ID}", "/changes", "/runs?port=1", "/no"])
def test_pages_can_be_read_and_named(browser: Page, site: str, path: str, scheme: str) -> None:
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", features=media)
    browser.go(site + path)
    assert browser.value(READABLE) == []
    assert browser.value(NAMELESS) == []
    assert browser.value("document.querySelectorAll('h1').length") == 1
    levels = browser.value(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))"
    )
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.value("document.documentElement.lang") == "en"
    assert browser.value("document.querySelectorAll('main').length") == 1


def test_what_is_judged_otherwise_is_listed_with_both_verdicts(page: Page, site: str) -> None:
    page.go(f"{site}/changes")
    assert fits(page)
    told = page.value("document.querySelector('table.changes tbody').innerText")
    for words in (RUN_ID, "rules client 3", "rules 4", "fell back at the handshake"):
        assert words in told
    assert "MP_CAPABLE removed from the SYN" in told, "words, and not the name of a detector"
    page.click("ul.files a")
    page.wait(f"location.pathname === '/changes/1' && {LOADED}")
    page.click("table.changes a")
    page.wait(f"location.pathname === '/runs/{RUN_ID}' && {LOADED}")
