"""A session at a public server as an end that can be asked; the server is real but its sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from measurement_server import ANY, program, summary
from mptcp_check.errors import ServerError
from mptcp_check.exchanges import proof
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.session_agent import problem_of
from mptcp_check.machines.site_addresses import ActiveControl
from mptcp_check.model import Family
from mptcp_check.session_client.connection import Connection, RefusedError, UnreachableError
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_guest.checking import checked
from mptcp_guest.verbs import VERBS
from session_wire import SERVER, Wire, having


@dataclass
class Client:
    """An agent that has seen some handshakes."""

    handshakes: list[dict[str, Any]]

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> dict[str, Any]:
        assert (verb, arguments, within_s) == ("capture_handshakes", None, None)
        found, self.handshakes = self.handshakes, []
        return {"handshakes": found}


def test_every_verb_that_measuring_asks_gets_what_an_agent_would_answer(
    wire: Wire, tmp_path: Path
) -> None:
    content = {"seed": "s", "bytes": 100, "form": "bytes"}
    named = {"service": "http", "name": "x0001"}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("hello", {}),
        ("lab_up", {"namespace": None, "interfaces": []}),
        ("configure", {"checksum": False, "extra_subflows": 1, "endpoints": []}),
        ("services_start", {"services": [
            {"service": "http", "transport": "mptcp", "address": "192.0.2.1", "port": 80}]}),
        ("capture_start", {"interfaces": ["server"], "filter": "tcp"}),
        ("capture_state", {}),
        ("offer", {**named, "content": content}),
        ("received", named),
        ("counters", {}),
        ("settle", {"within_s": 10}),
        ("monitor", {"since_ns": 0}),
        ("discard", named),
        ("capture_stop", {}),
    ]  # fmt: skip
    with having(wire, tmp_path) as (server, said):
        for verb, arguments in asked:
            result = server.end.agent.call(verb, arguments)
            assert checked(result, VERBS[verb].result, verb) == result
        [file] = result["captures"]
        assert server.end.fetch(file) == wire.parts.captures.octets
        assert file["problem"] is None
    assert said == ["Measuring against https://192.0.2.1:34380: it answers and takes sessions"]
    assert wire.asked[-1][0] == "DELETE"
    assert wire.parts.services.accounts == {}
    assert list(wire.parts.captures.folder.iterdir()) == []


def test_a_whole_run_leaves_its_capture_to_a_collector_and_nothing_else(
    wire: Wire, tmp_path: Path
) -> None:
    with having(wire, tmp_path, keeps=True) as (server, _):
        server.end.agent.call("capture_start", {})
        server.end.agent.call("capture_stop", {})
    assert wire.asked[-1] == ("POST", "finish")
    assert wire.parts.services.accounts == {}
    kept = server.session
    assert kept is not None
    assert (kept.server, kept.server_id) == ("https://192.0.2.1:34380", "test.example")
    assert kept.run_id == "01hzy0run0000000000000000"
    # what is written down opens the capture, and nothing any more
    place = f"/v1/sessions/{kept.session_id}"
    connection = Connection(server=SERVER, timeout_s=1)
    said = connection.ask("GET", f"{place}/capture", ticket=kept.ticket)
    assert (said["running"], said["file_bytes"]) == (False, len(wire.parts.captures.octets))
    with pytest.raises(RefusedError, match="session is over"):
        connection.ask("POST", f"{place}/services", ticket=kept.ticket)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_run_that_fails_leaves_nothing_at_the_server(
    wire: Wire,
    tmp_path: Path,
    keeps: bool,  # noqa: FBT001
) -> None:
    def fails() -> None:
        with having(wire, tmp_path, keeps=keeps) as (server, _):
            server.end.agent.call("capture_start", {})
            assert (server.session is not None) is keeps
            raise ServerError("somebody pulled the cable")

    with pytest.raises(ServerError, match="cable"):
        fails()
    assert wire.asked[-1][0] == "DELETE"
    assert list(wire.parts.captures.folder.iterdir()) == []


def test_counters_are_of_our_own_connections_and_enough_for_a_proof(
    wire: Wire, tmp_path: Path
) -> None:
    with having(wire, tmp_path) as (server, _):
        server.end.agent.call("capture_start", {})
        counters = server.end.agent.call("counters")["counters"]
    assert set(proof.REQUIRED) <= set(counters)
    assert set(counters.values()) == {0}  # the client opened both: the server opened nothing
    assert server.end.alone


def test_connections_that_said_no_marker_are_claimed_after_each_exchange(
    wire: Wire, tmp_path: Path
) -> None:
    one = {"initiator_isn": 1, "responder_isn": 2, "responder_key": ""}
    other = {"initiator_isn": 3, "responder_isn": 4, "responder_key": "0f" * 8}
    client = Client([one, other, *[replace_isn(one, n) for n in range(100)]])
    with having(wire, tmp_path) as (server, _):
        assert server.meet is not None
        server.meet(client)
        server.end.agent.call("capture_start", {})
        server.end.agent.call("settle", {})
        server.end.agent.call("settle", {})
    claims = wire.parts.captures.claims
    assert len(claims) == 102
    assert (claims[0].client_isn, claims[0].server_isn, claims[0].server_key) == (1, 2, None)
    assert claims[1].server_key == 0x0F0F0F0F0F0F0F0F


def replace_isn(handshake: dict[str, Any], number: int) -> dict[str, Any]:
    return {**handshake, "initiator_isn": 1000 + number}


def test_servers_are_where_the_server_says_else_where_its_interface_is(
    wire: Wire, tmp_path: Path
) -> None:
    wire.parts.services.programs = (
        program("http", "mptcp", 8080),
        program("http", "mptcp", 80),
        program("ftp", "mptcp", 2100),
        program("ftp", "tcp", 2121),
    )
    with having(wire, tmp_path, apps=("http", "ftp")) as (server, _):
        assert server.place.addresses == {Family.IPV4: "192.0.2.1"}
        assert server.place.ports == {
            "http": 80, "http 8080": 8080, "ftp": 2100, ActiveControl: 2121}  # fmt: skip
        assert server.place.passive_ports == (50000, 50399)
        assert server.login is not None
        assert server.login.user == server.login.folder
    chosen = wire.parts.sessions.configuration
    wire.parts.sessions.configuration = replace(
        chosen, services=replace(chosen.services, public=("198.51.100.7", "2001:db8::7"))
    )
    four, six = (program("http", "mptcp", 80, address=one) for one in (ANY, "::"))
    wire.parts.services.programs = (four, six)
    with having(wire, tmp_path, apps=("http",)) as (server, _):
        assert server.place.addresses == {
            Family.IPV4: "198.51.100.7",
            Family.IPV6: "2001:db8::7",
        }
    # its name may have an address of a family in which nothing listens
    wire.parts.services.programs = (six,)
    with having(wire, tmp_path, apps=("http",)) as (server, _):
        assert server.place.addresses == {Family.IPV6: "2001:db8::7"}


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("offer", {"service": "http", "name": "x", "content": {"seed": "s", "bytes": 1}}),
        ("capture_state", {}),
        ("counters", {}),
        ("settle", {}),
        ("received", {"service": "http", "name": "x"}),
        ("discard", {"service": "http", "name": "x"}),
        ("services_start", {"services": []}),
        ("capture_start", {"interfaces": ["server"], "filter": "tcp"}),
    ],
)
def test_a_session_that_ends_in_mid_run_is_told_with_the_next_step_whatever_is_asked_first(
    wire: Wire, tmp_path: Path, verb: str, arguments: dict[str, Any]
) -> None:
    seen = {"initiator_isn": 1, "responder_isn": 2, "responder_key": ""}
    with having(wire, tmp_path) as (server, _):
        assert server.meet is not None
        server.meet(Client([seen]))
        server.end.agent.call("capture_start", {})
        wire.parts.clock.forward(601)
        with pytest.raises(ServerError, match="the session is over: its time ran out") as ended:
            server.end.agent.call(verb, arguments)
    assert ended.value.exit_code == 5
    assert "fewer --apps" in ended.value.hint
    assert not isinstance(ended.value, GuestError)


def test_a_capture_that_ended_with_its_session_is_not_called_whole(
    wire: Wire, tmp_path: Path
) -> None:
    with having(wire, tmp_path) as (server, _):
        server.end.agent.call("capture_start", {})
        wire.parts.clock.forward(601)
        [file] = server.end.agent.call("capture_stop")["captures"]
    assert "time ran out before its capture was stopped" in file["problem"]


def test_what_a_session_may_have_is_known_beforehand(wire: Wire, tmp_path: Path) -> None:
    with having(wire, tmp_path) as (server, _):
        assert server.bounds is not None
        assert server.bounds.ends_ns == wire.parts.clock() + 600 * 10**9
        chosen = wire.parts.configuration
        assert server.bounds.capture_bytes == chosen.capture.session_bytes


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("cause", "asked_count"),
    [(ConnectionRefusedError(111, "Connection refused"), 6), (TimeoutError(), 1)],
)
def test_a_server_that_begins_anew_is_asked_again_and_one_that_is_gone_is_told(
    monkeypatch: pytest.MonkeyPatch, cause: Exception, asked_count: int
) -> None:
    waits: list[float] = []
    connection = Connection(server=SERVER, timeout_s=1)
    session = replace(RemoteSession.create(connection, "run-of-a-1"), pause=waits.append)
    failures = [cause] * (asked_count - 1)
    answering = Connection.ask

    def ask(self: Connection, *words: str, **told: Any) -> dict[str, Any]:  # noqa: ANN401 - its own
        if failures:
            raise UnreachableError(self.server, failures.pop())
        return answering(self, *words, **told)

    monkeypatch.setattr(Connection, "ask", ask)
    assert session.start_capture()["running"] is True
    assert sum(waits) == (30 if asked_count > 1 else 0)
    failures[:] = [cause] * asked_count
    with pytest.raises(ServerError, match="cannot be reached") as gone:
        session.capture()
    assert "it answered before" in gone.value.hint
    assert failures == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"shed_flow_count": 9}, ""),
        ({"truncated": "bytes", "missed_packet_count": 3}, "share of bytes was used up, 3 packets"),
        ({"truncated": "disk_full"}, "disk was full"),
        ({"truncated": "new"}, "cut off"),
        ({"ring_dropped_count": 2}, "dropped 2 packets"),
        ({"missed_packet_count": 1}, "1 packets are missing"),
    ],
)
def test_what_is_missing_in_the_servers_capture_is_told(
    changes: dict[str, object], words: str
) -> None:
    said = problem_of(summary(**changes).document())
    assert bool(said) == bool(words)
    assert words in said
