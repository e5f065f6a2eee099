"""Which server is taken, and why; what was found of the others is told too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mptcp_check.errors import ServerError
from mptcp_check.session_client import refusals
from mptcp_check.session_client.server_list import KnownServer

Begun = TypeVar("Begun")

Health = Callable[[KnownServer], dict[str, Any]]
"""Asks a server's health; raises ServerError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A server that was looked at."""

    server: KnownServer
    usable: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[Begun]):
    """The server to use, and all that were asked before it was found."""

    server: KnownServer
    begun: Begun
    """What it gave us: a session."""
    because: str
    asked: tuple[Candidate, ...]


def choose(
    servers: Sequence[KnownServer], health: Health, begin: Callable[[KnownServer], Begun]
) -> Choice[Begun]:
    """Ask servers in the order of their priorities and take the first that can be used.

    One that cannot capture cannot be used: without its capture nothing can be compared.  One that
    is well and takes nobody in, as it is full or had enough of this network, cannot be used now.

    Args:
        servers: At least one.
        health: How to ask.
        begin: Has a session at a server; raises ServerError.

    Raises:
        ServerError: None can be used; it says what each was found to be.
    """
    asked: list[Candidate] = []
    for server in sorted(servers, key=lambda one: one.priority):  # stable: as listed
        try:
            _require_well(server, health)
            begun = begin(server)
        except ServerError as e:
            if len(servers) == 1:
                raise  # its own words and next step
            refusal = e.message.removeprefix(f"{server.url} ")
            asked.append(Candidate(server=server, usable=False, because=refusal))
        else:
            because = _why(server, asked, of=len(servers))
            asked.append(Candidate(server=server, usable=True, because=because))
            return Choice(server=server, begun=begun, because=because, asked=tuple(asked))
    found = [f"{one.server.url} {one.because}" for one in asked]
    raise ServerError(
        "\n  ".join(["no measurement server of the list can be used:", *found]), hint=OTHERS
    )


NO_CAPTURE = refusals.TOLD["capture-unavailable"][0]
NO_SERVICES = refusals.TOLD["services-unavailable"][0]
DRAINED = refusals.TOLD["lame-duck"][0]
STRANGE = "is no measurement server"
READY = "it answers and takes sessions"
OTHERS = "try again later, or name others; `mptcp-check run` without --server needs none"


def _require_well(server: KnownServer, health: Health) -> None:
    """See whether anything speaks against a server.

    Raises:
        ServerError: It does not answer, or says itself that it cannot be used.
    """
    document = health(server)
    status = document.get("status")
    rows = (
        (status == "lame-duck", DRAINED),
        (status != "ok", STRANGE),
        (document.get("services") != "ready", NO_SERVICES),
        (document.get("capture") != "ready", NO_CAPTURE),
    )
    for holds, words in rows:
        if holds:
            raise ServerError(f"{server.url} {words}", hint=OTHERS)


def _why(server: KnownServer, others: Sequence[Candidate], *, of: int) -> str:
    if of == 1:
        return READY
    if not others:
        return f"the first of {of} by priority ({server.priority}) answers and takes sessions"
    passed = ", ".join(f"{one.server.url} ({one.because})" for one in others)
    return f"the first by priority that can be used, after {passed}"
