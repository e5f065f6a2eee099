"""Routes of one session: each needs the session's ticket."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse

from mptcp_check.server.api import documents
from mptcp_check.server.api.asking import WITH_TICKET, AllSessions, OwnSession, peer, problems
from mptcp_check.server.api.counted_file import CountedFile
from mptcp_check.server.api.documents import (
    CaptureDocument,
    Claimed,
    Claims,
    Counters,
    DigestDocument,
    FileName,
    HandshakesDocument,
    Offer,
    Received,
    ServiceName,
    ServicesDocument,
    ServicesWish,
    SessionDocument,
)
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.session import End
from mptcp_guest.messages import Content

router = APIRouter(prefix="/v1/sessions/{session_id}")

PCAPNG = "application/x-pcapng"


def _with_ticket(*names: str) -> dict[int | str, dict[str, Any]]:
    return problems(*WITH_TICKET, *names)


@router.get("", responses=_with_ticket(), operation_id="session")
def session(own: OwnSession) -> SessionDocument:
    """Say how a session stands."""
    return documents.session_document(own)


@router.post("/finish", responses=_with_ticket("capture-unavailable"), operation_id="finish")
def finish(own: OwnSession, sessions: AllSessions) -> SessionDocument:
    """End a session and its capture, which can be fetched for some time; again does nothing."""
    return documents.session_document(sessions.end(own, End.FINISHED))


@router.delete(
    "",
    status_code=204,
    responses=_with_ticket("capture-unavailable"),
    operation_id="delete_session",
)
def delete(own: OwnSession, sessions: AllSessions) -> Response:
    """End a session and remove its capture at once."""
    sessions.delete(own)
    return Response(status_code=204)


@router.post(
    "/capture/start",
    responses=_with_ticket(
        "session-ended", "capture-ended", "allowance-used", "capture-unavailable", "disk-full"
    ),
    operation_id="start_capture",
)
def start_capture(own: OwnSession, sessions: AllSessions) -> CaptureDocument:
    """Capture the session's connections from now on; again does nothing."""
    return documents.capture_document(sessions.start_capture(own))


@router.post(
    "/capture/stop",
    responses=_with_ticket("capture-missing", "capture-unavailable"),
    operation_id="stop_capture",
)
def stop_capture(own: OwnSession, sessions: AllSessions) -> CaptureDocument:
    """Stop the capture and say what is in it; again says the same."""
    return documents.capture_document(sessions.stop_capture(own))


@router.get(
    "/capture",
    responses=_with_ticket("capture-missing", "capture-unavailable"),
    operation_id="capture",
)
def capture(own: OwnSession, sessions: AllSessions) -> CaptureDocument:
    """Say how the capture stands, and its hash once it is stopped."""
    return documents.capture_document(sessions.capture(own))


@router.get(
    "/capture/file",
    response_class=FileResponse,
    responses={
        200: {"content": {PCAPNG: {}}, "description": "The capture"},
        206: {"content": {PCAPNG: {}}, "description": "A part of it (RFC 9110, section 14)"},
        **_with_ticket(
            "capture-missing",
            "capture-running",
            "capture-unavailable",
            "allowance-used",
            "range-not-satisfiable",
        ),
    },
    operation_id="capture_file",
)
def capture_file(own: OwnSession, request: Request, sessions: AllSessions) -> Response:
    """Fetch the capture, whole or in parts."""
    summary = sessions.capture(own)
    if summary.running:
        raise ProblemError("capture-running")
    host, _ = peer(request)
    sessions.may_fetch(host, size_bytes=summary.file_bytes)
    return CountedFile(
        sessions.captures.file(own.id),
        media_type=PCAPNG,
        headers={"etag": f'"{summary.sha256}"', "cache-control": "no-store"},
        count=lambda sent_bytes: sessions.fetched(host, sent_bytes=sent_bytes),
    )


@router.post(
    "/connections",
    responses=_with_ticket("session-ended", "capture-missing", "capture-unavailable"),
    operation_id="claim_connections",
)
def claim_connections(wish: Claims, own: OwnSession, sessions: AllSessions) -> Claimed:
    """Name connections that could not say the marker, by 64 bits that only their path has seen."""
    return Claimed(found_count=sessions.claim(own, documents.claims(wish)))


@router.get("/counters", responses=_with_ticket(), operation_id="counters")
def counters(own: OwnSession, sessions: AllSessions) -> Counters:
    """Say what the server's kernel counted of Multipath TCP since the session began."""
    count = sessions.kernel_count(own)
    return Counters(alone=count.alone, mptcp=count.counters)


@router.get(
    "/handshakes",
    responses=_with_ticket("session-ended", "capture-missing", "capture-unavailable"),
    operation_id="handshakes",
)
def handshakes(own: OwnSession, sessions: AllSessions) -> HandshakesDocument:
    """Say how the session's own connections were opened, up to this question."""
    return HandshakesDocument.model_validate(asdict(sessions.handshakes(own)))


@router.post(
    "/services",
    responses=_with_ticket("session-ended", "services-unavailable", "disk-full"),
    operation_id="open_services",
)
def open_services(
    own: OwnSession, sessions: AllSessions, wish: ServicesWish | None = None
) -> ServicesDocument:
    """Give the session a folder and an account at the application servers, and say how they are.

    Again it says the same account, and how they are now.
    """
    key = wish.ssh_client_key if wish else ""
    account, state = sessions.open_services(own, ssh_client_key=key)
    return documents.services_document(account, state, sessions.configuration.services)


@router.post(
    "/offers",
    responses=_with_ticket(
        "session-ended", "services-closed", "services-unavailable", "quota-used", "disk-full"
    ),
    operation_id="offer",
)
def offer(wish: Offer, own: OwnSession, sessions: AllSessions) -> DigestDocument:
    """Make a content ready that the session can fetch from a service under this name."""
    content = Content(seed=wish.seed, bytes=wish.bytes, form=wish.form)
    made = sessions.offer(own, wish.service, wish.name, content)
    return DigestDocument.model_validate(asdict(made))


@router.get(
    "/received/{service}/{name}",
    responses=_with_ticket("session-ended", "services-closed", "services-unavailable"),
    operation_id="received",
)
def received(
    service: ServiceName, name: FileName, own: OwnSession, sessions: AllSessions
) -> Received:
    """Say what the session has sent to a service under this name."""
    found = sessions.received(own, service, name)
    return Received(received=None if found is None else DigestDocument(**asdict(found)))


@router.delete(
    "/files/{service}/{name}",
    status_code=204,
    responses=_with_ticket("session-ended", "services-closed", "services-unavailable"),
    operation_id="discard",
)
def discard(
    service: ServiceName, name: FileName, own: OwnSession, sessions: AllSessions
) -> Response:
    """Forget what a service has under this name, offered or sent."""
    sessions.discard(own, service, name)
    return Response(status_code=204)
