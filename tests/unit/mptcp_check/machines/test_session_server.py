"""A session at a public server as an end that can be asked; the server is real but its sockets."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.testclient import TestClient

from measurement_server import Parts, parts, summary
from mptcp_check.errors import ServerError
from mptcp_check.exchanges import proof
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines import session_server
from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.machines.session_agent import problem_of
from mptcp_check.machines.site_addresses import ActiveControl, ServerPlace
from mptcp_check.machines.wishes import SessionWish
from mptcp_check.model import Family
from mptcp_check.server.problem import URN
from mptcp_check.server.services.service import ProgramState
from mptcp_check.session_client.connection import Connection, RefusedError, UnreachableError
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.server_list import KnownServer
from mptcp_check.session_client.services import Services
from mptcp_guest.checking import checked
from mptcp_guest.verbs import VERBS

SERVER = KnownServer(host="192.0.2.1", port=34380)


ANY = "0.0.0.0"  # noqa: S104 - what is told, not what listens


def program(
    service: str, transport: str, port: int, *, alive: bool = True, address: str = ANY
) -> ProgramState:
    return ProgramState(
        service=service,
        transport=transport,
        address=address,
        port=port,
        alive=alive,
        restarts_count=0,
        restarted_ns=None,
        because="",
    )


@dataclass
class Wire:
    """Asks the server's application as `Connection` does over HTTPS."""

    parts: Parts
    client: TestClient
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(
        self, connection: Connection, method: str, path: str, ticket: str, document: object
    ) -> dict[str, Any]:
        self.asked.append((method, path.rpartition("/")[2]))
        headers = {"authorization": f"Bearer {ticket}"} if ticket else {}
        answer = self.client.request(method, path, json=document, headers=headers)
        if answer.status_code >= 400:
            said = answer.json()
            raise RefusedError(
                connection.server,
                name=said["type"].removeprefix(URN),
                title=said["title"],
                status=answer.status_code,
            )
        found: dict[str, Any] = json.loads(answer.content or b"{}")
        return found


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with parts(tmp_path) as server:
        made = Wire(server, server.client())

        def ask(
            self: Connection, method: str, path: str, *, ticket: str = "", document: object = None
        ) -> dict[str, Any]:
            return made.ask(self, method, path, ticket, document)

        def fetch(
            self: Connection, path: str, *, ticket: str, file: BinaryIO, limit_bytes: int
        ) -> str:
            headers = {"authorization": f"Bearer {ticket}"}
            answer = made.client.get(path, headers=headers)
            assert len(answer.content) <= limit_bytes
            file.write(answer.content)
            return "ab" * 32 if self.server is SERVER else hashlib.sha256(b"").hexdigest()

        monkeypatch.setattr(Connection, "ask", ask)
        monkeypatch.setattr(Connection, "fetch", fetch)
        yield made


@contextmanager
def having(
    wire: Wire,
    folder: Path,
    *servers: KnownServer,
    apps: tuple[str, ...] = ("http",),
    named: bool = True,
    keeps: bool = False,
) -> Iterator[tuple[session_server.MeasurementServer, list[str]]]:
    said: list[str] = []
    with session_server.server_by_session(
        SessionWish(servers=servers or (SERVER,), text="/home/me/servers.toml", keeps=keeps),
        run_id="01hzy0run0000000000000000",
        apps=WantedApps(names=apps, named=named),
        scratch=folder,
        wall_ns=wire.parts.clock,
        say=said.append,
    ) as server:
        yield server, said


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


def test_what_a_server_does_not_offer_is_refused_when_named_and_else_left_out(
    wire: Wire, tmp_path: Path
) -> None:
    with having(wire, tmp_path, apps=("http", "ftp", "sip"), named=False) as (server, _):
        words = "ftp, sip were left out: the measurement server does not offer them"
        assert server.left_out == {"ftp": words, "sip": words}
    with (
        pytest.raises(ServerError, match="does not offer ftp") as refused,
        having(wire, tmp_path, apps=("http", "ftp")),
    ):
        pytest.fail("it came up")
    assert refused.value.hint == "it offers http"
    assert wire.asked[-1][0] == "DELETE"


def test_a_service_that_is_down_or_crashes_is_told(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(session_server.time, "sleep", waits.append)
    wanted = {"service": "http", "transport": "mptcp", "address": "", "port": 80}
    with having(wire, tmp_path) as (server, _):
        [up] = wire.parts.services.programs
        wire.parts.services.programs = (replace(up, restarts_count=1),)
        [note] = server.notes_at_end()
        assert note == "http at port 80 of the server crashed meanwhile and was started again"
        wire.parts.services.away = True
        [note] = server.notes_at_end()
        assert "does not run its application servers now" in note
        wire.parts.services.away = False
        assert waits == []
        wire.parts.services.programs = (program("http", "mptcp", 80, alive=False),)
        with pytest.raises(ServerError, match=r"http at port 80 of .* does not run now"):
            server.end.agent.call("services_start", {"services": [wanted]})
    assert sum(waits) == 15


def test_a_service_that_is_down_is_left_out_unless_it_was_named(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(session_server.time, "sleep", waits.append)
    up, down = program("http", "mptcp", 80), program("imap", "mptcp", 143, alive=False)
    wire.parts.services.programs = (up, down)
    with having(wire, tmp_path, apps=("http", "imap", "sip"), named=False) as (server, _):
        assert set(server.place.ports) == {"http"}
        assert server.left_out == {
            "imap": "imap was left out: the server program did not run",
            "sip": "sip was left out: the measurement server does not offer it",
        }
    with (
        pytest.raises(ServerError, match=r"imap at port 143 of .* does not run now") as refused,
        having(wire, tmp_path, apps=("http", "imap")),
    ):
        pytest.fail("it came up")
    assert "leave it out by --apps" in refused.value.hint
    assert len(waits) == 10
    waits.clear()
    with having(wire, tmp_path, apps=("http",)):
        assert waits == []  # what was not asked for is not waited for


def test_a_session_that_ends_in_mid_run_is_told_with_the_next_step(
    wire: Wire, tmp_path: Path
) -> None:
    with having(wire, tmp_path) as (server, _):
        server.end.agent.call("capture_start", {})
        wire.parts.clock.forward(601)
        with pytest.raises(ServerError, match="the session is over: its time ran out") as ended:
            server.end.agent.call("offer", {"service": "http", "name": "x", "content":
                                            {"seed": "s", "bytes": 1}})  # fmt: skip
        assert ended.value.exit_code == 5
        assert "fewer --apps" in ended.value.hint
        assert not isinstance(ended.value, GuestError)
        state = server.end.agent.call("capture_state")
        assert state["captures"][0]["alive"] is False


def test_the_first_of_a_list_that_can_be_used_is_taken_and_the_report_says_why(
    wire: Wire, tmp_path: Path
) -> None:
    first = replace(SERVER, host="192.0.2.9", priority=1)
    with having(wire, tmp_path, SERVER, first) as (server, said):
        assert server.end.name == "https://192.0.2.9:34380"
        [note] = server.notes
    assert "the first of 2 by priority (1)" in said[0]
    assert note.startswith("https://192.0.2.9:34380 was taken from servers.toml: ")
    assert "/home/me" not in note


def test_one_that_takes_nobody_in_or_has_not_what_is_named_is_passed_over(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, poor, last = (replace(SERVER, host=f"192.0.2.{n}", priority=n) for n in (1, 2, 3))
    create, places = RemoteSession.create, session_server.place

    def created(connection: Connection, run_id: str) -> RemoteSession:
        if connection.server == full:
            raise RefusedError(full, name="too-many-sessions", title="", status=429)
        return create(connection, run_id)

    def placed(services: Services, *told: Any, url: str, **named: Any) -> ServerPlace:  # noqa: ANN401 - its own
        found = places(services, *told, url=url, **named)
        return replace(found, ports={}) if url == poor.url else found

    monkeypatch.setattr(RemoteSession, "create", created)
    monkeypatch.setattr(session_server, "place", placed)
    with having(wire, tmp_path, last, poor, full) as (server, said):
        assert server.end.name == last.url
        assert wire.parts.sessions.store.open_count() == 1  # none is left at the one passed over
    assert "(has as many sessions of this network as it allows)" in said[0]
    assert f"{poor.url} (does not offer http)" in said[0]


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


def test_a_drained_server_makes_no_session(wire: Wire, tmp_path: Path) -> None:
    wire.parts.sessions.lame_duck = lambda: True
    with pytest.raises(ServerError, match="is being drained"), having(wire, tmp_path):
        pytest.fail("it came up")


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
