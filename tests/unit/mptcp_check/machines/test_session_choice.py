"""Which server is taken, and what one that lacks something leaves out or refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from measurement_server import program
from mptcp_check.errors import ServerError
from mptcp_check.machines import session_server
from mptcp_check.machines.site_addresses import ServerPlace
from mptcp_check.session_client.connection import Connection, RefusedError
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.services import Services
from session_wire import SERVER, Wire, having


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


def test_a_drained_server_makes_no_session(wire: Wire, tmp_path: Path) -> None:
    wire.parts.sessions.lame_duck = lambda: True
    with pytest.raises(ServerError, match="is being drained"), having(wire, tmp_path):
        pytest.fail("it came up")
