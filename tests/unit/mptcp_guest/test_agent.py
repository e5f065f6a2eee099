import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mptcp_guest
from mptcp_guest.agent import REQUEST_LIMIT_BYTES, Agent
from mptcp_guest.lab import Lab
from mptcp_guest.verbs import VERBS
from mptcp_guest.waiting import Stop


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(work_directory=tmp_path_factory.mktemp("work"), stop=Stop())
    yield lab
    os.close(lab.stop.fileno)


def asked(lab: Lab, line: bytes) -> Any:  # noqa: ANN401 - JSON
    answer = Agent(lab).answer(line)
    assert answer.endswith(b"\n")
    assert answer.count(b"\n") == 1
    return json.loads(answer)


def request(verb: str, **arguments: object) -> bytes:
    return json.dumps({"id": 5, "verb": verb, "arguments": arguments}).encode()


def test_every_declared_verb_is_done_and_no_other(lab: Lab) -> None:
    assert set(Agent(lab)._verbs) == set(VERBS)


@given(line=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_a_line_that_is_no_request_is_an_error_answer(lab: Lab, line: bytes) -> None:
    answer = asked(lab, line)
    assert answer["ok"] is False
    assert answer["error"]["kind"] == "bad_request"


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"[" * 100_000, "bad_request", "not a request"),
        (b" " * (REQUEST_LIMIT_BYTES + 1), "bad_request", "at most 1048576 bytes"),
        (
            b'{"id": 5, "verb": "clock", "arguments": {}, "deadline_s": 0}',
            "bad_request",
            "a deadline is at most",
        ),
        (request("fly"), "unknown_verb", "no verb 'fly'"),
        (request("clock", set_wall_ns="now"), "bad_arguments", "clock.set_wall_ns: 'now'"),
        (request("clock", set_wall_ns=0), "bad_arguments", "may not set the clock"),
        (request("power_off"), "bad_arguments", "may not power off"),
        (
            request("received", service="http", name="../x"),
            "bad_arguments",
            "'../x' is not a plain name",
        ),
        (
            request("lab_up", namespace="lab", interfaces=[]),
            "bad_arguments",
            "a lab without interfaces",
        ),
        (
            request(
                "lab_up",
                namespace="lab",
                interfaces=[{"name": "eth0", "addresses": ["10.0.0.999/8"], "gateways": []}],
            ),
            "bad_arguments",
            "'10.0.0.999/8' is not an address",
        ),
    ],
)
def test_what_cannot_be_done_is_said_with_its_kind(
    lab: Lab, line: bytes, kind: str, words: str
) -> None:
    error = asked(lab, line)["error"]
    assert error["kind"] == kind
    assert words in error["message"]


@pytest.mark.parametrize(
    "line",
    [
        request("counters"),
        request("settle", within_s=1),
        request("monitor", since_ns=0),
        request("capture_start", interfaces=["eth0"], filter="tcp"),
        request("configure", checksum=True, extra_subflows=1, endpoints=[]),
    ],
)
def test_without_a_lab_nothing_is_measured(lab: Lab, line: bytes) -> None:
    error = asked(lab, line)["error"]
    assert (error["kind"], error["message"]) == (
        "bad_arguments",
        "there is no lab yet: lab_up first",
    )


def test_a_bug_in_a_verb_is_an_answer_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(lab)
    monkeypatch.setattr(agent, "_verbs", {"clock": lambda _, __: {}[0]})
    error = json.loads(agent.answer(request("clock")))["error"]
    assert error["kind"] == "bug"
    assert error["message"].endswith("KeyError: 0\n")


def test_files_are_offered_looked_at_and_forgotten(lab: Lab) -> None:
    offered = asked(
        lab, request("offer", service="http", name="x1", content={"seed": "s", "bytes": 70_000})
    )
    assert offered["result"]["bytes"] == 70_000
    assert (lab.work_directory / "files/down/x1").stat().st_size == 70_000
    assert asked(lab, request("received", service="http", name="x1"))["result"] == {
        "received": None
    }
    assert asked(lab, request("discard", service="http", name="x1"))["result"] == {}
    assert not (lab.work_directory / "files/down/x1").exists()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    sources = Path(mptcp_guest.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-m", "mptcp_guest", "--work-directory", str(tmp_path / "work")],
        cwd=sources,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def test_answers_come_in_order_and_an_endless_line_costs_only_itself(
    process: subprocess.Popen[bytes],
) -> None:
    endless = b"x" * (3 * REQUEST_LIMIT_BYTES) + b"\n"
    sign_of_life = b"\n"
    out, _ = process.communicate(
        request("clock") + b"\n" + endless + sign_of_life + request("fly") + b"\n", timeout=120
    )
    answers = [json.loads(line) for line in out.splitlines()]
    assert [a["ok"] for a in answers] == [True, False, False]
    assert [a["error"]["kind"] for a in answers[1:]] == ["bad_request", "unknown_verb"]
    assert process.returncode == 0


def test_a_signal_ends_the_agent_like_hanging_up(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request("clock") + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["ok"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
