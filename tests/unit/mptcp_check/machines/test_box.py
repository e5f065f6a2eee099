"""What a box must have, and how its agent is started."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import MachineError, PreflightError, ServerError
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.box import (
    TOOLS,
    Probed,
    Translated,
    agent_command,
    greet,
    read_probe,
    require,
)

LINUX = Probed(user_id=0, python=(3, 11), platform="linux", mptcp=True)
HELLO = {"tools": dict.fromkeys(TOOLS, "1.0")}


class Answering:
    """An agent that says what a test wants, or fails."""

    def __init__(
        self, answers: dict[str, Any] | None = None, error: Exception | None = None
    ) -> None:
        self._answers = answers or {}
        self._error = error

    def call(self, verb: str, *_: object, **__: object) -> Any:  # noqa: ANN401 - as agents do
        if self._error is not None:
            raise self._error
        return self._answers[verb]


def test_python_says_who_it_is() -> None:
    assert read_probe('motd\n[0, [3, 11], "linux", true]\n', name="box") == LINUX


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_other_answer_is_named(text: str) -> None:
    with pytest.raises(PreflightError, match="box answered"):
        read_probe(text, name="box")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"platform": "darwin"}, "box runs darwin"),
        ({"mptcp": False}, "the kernel of box has no Multipath TCP"),
        ({"python": (3, 9)}, "box has Python 3.9, the agent needs 3.11"),
    ],
)
def test_a_box_that_cannot_measure_says_why(change: dict[str, Any], message: str) -> None:
    fields = {"user_id": 0, "python": (3, 11), "platform": "linux", "mptcp": True}
    require(LINUX, name="box")
    with pytest.raises(PreflightError, match=message):
        require(Probed(**{**fields, **change}), name="box")


def test_a_user_who_is_not_root_goes_by_sudo_that_asks_nothing() -> None:
    as_user = agent_command("/x/a.pyz", python="python3", as_root=False, work_name="x")
    as_root = agent_command("/x/a.pyz", python="python3", as_root=True, work_name="x")

    assert as_user == ["sudo", "-n", "--", *as_root]
    assert as_root[:2] == ["unshare", "--mount"]
    assert "--visits" in as_root


def test_missing_programs_are_named_with_their_packages() -> None:
    tools = {**HELLO["tools"], "ip": "", "mptcpize": ""}
    agent = Answering({"hello": {"tools": tools}, "survey": {}})
    with pytest.raises(PreflightError) as refused:
        greet(agent, name="box", reached_at="")

    assert refused.value.message == "box lacks ip, mptcpize"
    assert refused.value.hint == "on Debian: apt install iproute2 mptcpize"


def test_a_servers_failure_is_a_servers_and_a_refusal_stays_one() -> None:
    gone = Translated(Answering(error=MachineError("gone")), lambda e: ServerError(e.message))
    with pytest.raises(ServerError, match="gone"):
        gone.call("hello")

    said: Any = {"kind": "failed", "message": "no"}
    refusing = Translated(
        Answering(error=GuestError("box", "hello", said)), lambda e: ServerError(e.message)
    )
    with pytest.raises(GuestError, match="no"):
        refusing.call("hello")
