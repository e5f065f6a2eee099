import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import MachineError
from mptcp_check.exchanges.guest_api import GuestError, request_line, result_of


def answered(line: bytes) -> Any:  # noqa: ANN401 - JSON
    return result_of(line, number=7, verb="clock", machine="probe")


def test_a_request_is_one_line_that_the_agent_reads() -> None:
    line = request_line(7, "settle", {"within_s": 2.5}, within_s=9)
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "id": 7,
        "verb": "settle",
        "arguments": {"within_s": 2.5},
        "deadline_s": 9,
    }


def test_a_request_without_arguments_or_deadline_says_so_little() -> None:
    assert json.loads(request_line(1, "hello", within_s=None)) == {
        "id": 1,
        "verb": "hello",
        "arguments": {},
    }


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [("fly", {}, "no verb fly"), ("settle", {}, "settle: within_s is missing")],
)
def test_a_request_that_cannot_be_is_the_callers_mistake(
    verb: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        request_line(1, verb, arguments, within_s=None)


def test_a_result_of_the_right_type_is_given() -> None:
    line = b'{"id": 7, "ok": true, "result": {"wall_ns": 5, "monotonic_ns": 6}}'
    assert answered(line) == {"wall_ns": 5, "monotonic_ns": 6}


def test_an_error_keeps_the_agents_words_and_kind() -> None:
    line = b'{"id": 7, "ok": false, "error": {"kind": "deadline", "message": "too slow"}}'
    with pytest.raises(GuestError) as error:
        answered(line)
    assert (error.value.message, error.value.kind) == ("probe: clock: too slow", "deadline")
    assert error.value.exit_code == 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"Killed", "probe: clock: the guest answered b'Killed'"),
        (b"[" * 100_000, "probe: clock: the guest answered"),
        (b'{"id": 6, "ok": true, "result": {}}', "the guest answered"),
        (b'{"id": 7, "ok": true, "result": {"wall_ns": 5}}', "monotonic_ns is missing"),
        (b'{"id": 7, "ok": false}', "does not fit"),
    ],
)
def test_what_is_no_answer_is_the_machines_failure(line: bytes, words: str) -> None:
    with pytest.raises(MachineError) as error:
        answered(line)
    assert words in error.value.message
    assert error.value.hint


@given(st.binary(max_size=100))
def test_whatever_comes_is_a_result_or_the_machines_failure(line: bytes) -> None:
    with contextlib.suppress(MachineError):
        answered(line)
