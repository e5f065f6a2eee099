"""Which server is taken, and why; what was found of the others is told too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mptcp_check.errors import ServerError
from mptcp_check.session_client.server_list import KnownServer

Health = Callable[[KnownServer], dict[str, Any]]
"""Asks a server's health; raises ServerError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A server that was looked at."""

    server: KnownServer
    usable: bool
    because: str
    hint: str = ""
    """The next step, where there is one for this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The server to use, and all that were asked before it was found."""

    server: KnownServer
    because: str
    asked: tuple[Candidate, ...]


def choose(servers: Sequence[KnownServer], health: Health) -> Choice:
    """Ask servers in the order of their priorities and take the first that can be used.

    One that cannot capture cannot be used: without its capture nothing can be compared.

    Args:
        servers: At least one.
        health: How to ask.

    Raises:
        ServerError: None can be used; it says what each was found to be.
    """
    asked: list[Candidate] = []
    for server in sorted(servers, key=lambda one: one.priority):  # stable: as listed
        candidate = _look(server, health)
        asked.append(candidate)
        if candidate.usable:
            because = _why(server, asked, of=len(servers))
            return Choice(server=server, because=because, asked=tuple(asked))
    found = "; ".join(f"{one.server.url}: {one.because}" for one in asked)
    own = asked[0].hint if len(asked) == 1 else ""
    raise ServerError(f"no measurement server can be used: {found}", hint=own or OTHERS)


OTHERS = "try again later, or name others; `mptcp-check run` without --server needs none"
NO_CAPTURE = "it cannot capture now"
NO_SERVICES = "its application servers do not run"


def _look(server: KnownServer, health: Health) -> Candidate:
    try:
        document = health(server)
    except ServerError as e:
        because = e.message.removeprefix(f"{server.url} ")
        return Candidate(server=server, usable=False, because=because, hint=e.hint)
    if document.get("status") == "lame-duck":
        return Candidate(server=server, usable=False, because="it is being drained")
    if document.get("status") != "ok":
        return Candidate(server=server, usable=False, because="it is no measurement server")
    if document.get("services") != "ready":
        return Candidate(server=server, usable=False, because=NO_SERVICES)
    if document.get("capture") != "ready":
        return Candidate(server=server, usable=False, because=NO_CAPTURE)
    return Candidate(server=server, usable=True, because="it answers and takes sessions")


def _why(server: KnownServer, asked: Sequence[Candidate], *, of: int) -> str:
    if of == 1:
        return "it answers and takes sessions"
    if len(asked) == 1:
        return f"the first of {of} by priority ({server.priority}) answers and takes sessions"
    others = ", ".join(f"{one.server.url} ({one.because})" for one in asked[:-1])
    return f"the first by priority that can be used, after {others}"
