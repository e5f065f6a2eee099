"""The report as a page: whole, offline, escaped."""

import html.parser
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.diagnosed import CASES, CLEAN, report_of
from mptcp_check.analysis.reporting import report_html, report_text
from mptcp_check.analysis.reporting.packet_difference import side_by_side

HOSTILE = "<script>alert(1)</script>\"'&"
ABOUT: dict[str, Any] = {
    "run_id": "20260101-000000-abcd",
    "started": "2026-01-01T00:00:00Z",
    "network": "embedded",
    "machine": "qemu",
    "accelerator": "tcg",
    "server": "embedded",
    "directory": "/tmp/run",  # noqa: S108 - a string
    "behind": [],
    "provenance": {"image_digest": "abc", "kernels": {"client": "6.12"}, "drops": [1, 2]},
}
ROW: dict[str, Any] = {
    "app": "http",
    "mode": None,
    "direction": "download",
    "transport": "mptcp",
    "checksum": True,
    "paths": 2,
    "family": "ipv4",
    "port": 80,
    "outcome": "mptcp",
    "because": "so",
    "contradictions": [],
    "sha256_ok": True,
    "proven": True,
    "problem": None,
    "bytes": 1024,
    "duration_ns": 10**9,
    "subflows": 2,
    "connections": [0],
    "findings": [],
}


def run(case: str, **changes: object) -> dict[str, Any]:
    found = report_of(case)
    return {
        "schema": "mptcp-check.run/1",
        **ABOUT,
        "summary": found["summary"],
        "exchanges": [ROW],
        "report": found,
        **changes,
    }


class Page(html.parser.HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.shown = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.mark.parametrize("case", CASES)
def test_a_page_says_what_the_report_says(case: str) -> None:
    document = run(case)
    page = Page(report_html.render(document))

    assert document["summary"][0] in page.shown
    for finding in document["report"]["findings"]:
        if finding["state"] == "seen":
            assert finding["behaviour"] in page.shown
            # what is only a consequence stands there without frames of its own
            for evidence in finding["evidence"] if finding["explained_by"] is None else ():
                assert f"frame {evidence['frame']}" in page.shown
                assert f"frame.number == {evidence['frame']}" in page.shown


@pytest.mark.parametrize("case", CASES)
def test_a_page_needs_nothing_from_elsewhere(case: str) -> None:
    text = report_html.render(run(case))
    page = Page(text)

    assert page.links == []
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)


def test_a_diagnosis_alone_is_a_page_too() -> None:
    page = Page(report_html.render(report_of(CLEAN)))

    assert "Diagnosis of captures" in page.shown
    assert "Exchanges" not in page.shown


@pytest.mark.parametrize(
    "changes",
    [
        {"summary": [HOSTILE, HOSTILE]},
        {"run_id": HOSTILE},
        {"behind": [HOSTILE]},
        {"provenance": {HOSTILE: {HOSTILE: HOSTILE}}},
        {"exchanges": [{**ROW, "problem": HOSTILE, "contradictions": [HOSTILE], "app": HOSTILE}]},
        {"exchanges": [{**ROW, "because": HOSTILE, "mode": HOSTILE}]},
    ],
)
def test_hostile_strings_stay_strings(changes: dict[str, Any]) -> None:
    text = report_html.render(run(CLEAN, **changes))

    assert "<script" not in text
    assert "script" not in Page(text).tags
    assert "alert(1)" in Page(text).shown or "because" in str(changes)


def test_hostile_strings_in_the_evidence_stay_strings() -> None:
    document = run("mp_capable_removed_from_syn")
    for finding in document["report"]["findings"]:
        finding["because"] = HOSTILE
    for packet in document["report"]["packets"]:
        packet["interface"] = packet["source"] = HOSTILE
        packet["options"] = [{"name": HOSTILE, "text": HOSTILE, "mptcp": True, "filler": False}]
    document["report"]["problems"] = [HOSTILE]

    assert "script" not in Page(report_html.render(document)).tags


def test_a_behaviour_without_words_of_its_own_is_shown_by_the_catalogue() -> None:
    document = run("mp_capable_removed_from_syn")
    for finding in document["report"]["findings"]:
        if finding["state"] == "seen":
            finding["behaviour"] = "ttl_altered"

    assert "sets the TTL anew" in Page(report_html.render(document)).shown


def test_consequences_are_not_shown_as_causes() -> None:
    document = run("mp_capable_removed_from_syn")
    for finding in document["report"]["findings"]:
        finding["explained_by"] = 0

    assert "Nothing that this version looks for was seen" in report_html.render(document)


def test_ports_are_told_in_the_order_of_numbers() -> None:
    document = run("mp_capable_removed_from_syn")
    report = document["report"]
    (finding,) = (f for f in report["findings"] if f["state"] == "seen")
    first = report["connections"][finding["connection"]]
    for port in (443, 8080, 80):
        report["findings"].append({**finding, "connection": len(report["connections"])})
        report["connections"].append(
            {**first, "id": len(report["connections"]), "server": f"10.77.0.2:{port}"}
        )

    own = first["server"].rpartition(":")[2]
    told = ", ".join(sorted({own, "80", "443", "8080"}, key=int))
    assert f"ports {told}" in Page(report_html.render(document)).shown


def test_segments_that_never_arrived_stand_alone() -> None:
    shown = Page(report_html.render(run("mp_capable_syn_dropped"))).shown

    assert shown.count("never arrived") == 3


def test_the_one_side_that_has_more_frames_keeps_them_all() -> None:
    packets = {
        (side, frame): {
            "side": side,
            "frame": frame,
            "options": [],
            "payload": None,
            **dict.fromkeys(
                ("source", "destination", "flags", "seq", "ack", "window", "ttl", "ip_id"), 0
            ),
            "payload_bytes": 0,
        }
        for side, frame in (("client", 1), ("server", 1), ("server", 2))
    }
    evidence = [{"side": side, "frame": frame} for side, frame in packets]

    pairs = side_by_side(evidence, packets, lambda packet: packet["side"] == "client")

    assert [(p.sent is None, p.received is None) for p in pairs] == [(True, False), (False, False)]
    assert side_by_side([], {}, lambda _: True) == ()


def test_a_segment_that_one_end_alone_has_stands_alone_whichever_way_it_went() -> None:
    document = run("mp_capable_syn_reset")
    page = Page(report_html.render(document))

    syn, rst = (
        e["frame"]
        for f in document["report"]["findings"]
        if f["state"] == "seen" and f["behaviour"] == "mp_capable_syn_reset"
        for e in f["evidence"][:2]
    )
    told = " ".join(page.shown.split())
    assert re.search(rf"frame {syn} .{{1,200}}: never arrived", told)
    assert re.search(rf"frame {rst} .{{1,200}}: never sent by the other end", told)


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (report_text.byte_count, 512, "512 B"),
        (report_text.byte_count, 1 << 20, "1.0 MiB"),
        (report_text.byte_count, 5 << 40, "5.0 TiB"),
        (report_text.seconds, 1_230_000_000, "1.23 s"),
        (report_text.seconds, 45_600_000, "45.6 ms"),
        (report_text.seconds, -780_000, "-780 µs"),
        (report_text.seconds, 12, "12 ns"),
        (report_text.time_of_day, 1_700_000_000_000_250_000, "22:13:20.000250"),
        (report_text.grouped, 1234567, "1\u202f234\u202f567"),
        (report_text.label, "image_digest", "Image digest"),
        (report_text.value, None, "–"),  # noqa: RUF001 - a dash for nothing
        (report_text.value, [], "none"),
        (report_text.value, [True, {"a": 1}], "yes, a: 1"),
    ],
)
def test_numbers_are_written_for_people(
    function: Callable[[object], str], value: object, expected: str
) -> None:
    assert function(value) == expected


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    page = Page(report_html.render(run(CLEAN, provenance={"said": f"[{text}]"})))

    assert f"[{text}]" in page.shown
