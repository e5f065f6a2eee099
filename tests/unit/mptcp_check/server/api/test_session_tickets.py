"""What a ticket opens, and what is none."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_encode

from measurement_server import KEY, RUN_ID, START_NS, Parts, S, problem
from mptcp_check.server import marker, ticket
from mptcp_check.server.problem import ProblemError


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
