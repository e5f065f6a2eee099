"""Runs judged in the sandbox, and what cannot be judged in quarantine with a reason."""

import dataclasses
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector_parts import Parts, configuration, document, parts
from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_collector.configuration import Analysis
from mptcp_collector.jobs import judge_child, sandbox, sandbox_answer
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.meta.records import SeenFinding, Wanted
from mptcp_upload import bundle

GOLDEN = Path(__file__).parents[1] / "golden"
RUN_ID = "a-run-to-be-judged"
BEHAVIOUR = "mp_capable_removed_from_syn"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def of(contents: dict[str, bytes], run_id: str = RUN_ID) -> bytes:
    about = {
        **dict.fromkeys(("started", "outcome", "tool_version", "rules_version"), ""),
        **{name: {} for name in ("anonymisation", "consent", "pre_anonymisation")},
        "run_id": run_id,
    }
    return bundle.write(contents, about)


def report(port: int = 80, behaviour: str = BEHAVIOUR) -> bytes:
    finding = {"behaviour": behaviour, "state": "seen", "connection": 0}
    found = {
        "rules_version": "0",
        "outcome": "fell_back_at_handshake",
        "connections": [{"id": 0, "server": f"192.0.2.1:{port}"}],
        "findings": [finding, {**finding, "state": "not_seen", "behaviour": "other"}],
    }
    exchanges = [{"app": "http", "port": port}]
    return json.dumps({"report": found, "exchanges": exchanges}).encode()


def captures(case: str) -> dict[str, bytes]:
    sides = ("client", "server")
    return {f"captures/{s}.pcapng": (GOLDEN / case / f"{s}.pcapng").read_bytes() for s in sides}


def test_a_run_with_traces_is_judged_again_and_both_verdicts_are_kept(server: Parts) -> None:
    octets = of({"report.json": report(), **captures(BEHAVIOUR)})
    assert server.client.upload(octets, RUN_ID).status_code == 204
    assert server.collector.judging.judge_received() == 1
    shown = document(server.client.http.get(f"/api/v1/runs/{RUN_ID}"))
    assert shown["state"] == "analysed"
    assert [one["rules_version"] for one in shown["verdicts"]] == [RULES_VERSION, "client 0"]
    newest, brought = server.collector.receiving.meta.verdicts(RUN_ID)
    assert BEHAVIOUR in {one.behaviour for one in newest.findings}
    assert brought.findings == (
        SeenFinding(behaviour=BEHAVIOUR, state="seen", application="http", port=80),
    )
    assert server.collector.receiving.meta.runs(Wanted(behaviour=BEHAVIOUR))[0] == 1
    assert server.collector.judging.judge_received() == 0
    assert list(server.collector.judging.reanalyse()) == []


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"no bundle at all", "bad_bundle"),
        (of({"report.json": report()}, "another-run-than-that"), "another run"),
        (of({"logs/a.txt": b"no report"}), "no report.json"),
        (of({"report.json": b"[" * 10_000}), "report.json cannot be read"),
        (of({"report.json": report(behaviour="a\nb")}), "analysis_failed"),
        (
            of({"report.json": report(), "captures/client.pcapng": b"no capture"}),
            "capture of the client",
        ),
    ],
)
def test_what_cannot_be_judged_is_kept_with_a_reason_that_the_uploader_sees(
    server: Parts, octets: bytes, reason: str
) -> None:
    server.client.upload(octets, RUN_ID)
    receipt = server.client.receipt(RUN_ID).content
    server.collector.judging.judge_received()
    shown = document(server.client.http.get(f"/api/v1/runs/{RUN_ID}"))
    assert shown["state"] == "quarantined"
    assert reason in shown["reason"]
    assert server.client.receipt(RUN_ID).content == receipt


def test_reanalysis_names_what_newer_rules_see(server: Parts) -> None:
    octets = of({"report.json": report(), **captures("clean")})
    server.client.upload(octets, RUN_ID)
    meta, judging = server.collector.receiving.meta, server.collector.judging
    meta.quarantine(RUN_ID, "bad_bundle: of former rules", now_ns=0)
    (changed,) = judging.reanalyse()
    assert (changed.outcome_before, changed.rules_version) == ("", RULES_VERSION)
    assert changed.outcome == "mptcp"
    assert meta.counts()["quarantined"] == 0


def said(code: str, **limits: int) -> bytes:
    """Run a statement in the sandbox: `timeit` is a program that takes one as its argument."""
    few = dataclasses.replace(Analysis(), **limits)
    return sandbox.answer("timeit", (f"exec({code!r})",), (io.BytesIO(),), few)


def test_the_sandbox_has_no_network_writes_no_file_and_ends() -> None:
    sandbox.preflight()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connect = f"socket.create_connection({listening.getsockname()!r})"
        assert b"loop" in said("import socket; socket.create_connection")
        with pytest.raises(SandboxError, match="status"):
            said(f"import socket; {connect}")
    assert b"loop" in said("open('/dev/null', 'w').write('x' * 100000)")
    with pytest.raises(SandboxError, match="status"):
        said("open('here', 'w').write('x' * 100000)")
    with pytest.raises(SandboxError, match="status"):
        said("while True: pass", seconds=1)
    with pytest.raises(SandboxError, match="status"):
        said("bytearray(2 ** 31)", memory_bytes=2**30)


@given(st.binary())
def test_any_bytes_are_judged_or_refused_with_a_word(octets: bytes) -> None:
    assert judge_child.judged(octets, RUN_ID)["refused"] in ("bad_bundle", "too_large")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(
                st.sampled_from(["verdicts", "refused", "because", "report", "findings"]), s
            )
        ),
    )
)
def test_any_answer_of_the_sandbox_is_verdicts_or_a_failure(answer: object) -> None:
    with pytest.raises(SandboxError):
        sandbox_answer.read(json.dumps(answer).encode(), RUN_ID, now_ns=0)
