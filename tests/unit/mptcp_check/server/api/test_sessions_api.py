"""The life of a session as its user sees it, over HTTP."""

import dataclasses
import json
from pathlib import Path

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_encode

from measurement_server import KEY, RUN_ID, START_NS, Parts, S, parts, problem, wish
from mptcp_check.server import marker, ticket
from mptcp_check.server.api.documents import PADDING_BYTES
from mptcp_check.server.problem import TITLES, ProblemError


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


def test_a_ticket_says_what_a_collector_needs_and_no_address(server: Parts) -> None:
    held = server.session(server.client())
    said = ticket.verify(
        held.document["ticket"],
        KEY.public_key(),
        server_id="test.example",
        now_ns=START_NS,
        leeway_ns=0,
    )
    assert (said.run_id, said.session_id) == (RUN_ID, held.document["session"])
    assert marker.marker(bytes.fromhex(said.nonce)) == held.document["marker"]
    claims = jwt.decode(held.document["ticket"], options={"verify_signature": False})
    assert "192.0.2" not in str(claims)


def test_an_expired_ticket_is_refused(server: Parts) -> None:
    held = server.session(server.client())
    server.clock.forward(600 + 300 + server.configuration.tickets.leeway_s)
    answer = held.get()
    assert problem(answer) == "ticket-expired"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_ticket_from_the_future_is_refused(server: Parts) -> None:
    held = server.session(server.client())
    server.clock.forward(-3600)
    assert problem(held.get()) == "ticket-from-the-future"


def test_a_ticket_used_for_another_session_is_refused(server: Parts) -> None:
    mine, theirs = server.session(server.client()), server.session(server.client())
    theirs.document["session"] = mine.document["session"]
    for answer in (theirs.get(), theirs.get("/capture/file"), theirs.post("/finish")):
        assert problem(answer) == "ticket-of-another-session"
    assert theirs.delete().status_code == 403


def test_a_ticket_used_again_after_the_end_begins_nothing(server: Parts) -> None:
    held = server.session(server.client())
    held.post("/finish")
    assert problem(held.post("/capture/start")) == "session-ended"
    assert problem(held.post("/connections", json={"connections": [{}]})) == "session-ended"
    assert held.get().json()["state"] == "finished"


def test_a_request_without_ticket_is_told_what_is_missing(server: Parts) -> None:
    held = server.session(server.client())
    assert problem(server.client().get(held.path)) == "ticket-missing"


def forged(token: str, **changes: object) -> list[str]:
    """Return tickets that say other things or are signed otherwise."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    header, payload, signature = token.split(".")
    return [
        jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
        jwt.encode(claims, None, algorithm="none"),
        # the public key taken for a shared secret
        jwt.encode(claims, KEY.public_key().public_bytes_raw() + bytes(32), algorithm="HS256"),
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{jwt.encode(claims, KEY, algorithm='EdDSA').rpartition('.')[0]}.{signature[::-1]}",
        "x" * 5000,
    ]


def test_a_forged_ticket_is_refused(server: Parts) -> None:
    held = server.session(server.client())
    for token in forged(held.document["ticket"]):
        held.document["ticket"] = token
        assert problem(held.get()) == "ticket-invalid", token


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "nonce", "iat", "exp", "net"])
def test_a_ticket_of_our_own_key_with_an_odd_claim_is_refused(claim: str) -> None:
    good = ticket.Ticket(
        server_id="s",
        run_id=RUN_ID,
        session_id="i",
        nonce="n",
        netblock_digest="d",
        issued_ns=0,
        expires_ns=S,
    )
    claims = jwt.decode(ticket.sign(good, KEY), options={"verify_signature": False})
    for value in (None, [], {}, {"a": []}, 10**400, 1.5, True, -1):
        token = jwt.encode(claims, KEY, algorithm="EdDSA").split(".")
        payload = json.dumps(claims | {claim: value}).encode()
        signing_input = f"{token[0]}.{base64url_encode(payload).decode()}"
        signature = base64url_encode(KEY.sign(signing_input.encode())).decode()
        with pytest.raises(ProblemError) as refused:
            ticket.verify(
                f"{signing_input}.{signature}",
                KEY.public_key(),
                server_id="s",
                now_ns=0,
                leeway_ns=0,
            )
        assert refused.value.problem.name == "ticket-invalid"


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_ticket(text: str) -> None:
    with pytest.raises(ProblemError) as refused:
        ticket.verify(text, KEY.public_key(), server_id="s", now_ns=0, leeway_ns=0)
    assert refused.value.problem.name == "ticket-invalid"


# ------------------------------------------------------------------------- caps and refusals


def test_a_netblock_has_its_share_of_sessions_and_others_have_theirs(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_at_once = 2") as server:
        first = [server.session(server.client(f"192.0.2.{n}")) for n in (1, 200)]
        refused = server.client("192.0.2.77").post("/v1/sessions", json=wish())
        assert problem(refused) == "too-many-sessions"
        assert int(refused.headers["retry-after"]) > 0
        server.session(server.client("192.0.3.77"))
        # IPv4 mapped into IPv6 is no second allowance
        mapped = server.client("::ffff:192.0.2.9").post("/v1/sessions", json=wish())
        assert problem(mapped) == "too-many-sessions"
        first[0].post("/finish")
        server.session(server.client("192.0.2.77"))


def test_an_ipv6_customer_with_many_networks_has_one_share(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_at_once = 1") as server:
        server.session(server.client("2001:db8:0:a1::1"))
        again = server.client("2001:db8:0:a2::1").post("/v1/sessions", json=wish())
        assert problem(again) == "too-many-sessions"
        server.session(server.client("2001:db8:0:b001::1"))


def test_sessions_of_an_hour_are_counted_also_those_that_ended(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_per_hour = 3") as server:
        for _ in range(3):
            server.session(server.client()).post("/finish")
        answer = server.client().post("/v1/sessions", json=wish())
        assert problem(answer) == "too-many-requests"
        server.clock.forward(3601)
        server.session(server.client())


def test_seconds_of_sessions_are_counted(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsession_s_per_hour = 100") as server:
        held = server.session(server.client())
        server.clock.forward(99)
        held.post("/finish")
        server.session(server.client())
        server.clock.forward(1)
        answer = server.client().post("/v1/sessions", json=wish())
        assert problem(answer) == "allowance-used"


def test_captured_bytes_are_counted_and_the_last_capture_gets_what_is_left(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\ncaptured_bytes_per_hour = 5000") as server:
        server.captures.octets = bytes(4000)
        first, second, third = (server.session(server.client()) for _ in range(3))
        for held in (first, second):
            held.post("/capture/start")
            held.post("/capture/stop")
        assert [order.bytes_max for order in server.captures.orders] == [5000, 1000]
        assert problem(third.post("/capture/start")) == "allowance-used"


def test_fetched_bytes_are_counted_as_they_were_sent(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nfetched_bytes_per_hour = 10000") as server:
        server.captures.octets = bytes(4500)
        held = server.session(server.client())
        held.post("/capture/start")
        held.post("/capture/stop")
        assert held.get("/capture/file", headers={"range": "bytes=0-99"}).status_code == 206
        assert held.get("/capture/file").status_code == 200
        assert held.get("/capture/file").status_code == 200
        assert problem(held.get("/capture/file")) == "allowance-used"
        assert server.sessions.store.used("192.0.2.0/24", now_ns=START_NS)[1] == 9100


def test_a_full_server_and_a_lame_duck_say_so_and_keep_what_they_have(tmp_path: Path) -> None:
    limits = "[sessions]\nat_once = 1\n[netblocks]\nsessions_at_once = 1"
    with parts(tmp_path, limits) as server:
        held = server.session(server.client("192.0.2.1"))
        refused = server.client("198.51.100.1").post("/v1/sessions", json=wish())
        assert problem(refused) == "server-full"
        server.sessions.lame_duck = lambda: True
        refused = server.client("198.51.100.1").post("/v1/sessions", json=wish())
        assert problem(refused) == "lame-duck"
        assert server.client().get("/v1/health").json()["status"] == "lame-duck"
        assert held.post("/capture/start").status_code == 200
        assert held.post("/finish").status_code == 200


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
