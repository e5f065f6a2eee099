"""What goes over the wire, as the OpenAPI document describes it."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from mptcp_check.server.capture.service import Claim
from mptcp_check.server.capture.summary import Summary
from mptcp_check.server.configuration import Services
from mptcp_check.server.services.service import Account, ProgramState, ServicesState
from mptcp_check.server.session import Session

PADDING_BYTES: Final = 1400
"""What a request for a ticket carries at least: more than any answer to it has."""

LONGEST_PADDING: Final = 8192
LARGEST_OFFER: Final = 2**40
LAST_TIME_NS: Final = 2**63 - 1
MOST_CLAIMS: Final = 64

SessionState = Literal["open", "finished", "expired"]
TimeNs = Annotated[int, Field(ge=0, le=LAST_TIME_NS, description="Nanoseconds since 1970, UTC")]
U32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
ServiceName = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,15}$")]
FileName = Annotated[str, Field(pattern="^[a-z][a-z0-9]{0,31}$")]
Key = Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="64 bits, 16 hexadecimal digits")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Health(_Answer):
    """Whether sessions can be had here."""

    status: Literal["ok", "lame-duck"]
    capture: Literal["ready", "unavailable"]
    services: Literal["ready", "unavailable"]
    server: str


class Limits(_Answer):
    """What one session, and one network, may have."""

    session_s: int = Field(description="How long a session lasts at most")
    collect_s: int = Field(description="How long after it its capture can be fetched")
    capture_bytes: int = Field(description="Of one session's capture")
    capture_packets: int
    request_bytes: int = Field(description="Of one request's body")
    sessions_at_once: int = Field(description="Of one network, as all that is an hour's")
    sessions_per_hour: int
    session_s_per_hour: int = Field(description="Seconds of all its sessions")
    captured_bytes_per_hour: int
    fetched_bytes_per_hour: int
    offer_bytes: int = Field(description="Of one content that is offered")
    session_file_bytes: int = Field(description="What a session keeps at the services at once")
    session_files: int


class SeenAddress(_Answer):
    """Who is asking, as the server sees it; compare it with your own address and port."""

    family: Literal["ipv4", "ipv6", "other"]
    address: str
    port: int


class ClockQuestion(_Request):
    """The first of four times (RFC 5905, section 8)."""

    client_sent_ns: TimeNs


class ClockAnswer(_Answer):
    """Three of the four; the client reads the fourth when this arrives."""

    client_sent_ns: int
    server_received_ns: int
    server_sent_ns: int


class NewSession(_Request):
    """A wish for a session."""

    run_id: str = Field(
        pattern="^[0-9A-Za-z_-]{8,64}$", description="The run that the session is part of"
    )
    padding: str = Field(
        min_length=PADDING_BYTES,
        max_length=LONGEST_PADDING,
        description="Anything: without a ticket no answer is larger than its request",
    )


class CreatedSession(_Answer):
    """A session, and the ticket that is asked for from now on."""

    session: str
    ticket: str = Field(description="A bearer secret; EdDSA-signed JSON Web Token")
    marker: str = Field(description="What the session's connections say among their first bytes")
    expires_ns: int
    collect_until_ns: int


class SessionDocument(_Answer):
    """A session as it stands."""

    session: str
    run_id: str
    state: SessionState
    capture: Literal["none", "running", "stopped"]
    created_ns: int
    expires_ns: int
    ended_ns: int | None
    collect_until_ns: int


class InterruptionDocument(_Answer):
    """A time in which the capture service was away: nothing was captured."""

    from_ns: int
    until_ns: int


class CaptureDocument(_Answer):
    """A capture as it stands; whether anything is missing in it, and why."""

    running: bool
    started_ns: int
    stopped_ns: int | None
    because: str
    complete: bool
    packet_count: int
    file_bytes: int
    flow_count: int
    mp_capable_count: int
    mp_join_count: int
    truncated: str
    truncated_ns: int | None
    missed_packet_count: int
    ring_dropped_count: int
    shed_flow_count: int
    interruptions: list[InterruptionDocument]
    sha256: str


class ClaimDocument(_Request):
    """Numbers of one connection, from the client's own capture: both kinds have 64 bits."""

    server_key: Key | None = None
    client_isn: U32 | None = None
    server_isn: U32 | None = None


class Claims(_Request):
    """Connections that could say no marker."""

    connections: list[ClaimDocument] = Field(min_length=1, max_length=MOST_CLAIMS)


class Claimed(_Answer):
    """How many of them the server knows by now; the others may still come."""

    found_count: int


class HandshakesDocument(_Answer):
    """How the session's own connections were opened, as their own packets show."""

    from_client_count: int
    from_client_capable_count: int
    from_client_answered_count: int
    from_client_fallback_count: int
    from_server_count: int
    from_server_capable_count: int
    from_server_answered_count: int
    from_server_fallback_count: int
    joins_from_client_count: int
    joins_from_client_completed_count: int
    joins_from_server_count: int
    joins_from_server_answered_count: int


class ProgramDocument(_Answer):
    """One application server."""

    service: str
    transport: Literal["mptcp", "tcp"]
    port: int
    alive: bool
    restarts_count: int = Field(description="How often it crashed and was started again")
    restarted_ns: int | None


class ServicesDocument(_Answer):
    """The application servers, and the session's account there."""

    user: str
    password: str
    folder: str = Field(description="What HTTP's paths begin with, after the first slash")
    addresses: list[str] = Field(
        description="Where they are, one per family; empty: where the interface is"
    )
    families: list[int] = Field(description="Versions of IP at which they listen")
    kernel: str
    machine: str
    tools: dict[str, str]
    passive_ports: tuple[int, int] = Field(description="First and last data port of passive FTP")
    tls_certificate: str = Field(description="PEM: what all servers with TLS show")
    ssh_host_key: str = Field(description="Public, as OpenSSH writes it; empty without ssh")
    programs: list[ProgramDocument]


class ServicesWish(_Request):
    """What an account needs of its user."""

    ssh_client_key: str = Field(
        default="",
        max_length=200,
        pattern="^(ssh-ed25519 [A-Za-z0-9+/=]{1,180})?$",
        description="Public, as OpenSSH writes it: who logs in by ssh; empty: nobody, or as before",
    )


class Offer(_Request):
    """A content that the session shall be able to fetch: made of a seed, so both ends know it."""

    service: ServiceName
    name: FileName
    seed: str = Field(min_length=1, max_length=128, pattern="^[ -~]*$")
    bytes: int = Field(ge=0, le=LARGEST_OFFER)
    form: Literal["bytes", "lines", "zeros"] = "bytes"


class DigestDocument(_Answer):
    """What a file holds."""

    bytes: int
    sha256: str


class Received(_Answer):
    """What was uploaded under a name; none when nothing was."""

    received: DigestDocument | None


class Counters(_Answer):
    """What the server's kernel counted since the session began."""

    alone: bool = Field(description="Whether no other session was open at any time")
    mptcp: dict[str, int]


def session_document(session: Session) -> SessionDocument:
    """Return a session as its user sees it."""
    return SessionDocument.model_validate(
        {
            "session": session.id,
            "run_id": session.run_id,
            "state": session.end.value,
            "capture": session.capture.value,
            "created_ns": session.created_ns,
            "expires_ns": session.expires_ns,
            "ended_ns": session.ended_ns,
            "collect_until_ns": session.collect_until_ns,
        }
    )


def capture_document(summary: Summary) -> CaptureDocument:
    """Return a capture as its user sees it."""
    members: dict[str, Any] = {**summary.document(), "complete": summary.complete}
    return CaptureDocument.model_validate(members)


def services_document(account: Account, state: ServicesState, chosen: Services) -> ServicesDocument:
    """Return the services as a session's user sees them."""
    listed: dict[tuple[str, str, int], list[ProgramState]] = {}
    for one in state.programs:  # an address each, and the client sees none of them
        listed.setdefault((one.service, one.transport, one.port), []).append(one)
    addresses = {one.address for one in state.programs}
    # where something else has the port at an address, clients would meet that
    offered = [of for of in listed.values() if {one.address for one in of} == addresses]
    return ServicesDocument(
        user=account.user,
        password=account.password,
        folder=account.user,
        addresses=list(chosen.public),
        families=sorted({ip_address(text).version for text in addresses or chosen.listen}),
        kernel=state.kernel,
        machine=state.machine,
        tools=dict(state.tools),
        passive_ports=chosen.passive_ports,
        tls_certificate=state.tls_certificate,
        ssh_host_key=state.ssh_host_key,
        programs=[_program(of) for of in offered],
    )


def _program(of: Sequence[ProgramState]) -> ProgramDocument:
    """Return a program at one port, which runs once at each address."""
    return ProgramDocument.model_validate(
        {
            "service": of[0].service,
            "transport": of[0].transport,
            "port": of[0].port,
            "alive": all(one.alive for one in of),
            "restarts_count": sum(one.restarts_count for one in of),
            "restarted_ns": max((t for one in of if (t := one.restarted_ns)), default=None),
        }
    )


def claims(document: Claims) -> list[Claim]:
    """Return the connections that are claimed; one with half its numbers says nothing."""
    return [
        Claim(
            server_key=None if one.server_key is None else int(one.server_key, 16),
            client_isn=one.client_isn,
            server_isn=one.server_isn,
        )
        for one in document.connections
    ]
