"""Routes that need no ticket: health, limits, who am I, what time is it, and a new session."""

import ipaddress
from typing import Literal

from fastapi import APIRouter, Request, Response

from mptcp_check.server import marker
from mptcp_check.server.api.asking import RECEIVED_NS, AllSessions, peer, problems
from mptcp_check.server.api.documents import (
    ClockAnswer,
    ClockQuestion,
    CreatedSession,
    Health,
    Limits,
    NewSession,
    SeenAddress,
)

router = APIRouter(prefix="/v1")


@router.get("/health", responses=problems(), operation_id="health")
def health(sessions: AllSessions) -> Health:
    """Say whether new sessions can be had; a lame duck keeps the ones it has."""
    return Health(
        status="lame-duck" if sessions.lame_duck() else "ok",
        capture="ready" if sessions.captures.available() else "unavailable",
        services="ready" if sessions.services.available() else "unavailable",
        server=sessions.configuration.server.id,
    )


@router.get("/limits", responses=problems(), operation_id="limits")
def limits(sessions: AllSessions) -> Limits:
    """Say what a session may have."""
    configuration = sessions.configuration
    return Limits(
        session_s=configuration.tickets.session_s,
        collect_s=configuration.tickets.collect_s,
        capture_bytes=configuration.capture.session_bytes,
        capture_packets=configuration.capture.session_packets,
        request_bytes=configuration.api.request_max_bytes,
        sessions_at_once=configuration.netblocks.sessions_at_once,
        sessions_per_hour=configuration.netblocks.sessions_per_hour,
        session_s_per_hour=configuration.netblocks.session_s_per_hour,
        captured_bytes_per_hour=configuration.netblocks.captured_bytes_per_hour,
        fetched_bytes_per_hour=configuration.netblocks.fetched_bytes_per_hour,
        offer_bytes=configuration.services.offer_bytes,
        session_file_bytes=configuration.services.session_bytes,
        session_files=configuration.services.session_files,
    )


@router.get("/address", responses=problems(), operation_id="address")
def address(request: Request) -> SeenAddress:
    """Say what address and port the server sees."""
    host, port = peer(request)
    return SeenAddress(family=_family(host), address=host, port=port)


@router.post("/clock", responses=problems(), operation_id="clock")
def clock(question: ClockQuestion, request: Request, sessions: AllSessions) -> ClockAnswer:
    """Answer with the server's times, for the offset between the two clocks."""
    return ClockAnswer(
        client_sent_ns=question.client_sent_ns,
        server_received_ns=getattr(request.state, RECEIVED_NS),
        server_sent_ns=sessions.wall_ns(),
    )


@router.post(
    "/sessions",
    status_code=201,
    responses=problems(
        "too-many-requests",
        "too-many-sessions",
        "allowance-used",
        "lame-duck",
        "server-full",
        "request-too-small",
    ),
    operation_id="create_session",
)
def create_session(
    wish: NewSession, request: Request, response: Response, sessions: AllSessions
) -> CreatedSession:
    """Create a session for the address that asks; no other can be named."""
    host, _ = peer(request)
    created = sessions.create(wish.run_id, host)
    response.headers["location"] = f"/v1/sessions/{created.session.id}"
    return CreatedSession(
        session=created.session.id,
        ticket=created.token,
        marker=marker.marker(bytes.fromhex(created.session.nonce)),
        expires_ns=created.session.expires_ns,
        collect_until_ns=created.session.collect_until_ns,
    )


def _family(host: str) -> Literal["ipv4", "ipv6", "other"]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return "other"
    return "ipv4" if version == 4 else "ipv6"  # noqa: PLR2004 - IPv4
