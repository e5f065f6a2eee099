"""A session's application servers, over HTTP."""

import dataclasses
from pathlib import Path

import pytest

from measurement_server import Held, Parts, parts, problem
from mptcp_check.server.services.service import ProgramState
from mptcp_guest import payload

OFFER = {"service": "http", "name": "x0001", "seed": "run/1", "bytes": 900}


def opened(server: Parts) -> Held:
    held = server.session(server.client())
    assert held.post("/services").status_code == 200
    return held


def test_a_session_gets_an_account_named_by_its_marker(server: Parts) -> None:
    held = server.session(server.client())
    document = held.post("/services").json()

    assert document["user"] == document["folder"] == held.document["marker"]
    assert document["programs"] == [
        {
            "service": "http",
            "transport": "mptcp",
            "port": 80,
            "alive": True,
            "restarts_count": 0,
            "restarted_ns": None,
        }
    ]
    assert held.post("/services").json() == document
    [account] = server.services.accounts.values()
    assert account.until_ns == held.document["expires_ns"]


def test_a_program_on_two_addresses_is_told_once_and_as_the_worse_of_them(server: Parts) -> None:
    one = server.services.programs[0]
    server.services.programs = (
        dataclasses.replace(one, restarts_count=1, restarted_ns=5),
        dataclasses.replace(one, address="2001:db8::1", alive=False),
    )
    [program] = server.session(server.client()).post("/services").json()["programs"]

    assert (program["alive"], program["restarts_count"], program["restarted_ns"]) == (False, 1, 5)
    assert isinstance(one, ProgramState)


def test_a_port_that_something_else_has_at_one_address_is_not_offered(server: Parts) -> None:
    http = server.services.programs[0]
    ssh = dataclasses.replace(http, service="ssh", port=2222)
    six = dataclasses.replace(http, address="::")
    server.services.programs = (http, six, dataclasses.replace(ssh, address="::"))
    document = server.session(server.client()).post("/services").json()

    assert [one["service"] for one in document["programs"]] == ["http"]
    assert document["families"] == [4, 6]
    server.services.programs = (http, ssh)  # IPv6 is off: it has none for anything
    document = server.session(server.client()).post("/services").json()
    assert [one["service"] for one in document["programs"]] == ["http", "ssh"]
    assert document["families"] == [4]


def test_a_content_is_offered_looked_for_and_forgotten(server: Parts) -> None:
    held = opened(server)
    made = held.post("/offers", OFFER).json()

    assert made == payload.digest({"seed": "run/1", "bytes": 900})
    assert held.get("/received/http/x0001").json() == {"received": made}
    gone = held.client.delete(held.path + "/files/http/x0001", headers=held.headers)
    assert gone.status_code == 204
    assert held.get("/received/http/x0001").json() == {"received": None}


def test_no_session_sees_anothers(server: Parts) -> None:
    alice, bob = opened(server), opened(server)
    alice.post("/offers", OFFER)

    assert bob.get("/received/http/x0001").json() == {"received": None}
    other = alice.client.get(alice.path + "/received/http/x0001", headers=bob.headers)
    assert problem(other) == "ticket-of-another-session"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../x"},
        {"name": "X"},
        {"service": "HTTP/.."},
        {"seed": ""},
        {"seed": "a\nb"},
        {"bytes": -1},
        {"bytes": True},
        {"form": "other"},
        {"more": 1},
    ],
)
def test_what_does_not_fit_is_refused(server: Parts, changes: dict[str, object]) -> None:
    assert problem(opened(server).post("/offers", OFFER | changes)) == "request-invalid"


def test_without_the_services_opened_there_is_nothing(server: Parts) -> None:
    held = server.session(server.client())
    assert problem(held.post("/offers", OFFER)) == "services-closed"
    assert problem(held.get("/received/http/x0001")) == "services-closed"


def test_a_full_disk_and_services_that_are_away_are_told(server: Parts) -> None:
    held = opened(server)
    server.services.full = True
    answer = held.post("/offers", OFFER)
    assert (problem(answer), answer.headers["retry-after"]) == ("disk-full", "600")
    server.services.away = True
    assert problem(held.post("/offers", OFFER)) == "services-unavailable"
    assert held.client.get("/v1/health").json()["services"] == "unavailable"
    # the session can be ended all the same, and what is there ends by its time
    assert held.post("/finish").json()["state"] == "finished"


@pytest.mark.parametrize("how", ["finish", "delete", "expiry"])
def test_what_a_session_keeps_goes_with_it(server: Parts, how: str) -> None:
    held = opened(server)
    held.post("/offers", OFFER)
    if how == "finish":
        held.post("/finish")
    elif how == "delete":
        held.delete()
    else:
        server.clock.forward(601)
        server.sessions.tidy()

    assert server.services.accounts == {}
    assert server.services.files == {}
    assert problem(held.post("/services")) == "session-ended"
    assert problem(held.post("/offers", OFFER)) == "session-ended"


def test_handshakes_are_told_while_the_capture_runs(server: Parts) -> None:
    held = server.session(server.client())
    assert problem(held.get("/handshakes")) == "capture-missing"
    held.post("/capture/start")
    counts = held.get("/handshakes").json()
    assert (counts["from_client_count"], counts["from_client_capable_count"]) == (2, 1)
    held.post("/capture/stop")
    assert problem(held.get("/handshakes")) == "capture-missing"


def test_the_limits_name_the_quotas(server: Parts) -> None:
    limits = server.client().get("/v1/limits").json()
    chosen = server.configuration.services
    assert limits["offer_bytes"] == chosen.offer_bytes
    assert limits["session_file_bytes"] == chosen.session_bytes
    assert limits["session_files"] == chosen.session_files


def test_the_largest_limits_fit_into_an_answer_without_a_ticket(tmp_path: Path) -> None:
    most = 2**40
    text = f"""
        [api]
        request_max_bytes = {most}
        [sessions]
        at_once = 100000
        [netblocks]
        sessions_at_once = 100000
        sessions_per_hour = 1000000
        session_s_per_hour = 10000000
        captured_bytes_per_hour = {most}
        fetched_bytes_per_hour = {most}
        [capture]
        session_bytes = {most}
        session_packets = 1000000000
        [services]
        offer_bytes = {most}
        session_bytes = {most}
        session_files = 10000
    """
    with parts(tmp_path, text) as server:
        answer = server.client().get("/v1/limits")
        assert answer.json()["session_s_per_hour"] == 10**7, answer.text
