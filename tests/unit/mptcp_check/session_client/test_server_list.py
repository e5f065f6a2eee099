import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import ServerError, UsageError
from mptcp_check.session_client.choice import NO_CAPTURE, NO_SERVICES, choose
from mptcp_check.session_client.clock_offset import Exchange, offset
from mptcp_check.session_client.connection import RefusedError
from mptcp_check.session_client.refusals import LATER
from mptcp_check.session_client.server_list import KnownServer, parse, server

READY = {"status": "ok", "capture": "ready", "services": "ready"}


def test_lists_are_toml_or_json() -> None:
    toml = f"""
        [[servers]]
        url = "https://a.example"
        [[servers]]
        url = "https://[2001:db8::1]:8443"
        priority = 5
        fingerprint = "{":".join(["AB"] * 32)}"
    """
    rows = [
        {"url": "https://a.example"},
        {"url": "https://[2001:db8::1]:8443/", "priority": 5, "fingerprint": "ab" * 32},
    ]
    first, second = parse(toml, as_json=False)
    assert (first, second) == parse(json.dumps({"servers": rows}), as_json=True)
    assert (first.url, first.priority) == ("https://a.example:34380", 10)
    assert (second.url, second.fingerprint) == ("https://[2001:db8::1]:8443", "ab" * 32)


@pytest.mark.parametrize(
    "url",
    ["http://a", "a.example", "https://", "https://a/b", "https://u@a", "https://a:0", "https://["],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        server(url)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"servers": []},
        {"servers": [3]},
        {"servers": [{"url": "https://a", "priority": -1}]},
        {"servers": [{"url": "https://a", "priority": True}]},
        {"servers": [{"url": "https://a", "fingerprint": "12"}]},
        {"servers": [{"url": "https://a", "port": 5}]},
        {"servers": [{"url": "https://a"}, {"url": "https://a:34380"}]},
    ],
)
def test_what_is_no_list_is_refused(document: object) -> None:
    with pytest.raises(UsageError):
        parse(json.dumps(document), as_json=True)


@given(st.text(max_size=100), st.booleans())
def test_no_text_raises_anything_else(text: str, as_json: bool) -> None:  # noqa: FBT001 - drawn
    with pytest.raises(UsageError):
        parse(text, as_json=as_json)


def known(name: str, priority: int = 10) -> KnownServer:
    return KnownServer(host=name, port=1, priority=priority)


def asking(answers: dict[str, Any]) -> Any:  # noqa: ANN401 - a function
    def health(one: KnownServer) -> dict[str, Any]:
        answer = answers[one.host]
        if answer is None:
            raise ServerError(f"{one.url} cannot be reached: no answer in time")
        found: dict[str, Any] = answer
        return found

    return health


def begin(one: KnownServer) -> str:
    return f"a session at {one.host}"


def test_the_first_by_priority_that_can_be_used_is_taken_and_the_others_are_told() -> None:
    servers = [known("late", 30), known("gone", 5), known("duck", 10), known("good", 20)]
    answers = {"gone": None, "duck": READY | {"status": "lame-duck"}, "good": READY}
    choice = choose(servers, asking(answers), begin)
    assert (choice.server.host, choice.begun) == ("good", "a session at good")
    assert [one.server.host for one in choice.asked] == ["gone", "duck", "good"]
    assert "after https://gone:1 (cannot be reached: no answer in time)" in choice.because
    assert "https://duck:1 (is being drained and takes no new sessions)" in choice.because


def test_one_that_is_well_and_takes_nobody_in_is_passed_over() -> None:
    def full(one: KnownServer) -> str:
        if one.host != "good":
            raise RefusedError(one, name="server-full", title="", status=503)
        return begin(one)

    ready = dict.fromkeys(("full", "good", "other"), READY)
    choice = choose([known("full", 1), known("good", 2)], asking(ready), full)
    assert choice.begun == "a session at good"
    assert "after https://full:1 (has as many sessions as it can hold)" in choice.because
    with pytest.raises(ServerError, match=r"full:1 has as many .*\n  https://other:1 has as many"):
        choose([known("full", 1), known("other", 2)], asking(ready), full)
    with pytest.raises(RefusedError) as alone:  # there is nothing to choose: its own words
        choose([known("full")], asking(ready), full)
    assert alone.value.hint == LATER


def test_of_equal_priorities_the_first_of_the_list_is_taken() -> None:
    choice = choose([known("b"), known("a")], asking({"a": READY, "b": READY}), begin)
    assert (choice.server.host, len(choice.asked)) == ("b", 1)


@pytest.mark.parametrize(("what", "because"), [("capture", NO_CAPTURE), ("services", NO_SERVICES)])
def test_a_server_without_captures_or_services_is_passed_over(what: str, because: str) -> None:
    answers = {"a": READY | {what: "unavailable"}, "b": READY}
    choice = choose([known("a", 1), known("b", 2)], asking(answers), begin)
    assert choice.server.host == "b"
    assert because in choice.because
    with pytest.raises(ServerError, match=because):
        choose([known("a", 1)], asking(answers), begin)


def test_one_server_alone_is_not_told_to_be_the_first() -> None:
    choice = choose([known("a")], asking({"a": READY}), begin)
    assert choice.because == "it answers and takes sessions"


def test_when_none_can_be_used_each_is_told() -> None:
    with pytest.raises(ServerError, match=r"a:1 .*no answer.*\n  https://b:1 is no measurement"):
        choose([known("a"), known("b")], asking({"a": None, "b": {}}), begin)


TIMES = st.integers(0, 10**15)


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(TIMES, *([st.integers(0, 10**10)] * 3)), min_size=1, max_size=8),
)
def test_the_true_offset_is_always_within_the_bounds(
    true_ns: int, drawn: list[tuple[int, int, int, int]]
) -> None:
    exchanges = [
        Exchange(
            client_sent_ns=at,
            server_received_ns=at + there + true_ns,
            server_sent_ns=at + there + inside + true_ns,
            client_received_ns=at + there + inside + back,
        )
        for at, there, inside, back in drawn
    ]
    found = offset(exchanges)
    assert found is not None
    assert abs(found.offset_ns - true_ns) <= found.error_ns
    assert found.round_trip_ns == min(there + back for _, there, _, back in drawn)
    assert found.error_ns <= found.round_trip_ns // 2 + 1
    assert not found.stepped


def test_a_clock_that_is_set_in_between_is_told() -> None:
    steps = [
        Exchange(client_sent_ns=0, server_received_ns=1, server_sent_ns=1, client_received_ns=2)
    ]
    steps.append(
        Exchange(client_sent_ns=10, server_received_ns=99, server_sent_ns=99, client_received_ns=13)
    )
    found = offset(steps)
    assert found is not None
    assert found.stepped
    assert found.offset_ns == 0
    assert offset([]) is None
