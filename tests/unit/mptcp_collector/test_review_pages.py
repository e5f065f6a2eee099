"""The pages: filters, and values from outside that mean harm."""

import base64
import dataclasses
import html.parser
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mptcp_upload.bundle
from collector_parts import RUN_ID, START_NS, Parts, bundle, configuration, document, parts
from collector_runs import run_bundle
from golden.diagnosed import capture_path, report_of
from mptcp_check.analysis.reporting import report_html
from mptcp_check.model import Side
from mptcp_collector import review_token
from mptcp_collector.meta.records import Changed, Description, SeenFinding, Verdict
from mptcp_collector.review.asked import FIELDS, asked
from mptcp_collector.review.report_view import drawn

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
    assert all(link.startswith(("/", "#")) for link in tags.links)
    assert "4900210" not in text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def judged(
    server: Parts,
    run_id: str,
    outcome: str,
    seen: SeenFinding,
    report: object,
    *,
    publish_ns: int | None = START_NS,
) -> None:
    """Keep a run with a verdict, as if the sandbox had judged it."""
    server.client.upload(bundle(len(run_id)), run_id)
    meta = server.collector.receiving.meta
    marks = {
        "application": (seen.application,),
        "port": (str(seen.port),),
        "network": (f"192.0.{seen.port}.0/24",),
    }
    told = Description(purposes=("publish",), captures=("client",), marks=marks)
    meta.describe(run_id, told, publish_ns=publish_ns)
    meta.add_verdict(
        Verdict(
            run_id=run_id,
            rules_version=outcome[:64],
            judged_ns=START_NS,
            outcome=outcome,
            report=json.dumps(report),
            findings=(seen,),
        )
    )


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode()}


SEEN = SeenFinding(
    behaviour="mp_capable_removed_from_syn", state="seen", application="http", port=80
)
FTP = dataclasses.replace(SEEN, application="ftp", port=21)


def test_runs_are_listed_and_chosen_by_the_form(server: Parts) -> None:
    judged(server, "run-over-http", "mptcp", SEEN, {})
    judged(server, "run-over-the-ftp", "fell_back_at_handshake", FTP, {})
    http = server.client.http
    assert "2 runs. Shown" in http.get("/").text
    for query, there, away in (
        ("port=21", "run-over-the-ftp", "run-over-http<"),
        ("application=http", "run-over-http", "run-over-the-ftp"),
        ("network=192.0.21.0/24", "run-over-the-ftp", "run-over-http<"),
        ("behaviour=mp_capable_removed_from_syn&port=80", "run-over-http", "run-over-the-ftp"),
        ("outcome=mptcp&since=2027-01-15&until=2027-01-15", "run-over-http", "run-over-the-ftp"),
    ):
        text = http.get(f"/runs?{query}").text
        assert there in text
        assert away not in text
    assert "No run is like that" in http.get("/runs?behaviour=nonsense").text
    text = http.get("/runs?port=99999&since=yesterday").text
    assert "The port is no number" in text
    assert "is no day" in text
    assert "fell back at the handshake" in text


def test_only_what_is_public_is_listed_to_everybody_and_all_to_reviewers(tmp_path: Path) -> None:
    token = review_token.make(tmp_path / review_token.FILE, b"0123456789abcdef")
    with parts(configuration(tmp_path)) as server:
        judged(server, "run-that-is-public", "mptcp", SEEN, {})
        judged(server, "run-of-next-week", "mptcp", FTP, {}, publish_ns=START_NS + 1)
        judged(server, "run-of-somebody", "mptcp", FTP, {}, publish_ns=None)
        http = server.client.http
        text = http.get("/runs").text
        assert "1 run. Shown" in text
        assert "ftp" not in text, "what can be chosen tells of what may be seen only"
        assert "3 runs." in http.get("/runs", headers=basic(token)).text
        for wrong in (basic("another token"), {"Authorization": "Basic !"}, basic("")):
            assert "1 run. Shown" in http.get("/runs", headers=wrong).text
        answer = http.get("/review", headers=basic("another token"))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        answer = http.get("/review", headers=basic(token), follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
        for run_id, status in (("run-that-is-public", 200), ("run-of-somebody", 403)):
            assert http.get(f"/runs/{run_id}/bundle.tar").status_code == status
            assert http.get(f"/runs/{run_id}").status_code == 200, "who has the address sees it"
        assert http.get("/runs/run-of-somebody/bundle.tar", headers=basic(token)).content
        server.clock.now_ns += 1
        assert "2 runs. Shown" in http.get("/runs").text


def test_many_runs_have_pages_with_ways_between_them(server: Parts) -> None:
    meta = server.collector.receiving.meta
    told = Description(purposes=("publish",), captures=(), marks={})
    for number in range(51):
        server.client.upload(bundle(1), f"run-of-many-{number:02}")
        meta.describe(f"run-of-many-{number:02}", told, publish_ns=START_NS)
    text = server.client.http.get("/runs?since=2020-01-01").text
    assert "51 runs like that, page 1 of 2" in text
    older = next(link for link in looked_at(text).links if "page=2" in link)
    assert "since=2020-01-01" in older
    text = server.client.http.get(older).text
    assert text.count("<tr") == 2
    assert any("page=1" in link for link in looked_at(text).links)
    text = server.client.http.get("/runs?page=9999").text
    assert "page 2 of 2" in text, "the last one, where there were more when the link was made"


def test_a_run_page_shows_the_report_that_lies_on_the_users_disk(server: Parts) -> None:
    run_id = "run-with-a-report"
    document = report_of("mp_capable_removed_from_syn")
    judged(server, run_id, "fell_back_at_first_data", SEEN, document)
    text = server.client.http.get(f"/runs/{run_id}").text
    own = report_html.render(document)
    for begins, ends in (("<section>\n  <h2>What the path did", "</section>"),):
        part = own[own.index(begins) :]
        part = part[: part.index(ends)]
        assert part in text, "one source, not two"
    packets = text[text.index('<table class="packet">') :]
    assert "Sent: client, frame 1" in packets
    assert "Received: server, frame 1" in packets
    assert f"/api/v1/runs/{run_id}/receipt" in looked_at(text).links
    assert "removed MP_CAPABLE" in text


def test_a_former_verdict_is_shown_by_its_own_address(server: Parts) -> None:
    run_id = "run-judged-twice"
    judged(server, run_id, "mptcp", SEEN, report_of("clean"))
    newer = Verdict(
        run_id=run_id,
        rules_version="client 9",
        judged_ns=START_NS + 1,
        outcome="hung",
        report=json.dumps(report_of("mp_capable_removed_from_syn")),
    )
    server.collector.receiving.meta.add_verdict(newer)
    http = server.client.http
    text = http.get(f"/runs/{run_id}").text
    assert "removed MP_CAPABLE" in text
    assert f"/runs/{run_id}?rules=mptcp" in looked_at(text).links
    text = http.get(f"/runs/{run_id}?rules=mptcp").text
    assert "not the newest verdict" in text
    assert "removed MP_CAPABLE" not in text
    assert http.get(f"/runs/{run_id}?rules=none").status_code == 404
    assert document(http.get(f"/runs/{run_id}/report.json?rules=mptcp"))["outcome"] == "mptcp"
    assert http.get(f"/runs/{run_id}/report.json?rules=x").status_code == 404


def test_what_can_be_taken_away_is_what_came(server: Parts) -> None:
    octets = run_bundle("run-to-take-away")
    server.client.upload(octets, "run-to-take-away")
    meta = server.collector.receiving.meta
    purposes = ("publish", "upload_traces", "upload_verdict")
    told = Description(purposes=purposes, captures=("client", "server"), marks={})
    meta.describe("run-to-take-away", told, publish_ns=START_NS)
    http, base = server.client.http, "/runs/run-to-take-away"
    assert "sending the verdict, sending the traces, publication" in http.get(base).text
    answer = http.get(f"{base}/bundle.tar")
    assert answer.content == octets
    assert answer.headers["content-disposition"].startswith("attachment;")
    for side in Side:
        answer = http.get(f"{base}/{side.value}.pcapng")
        assert answer.content == capture_path("clean", side).read_bytes()
        assert answer.headers["content-type"] == "application/x-pcapng"
    assert http.get(f"{base}/measurement-server.pcapng").status_code == 404
    assert http.get(f"{base}/nobody.pcapng").status_code == 422
    server.client.upload(bundle(3), "run-that-is-torn")
    meta.describe("run-that-is-torn", told, publish_ns=START_NS)
    assert http.get("/runs/run-that-is-torn/client.pcapng").status_code == 404


def test_what_newer_rules_changed_has_a_page(server: Parts) -> None:
    http, meta = server.client.http, server.collector.receiving.meta
    assert "Not yet" in http.get("/changes").text
    judged(server, "run-judged-again", "mptcp", SEEN, {})
    judged(server, "run-that-is-private", "mptcp", SEEN, {}, publish_ns=None)
    number = meta.begin_reanalysis("4", now_ns=START_NS)
    for run_id in ("run-judged-again", "run-that-is-private"):
        change = Changed(
            run_id=run_id,
            rules_before="3",
            rules_version="4",
            outcome_before="mptcp",
            outcome="hung",
            appeared=("path_blackholed",),
            gone=(),
        )
        meta.add_change(number, change)
    meta.end_reanalysis(number, 2)
    text = http.get("/changes").text
    assert "run-judged-again" in text
    assert "The path went dead" in text
    assert "run-that-is-private" not in text
    assert http.get(f"/changes/{number}").text == text
    assert http.get("/changes/99").status_code == 404


def hostile(value: object) -> object:
    """Return a document of the same shape whose every text means harm."""
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HARM if isinstance(value, str) else value


STABLE = ("outcome", "state", "side", "direction", "hex", "network", "schema", "behaviour")
"""Words that choose what is shown; another one is no report, which has a test of its own."""


def kept(value: Any, original: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {
            key: original[key] if key in STABLE else kept(one, original[key])
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [kept(one, other) for one, other in zip(value, original, strict=True)]
    return value


def whole_report() -> dict[str, Any]:
    with_all = run_bundle("run-of-hostility", "payload_altered", notes=["a note"], behind=["a box"])
    read = mptcp_upload.bundle.read(with_all)
    found: dict[str, Any] = json.loads(read.content("report.json"))
    found["exchanges"][0] |= {"contradictions": ["x"], "problem": "x", "mode": "x"}
    found["report"]["problems"] = ["x"]
    return found


def test_hostile_values_in_every_field_of_a_report_stay_text(server: Parts) -> None:
    original = whole_report()
    report = kept(hostile(original), original)
    judged(server, RUN_ID, "mptcp", SEEN, report)
    answer = server.client.http.get(f"/runs/{RUN_ID}")
    assert "cannot be shown" not in answer.text
    assert answer.text.count("&lt;script&gt;") > 30
    harmless(answer.text)


def test_hostile_values_in_every_record_stay_text(server: Parts) -> None:
    seen = SeenFinding(behaviour=HARM, state="seen", application=HARM, port=80)
    judged(server, RUN_ID, HARM, seen, {"findings": HARM})
    meta = server.collector.receiving.meta
    marks = dict.fromkeys(("application", "port", "network"), (HARM,))
    told = Description(purposes=(HARM,), captures=(HARM,), marks=marks)
    meta.describe(RUN_ID, told, publish_ns=START_NS)
    number = meta.begin_reanalysis(HARM, now_ns=START_NS)
    change = Changed(
        run_id=RUN_ID,
        rules_before=HARM,
        rules_version=HARM,
        outcome_before=HARM,
        outcome=HARM,
        appeared=(HARM,),
        gone=(HARM,),
    )
    meta.add_change(number, change)
    server.client.upload(bundle(9), "run-in-quarantine")
    meta.quarantine("run-in-quarantine", HARM, now_ns=START_NS)
    http = server.client.http
    for url in ("/runs", f"/runs/{RUN_ID}", "/runs/run-in-quarantine", "/changes"):
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
    answer = http.get(f"/runs/{RUN_ID}", params={"rules": HARM[:64]})
    harmless(answer.text)


@given(
    report=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: (
            st.lists(s, max_size=3)
            | st.dictionaries(
                st.sampled_from(["report", "outcome", "connections", "findings", "exchanges"]), s
            )
        ),
    )
)
def test_anything_is_drawn_or_said_not_to_be(report: object) -> None:
    assert drawn(json.dumps(report)) is None


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
