"""The pages: filters, and values from outside that mean harm."""

import dataclasses
import html.parser
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector_parts import RUN_ID, START_NS, Parts, bundle, configuration, parts
from mptcp_collector.meta.records import SeenFinding, Verdict
from mptcp_collector.review.asked import FIELDS, asked

HARM = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{70*70003}}javascript:"


class Tags(html.parser.HTMLParser):
    """Collects what a browser would take for elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "action", "src")]


def looked_at(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


def harmless(text: str) -> None:
    tags = looked_at(text)
    assert "<script" not in text
    assert not tags.tags & {"script", "img", "iframe", "object", "style"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert all(link.startswith("/") for link in tags.links)
    assert "4900210" not in text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def judged(server: Parts, run_id: str, outcome: str, seen: SeenFinding, report: object) -> None:
    server.client.upload(bundle(len(run_id)), run_id)
    server.collector.receiving.meta.add_verdict(
        Verdict(
            run_id=run_id,
            rules_version=outcome,
            judged_ns=START_NS,
            outcome=outcome,
            report=json.dumps(report),
            findings=(seen,),
        )
    )


SEEN = SeenFinding(
    behaviour="mp_capable_removed_from_syn", state="seen", application="http", port=80
)


def test_runs_are_listed_and_chosen_by_the_form(server: Parts) -> None:
    judged(server, "run-over-http", "mptcp", SEEN, {})
    ftp = dataclasses.replace(SEEN, application="ftp", port=21)
    judged(server, "run-over-the-ftp", "fell_back_at_handshake", ftp, {})
    http = server.client.http
    assert "2 runs, page 1 of 1" in http.get("/").text
    for query, there, away in (
        ("port=21", "run-over-the-ftp", "run-over-http<"),
        ("application=http", "run-over-http", "run-over-the-ftp"),
        ("outcome=mptcp&since=2027-01-15&until=2027-01-15", "run-over-http", "run-over-the-ftp"),
    ):
        text = http.get(f"/runs?{query}").text
        assert there in text
        assert away not in text
    assert "No run is like that" in http.get("/runs?behaviour=nonsense").text
    text = http.get("/runs?port=99999&since=yesterday").text
    assert "the port is no number" in text
    assert "is no day" in text
    assert "fell back at handshake" in text


def test_many_runs_have_pages_with_ways_between_them(server: Parts) -> None:
    for number in range(51):
        server.client.upload(bundle(1), f"run-of-many-{number:02}")
    text = server.client.http.get("/runs").text
    assert "51 runs, page 1 of 2" in text
    older = next(link for link in looked_at(text).links if "page=2" in link)
    assert server.client.http.get(older).text.count("<tr>") == 2


def test_a_run_page_shows_findings_with_their_evidence_and_the_receipt(server: Parts) -> None:
    finding = {
        "behaviour": "mp_capable_removed_from_syn",
        "state": "seen",
        "direction": "c2s",
        "confidence": "confirmed",
        "because": "the SYN lost its option",
        "evidence": [{"side": "client", "frame": 1}, {"side": "server", "frame": 2}],
    }
    judged(server, RUN_ID, "fell_back_at_handshake", SEEN, {"findings": [finding]})
    text = server.client.http.get(f"/runs/{RUN_ID}").text
    assert "the SYN lost its option" in text
    assert "client frame 1, server frame 2" in text
    assert f"/api/v1/runs/{RUN_ID}/receipt" in looked_at(text).links


def test_hostile_values_in_every_field_stay_text(server: Parts) -> None:
    finding = {
        "behaviour": HARM,
        "state": "seen",
        "direction": HARM,
        "confidence": HARM,
        "because": HARM,
        "evidence": [{"side": HARM, "frame": HARM}],
    }
    seen = SeenFinding(behaviour=HARM, state="seen", application=HARM, port=80)
    judged(server, RUN_ID, HARM, seen, {"findings": [finding]})
    server.client.upload(bundle(9), "run-in-quarantine")
    server.collector.receiving.meta.quarantine("run-in-quarantine", HARM, now_ns=START_NS)
    http = server.client.http
    for url in ("/runs", f"/runs/{RUN_ID}", "/runs/run-in-quarantine"):
        answer = http.get(url)
        assert answer.status_code == 200
        harmless(answer.text)
        assert "&lt;script&gt;" in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    answer = http.get("/runs", params=dict.fromkeys((*FIELDS, "page"), HARM))
    harmless(answer.text)
    assert "&#34;&gt;&lt;script&gt;" in answer.text


@pytest.mark.parametrize("report", ["", "[]", '{"findings": 5}', '{"findings": [5]}', "[" * 99999])
def test_a_report_that_is_none_is_not_taken_for_health(server: Parts, report: str) -> None:
    server.client.upload(bundle())
    verdict = Verdict(
        run_id=RUN_ID, rules_version="1", judged_ns=START_NS, outcome="mptcp", report=report
    )
    server.collector.receiving.meta.add_verdict(verdict)
    answer = server.client.http.get(f"/runs/{RUN_ID}")
    assert "cannot be shown" in answer.text
    assert "No interference" not in answer.text


def test_what_is_not_there_is_said_in_a_page(server: Parts) -> None:
    for url in ("/runs/nobody-knows-it", "/nothing"):
        answer = server.client.http.get(url)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


@given(st.dictionaries(st.sampled_from([*FIELDS, "page"]), st.text()))
def test_any_query_is_read(query: dict[str, str]) -> None:
    found = asked(query)
    assert found.page >= 1
    assert 0 <= found.wanted.port <= 65_535
    assert 0 <= found.wanted.since_ns < 2**63
    assert 0 <= found.wanted.until_ns < 2**63
