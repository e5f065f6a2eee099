"""The life of a session as its user sees it, over HTTP."""

import dataclasses

import httpx2
import pytest

from measurement_server import START_NS, Parts, S, problem, wish
from mptcp_check.server import marker
from mptcp_check.server.api.documents import PADDING_BYTES
from mptcp_check.server.problem import TITLES


def test_a_session_is_created_used_finished_and_its_capture_fetched(server: Parts) -> None:
    held = server.session(server.client())

    assert held.document["expires_ns"] == START_NS + 600 * S
    assert held.get().json()["state"] == "open"
    assert held.post("/capture/start").json()["running"] is True
    assert problem(held.get("/capture/file")) == "capture-running"
    stopped = held.post("/capture/stop").json()
    assert (stopped["running"], stopped["complete"]) == (False, True)
    file = held.get("/capture/file")
    assert file.content == server.captures.octets
    assert file.headers["content-type"] == "application/x-pcapng"
    assert file.headers["etag"] == f'"{stopped["sha256"]}"'
    assert held.post("/finish").json()["state"] == "finished"
    assert held.get("/capture/file").status_code == 200  # promised until collect_until_ns


def test_a_part_of_a_capture_can_be_fetched_and_no_part_that_is_not_there(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/capture/start")
    held.post("/capture/stop")

    part = held.get("/capture/file", headers={"range": "bytes=6-11"})
    assert (part.status_code, part.content) == (206, b"pcapng")
    beyond = held.get("/capture/file", headers={"range": "bytes=99999-"})
    assert problem(beyond) == "range-not-satisfiable"


def test_the_order_to_capture_names_the_marker_and_the_quotas(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/capture/start")

    (order,) = server.captures.orders
    assert order.marker == held.document["marker"]
    assert marker.find(f"GET /{order.marker}/x HTTP/1.1".encode()) == order.marker
    assert order.bytes_max == server.configuration.capture.session_bytes
    assert order.until_ns == held.document["expires_ns"]


def test_starting_and_stopping_twice_says_the_same_and_starting_again_is_refused(
    server: Parts,
) -> None:
    held = server.session(server.client())

    assert held.post("/capture/start").json() == held.post("/capture/start").json()
    assert held.post("/capture/stop").json() == held.post("/capture/stop").json()
    assert problem(held.post("/capture/start")) == "capture-ended"
    assert server.sessions.store.used("192.0.2.0/24", now_ns=START_NS) == (600, 0)


def test_what_the_server_sees_is_told(server: Parts) -> None:
    seen = server.client("::ffff:192.0.2.9", 1234).get("/v1/address").json()
    assert seen == {"family": "ipv4", "address": "192.0.2.9", "port": 1234}
    seen = server.client("2001:db8::1%eth0", 5).get("/v1/address").json()
    assert seen == {"family": "ipv6", "address": "2001:db8::1", "port": 5}


def test_the_clock_answers_with_its_times(server: Parts) -> None:
    answer = server.client().post("/v1/clock", json={"client_sent_ns": 17}).json()
    assert answer == {
        "client_sent_ns": 17,
        "server_received_ns": START_NS,
        "server_sent_ns": START_NS,
    }


def test_limits_are_the_configuration(server: Parts) -> None:
    limits = server.client().get("/v1/limits").json()
    assert limits["session_s"] == 600
    assert limits["capture_bytes"] == server.configuration.capture.session_bytes


def test_kernel_counters_are_what_grew_and_whose_they_are(server: Parts) -> None:
    held = server.session(server.client())
    server.counters["MPCapableSYNRX"] = 10
    assert held.get("/counters").json() == {"alone": True, "mptcp": {"MPCapableSYNRX": 3}}

    other = server.session(server.client())
    assert held.get("/counters").json()["alone"] is False
    assert other.get("/counters").json() == {"alone": False, "mptcp": {}}


def test_claims_reach_the_capture(server: Parts) -> None:
    held = server.session(server.client())
    wanted = {"connections": [{"server_key": "00000000000000ff"}]}
    assert problem(held.post("/connections", json=wanted)) == "capture-missing"
    held.post("/capture/start")
    assert held.post("/connections", json=wanted).json() == {"found_count": 0}
    assert [claim.server_key for claim in server.captures.claims] == [255]


def test_a_session_without_end_is_reaped_and_its_capture_stopped(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/capture/start")
    server.clock.forward(601)
    server.sessions.tidy()

    document = held.get().json()
    assert (document["state"], document["capture"]) == ("expired", "stopped")
    assert document["ended_ns"] == document["expires_ns"]
    assert held.get("/capture").json()["because"] == "expired"
    assert held.get("/capture/file").status_code == 200
    assert problem(held.post("/capture/start")) == "session-ended"


def test_a_session_whose_time_ran_out_is_over_before_the_reaper_comes(server: Parts) -> None:
    held = server.session(server.client())
    server.clock.forward(600)
    assert problem(held.post("/capture/start")) == "session-ended"


def test_a_deleted_session_leaves_no_capture(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/capture/start")
    assert held.delete().status_code == 204
    assert problem(held.get("/capture/file")) == "capture-missing"
    assert list(server.captures.folder.iterdir()) == []


def test_captures_and_records_vanish_when_they_are_kept_long_enough(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/capture/start")
    held.post("/finish")
    server.clock.forward(server.configuration.retention.captures_s + 1)
    server.sessions.tidy()
    assert list(server.captures.folder.iterdir()) == []
    assert server.sessions.store.find(held.document["session"]) is not None
    server.clock.forward(server.configuration.retention.sessions_s)
    server.sessions.tidy()
    assert server.sessions.store.find(held.document["session"]) is None


# ------------------------------------------------------------------------------------- tickets


# ------------------------------------------------------------------------- caps and refusals


def test_a_capture_service_that_is_away_is_told_and_the_end_is_made_up_later(
    server: Parts,
) -> None:
    held = server.session(server.client())
    held.post("/capture/start")
    server.captures.away = True
    assert problem(held.post("/capture/stop")) == "capture-unavailable"
    assert problem(held.post("/finish")) == "capture-unavailable"
    assert server.client().get("/v1/health").json()["capture"] == "unavailable"
    server.sessions.tidy()
    server.captures.away = False
    server.sessions.tidy()
    assert held.get().json() | {"state": "finished", "capture": "stopped"} == held.get().json()


def test_a_full_disk_is_told(server: Parts) -> None:
    held = server.session(server.client())
    server.captures.full = True
    refused = held.post("/capture/start")
    assert (refused.status_code, problem(refused)) == (507, "disk-full")
    assert held.get().json()["capture"] == "none"


def test_no_address_can_be_named(server: Parts) -> None:
    for member in ("address", "client", "port", "target", "host"):
        answer = server.client().post("/v1/sessions", json=wish(**{member: "198.51.100.1"}))
        assert problem(answer) == "request-invalid"
    headers = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"}
    seen = server.client().get("/v1/address", headers=headers).json()
    assert seen["address"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/", "not-found"),
        ("GET", "/v1/nothing", "not-found"),
        ("GET", "/v2/health", "not-found"),
        ("GET", "/openapi.json", "not-found"),
        ("GET", "/docs", "not-found"),
        ("PUT", "/v1/health", "method-not-allowed"),
        ("TRACE", "/v1/health", "method-not-allowed"),
        ("POST", "/v1/limits", "method-not-allowed"),
        ("POST", "/v1/sessions", "request-invalid"),
        ("POST", "/v1/clock", "request-invalid"),
        ("GET", "/v1/sessions/../../etc/passwd", "not-found"),
        ("GET", f"/v1/sessions/{'0' * 33}", "request-invalid"),
    ],
)
def test_every_refusal_is_a_problem_document(
    server: Parts, method: str, path: str, name: str
) -> None:
    answer = server.client().request(method, path)
    assert problem(answer) == name
    assert (answer.headers.get("allow") is not None) == (name == "method-not-allowed")


def test_a_mistake_of_the_server_is_a_problem_document_too(
    server: Parts,
) -> None:
    broken = dataclasses.replace(
        server, sessions=dataclasses.replace(server.sessions, read_counters=lambda: 1 // 0)
    )
    answer = broken.client().post("/v1/sessions", json=wish())
    assert (answer.status_code, problem(answer)) == (500, "internal")
    assert "ZeroDivision" not in answer.text


# -------------------------------------------------------------------- no more than was asked


def wire_bytes(answer: httpx2.Response) -> tuple[int, int]:
    """Return the sizes of a request and its answer as HTTP/1.1 writes them."""
    asked = answer.request
    request = f"{asked.method} {asked.url.raw_path.decode()} HTTP/1.1\r\n"
    sizes = []
    for line, headers, body in (
        (request, asked.headers, asked.content),
        (
            f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n",
            answer.headers,
            answer.content,
        ),
    ):
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sizes.append(len(line) + len(fields) + 2 + len(body))
    return sizes[0], sizes[1]


def test_without_a_ticket_no_answer_is_larger_than_its_request_or_half_a_kilobyte(
    server: Parts,
) -> None:
    client = server.client()
    path = server.session(client).path
    answers = [
        client.get("/v1/health"),
        client.get("/v1/limits"),
        client.get("/v1/address"),
        client.post("/v1/clock", json={"client_sent_ns": 2**62}),
        client.post("/v1/sessions", json=wish(run_id="r" * 64)),
        client.post("/v1/sessions", json={"run_id": 3, "padding": 4, **dict.fromkeys("abc", 1)}),
        client.get(path),
        client.get(f"{path}/capture/file", headers={"authorization": "Bearer x.y.z"}),
        client.post(f"{path}/connections", json={}),
        client.get("/v1/sessions/" + "z" * 400),
        client.delete(path, headers={"authorization": "Bearer " + "a" * 3000}),
    ]
    for answer in answers:
        asked, answered = wire_bytes(answer)
        assert answered <= max(asked, 512), answer.text


def test_a_wish_that_is_smaller_than_its_answer_gets_no_session(server: Parts) -> None:
    for padding in ("", "x" * (PADDING_BYTES - 1)):
        answer = server.client().post("/v1/sessions", json=wish(padding=padding))
        assert problem(answer) == "request-invalid"
    assert server.sessions.store.open_count() == 0


def test_a_request_beyond_the_limit_is_refused_announced_or_not(server: Parts) -> None:
    size = server.configuration.api.request_max_bytes + 1
    announced = server.client().post("/v1/clock", content=bytes(size))
    assert problem(announced) == "request-too-large"
    chunked = server.client().post("/v1/clock", content=iter([bytes(size // 2)] * 3))
    assert problem(chunked) == "request-too-large"


def test_every_problem_has_a_status_of_its_kind() -> None:
    assert all(400 <= status < 600 and title for status, title in TITLES.values())


def test_a_problem_that_would_be_too_large_says_less_and_is_one_still(server: Parts) -> None:
    unknown = {"é" * 40 + str(n): 1 for n in range(5)}
    answer = server.client().post("/v1/clock", json=unknown)
    assert problem(answer) == "request-invalid"
    assert answer.json()["title"] == TITLES["request-invalid"][1]
    asked, answered = wire_bytes(answer)
    assert answered <= max(asked, 512)
