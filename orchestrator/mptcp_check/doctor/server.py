"""The measurement server: usable, not a captive portal in its place, and its clock like ours.

Only a server that the user configured is ever asked: no third party learns of this computer.
"""

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mptcp_check import clock
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError, ServerError
from mptcp_check.machines.wishes import ServerWish, SessionWish
from mptcp_check.session_client import choice, remote_session
from mptcp_check.session_client.clock_offset import Offset
from mptcp_check.session_client.connection import Connection
from mptcp_check.session_client.server_list import KnownServer

TIMEOUT_S = 10.0
NAME = "Server"
PORTAL = "Captive portal"
SKEW = "Clock and the server's"
MOST_SKEW_NS = 5 * 10**9
"""A run measures the offset and takes it off; certificates and a report's times do not."""
NETWORK_AUTHENTICATION_REQUIRED = 511
"""RFC 6585, section 6."""
WEB_PORT: Final = 80
"""Where captive portals answer in everybody's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from a web page."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""


def server(question: Question) -> Iterator[Check]:
    """Ask the configured server, if there is one, as a run does before it begins."""
    match question.server:
        case SessionWish() as wish:
            yield from _public(wish)
        case ServerWish() as wish:
            yield _box(wish)
        case None:
            return


def _public(wish: SessionWish) -> Iterator[Check]:
    try:
        chosen = choice.choose(wish.servers, _health, _nothing)
    except ServerError as e:
        yield Check(name=NAME, status=Status.FAIL, detail=e.message, advice=e.hint)
        yield from judge_portal(wish.servers[0].host, _page(wish.servers[0].host))
        return
    detail = f"{chosen.server.url}: {chosen.because}"
    yield Check(name=NAME, status=Status.PASS, detail=detail)
    yield Check(name=PORTAL, status=Status.PASS, detail="the server itself answers")
    try:
        connection = Connection(server=chosen.server, timeout_s=TIMEOUT_S)
        found = remote_session.clock_offset(connection, clock.wall_ns)
    except ServerError as e:
        yield Check(name=SKEW, status=Status.WARN, detail=e.message, advice=e.hint)
    else:
        yield from judge_skew(found)


def _box(wish: ServerWish) -> Check:
    from mptcp_check.machines import ssh  # noqa: PLC0415 - half a second of imports

    try:
        ssh.require_usable(wish.ssh)
    except MptcpCheckError as e:
        return Check(name=NAME, status=Status.FAIL, detail=e.message, advice=e.hint)
    detail = f"{wish}: ssh works, and the agent can be root there"
    return Check(name=NAME, status=Status.PASS, detail=detail)


def judge_portal(host: str, answer: Answer | None) -> Iterator[Check]:
    """Say whether somebody in between sends us to a page of his own; PURE.

    Args:
        host: The one that was asked.
        answer: What its web page said; nothing is found out without one.
    """
    if answer is None:
        return
    target = urlsplit(answer.headers.get("location", ""))
    elsewhere = (target.hostname or host) != host
    if answer.status == NETWORK_AUTHENTICATION_REQUIRED or elsewhere:
        led = f": asked for {host}, led to {target.netloc}" if elsewhere else ""
        yield Check(
            name=PORTAL,
            status=Status.FAIL,
            detail=f"this network wants a login first{led}",
            advice=f"open {answer.headers.get('location') or 'any page'} in a browser and log in",
        )


def judge_skew(found: Offset | None) -> Iterator[Check]:
    """Judge how far the server's clock is from this computer's; PURE."""
    if found is None:
        return
    if abs(found.offset_ns) <= MOST_SKEW_NS + found.error_ns:
        detail = f"agree to {(abs(found.offset_ns) + found.error_ns) / 1e9:.1f} s"
        yield Check(name=SKEW, status=Status.PASS, detail=detail)
        return
    behind = "behind" if found.offset_ns > 0 else "ahead of"
    yield Check(
        name=SKEW,
        status=Status.WARN,
        detail=f"this computer is {abs(found.offset_ns) / 1e9:.0f} s {behind} the server",
        advice="set the clock by NTP: certificates and a report's times depend on it",
    )


def _health(one: KnownServer) -> dict[str, object]:
    return Connection(server=one, timeout_s=TIMEOUT_S).ask("GET", "/v1/health")


def _nothing(_: KnownServer) -> None:
    """Have no session: a check takes nobody's place."""


def _page(host: str) -> Answer | None:
    """Ask for a host's web page, where a captive portal would answer; none answers otherwise."""
    connection = http.client.HTTPConnection(host, WEB_PORT, timeout=TIMEOUT_S)
    try:
        connection.request("HEAD", "/", headers={"Connection": "close"})
        got = connection.getresponse()
        return Answer(
            status=got.status, headers={name.lower(): text for name, text in got.getheaders()}
        )
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
