"""A session at a measurement server, from the client's side."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from mptcp_check.errors import ServerError
from mptcp_check.session_client import refusals, services
from mptcp_check.session_client.clock_offset import Exchange, Offset, offset
from mptcp_check.session_client.connection import Connection, UnreachableError
from mptcp_check.session_client.services import Services
from mptcp_guest.messages import Content, Digest

PADDING: Final = "x" * 1400
"""A server answers nothing that is larger than its request before there is a ticket."""

CLOCK_EXCHANGES: Final = 8

AGAIN_AFTER_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""A session outlives its server's process: who upgrades it, restarts it in less than that."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAddress:
    """Where a server saw a connection of ours come from."""

    address: str
    port: int


def seen_address(connection: Connection) -> SeenAddress:
    """Ask what address and port the server sees.

    Raises:
        ServerError: It cannot be asked.
    """
    answer = connection.ask("GET", "/v1/address")
    return SeenAddress(
        address=_member(connection, answer, "address", str),
        port=_member(connection, answer, "port", int),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server gives one session, as far as a run has to know beforehand."""

    capture_bytes: int


def limits(connection: Connection) -> Limits:
    """Ask what a session may have.

    Raises:
        ServerError: It cannot be asked.
    """
    answer = connection.ask("GET", "/v1/limits")
    return Limits(capture_bytes=_member(connection, answer, "capture_bytes", int))


def clock_offset(
    connection: Connection, wall_ns: Callable[[], int], *, count: int = CLOCK_EXCHANGES
) -> Offset | None:
    """Measure how far the server's clock is ahead of ours.

    Raises:
        ServerError: It cannot be asked.
    """
    exchanges = []
    with connection.kept() as post:  # its handshakes are no part of what is measured
        for _ in range(count):
            sent_ns = wall_ns()
            answer = post("/v1/clock", {"client_sent_ns": sent_ns})
            received_ns = wall_ns()
            exchanges.append(
                Exchange(
                    client_sent_ns=sent_ns,
                    server_received_ns=_member(connection, answer, "server_received_ns", int),
                    server_sent_ns=_member(connection, answer, "server_sent_ns", int),
                    client_received_ns=received_ns,
                )
            )
    return offset(exchanges)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSession:
    """A session: its ticket opens everything that is its own at the server."""

    connection: Connection
    id: str
    ticket: str
    marker: str
    """What its connections say among their first bytes, so that the server knows them."""
    expires_ns: int
    """By the server's clock."""
    pause: Callable[[float], None] = time.sleep
    """Waits some seconds until a server that does not answer is asked again."""

    @classmethod
    def create(cls, connection: Connection, run_id: str) -> "RemoteSession":
        """Ask for a session.

        Raises:
            RefusedError: The server says no, and why.
            ServerError: It cannot be asked.
        """
        wish = {"run_id": run_id, "padding": PADDING}
        answer = connection.ask("POST", "/v1/sessions", document=wish)
        return cls(
            connection=connection,
            id=_member(connection, answer, "session", str),
            ticket=_member(connection, answer, "ticket", str),
            marker=_member(connection, answer, "marker", str),
            expires_ns=_member(connection, answer, "expires_ns", int),
        )

    def start_capture(self) -> dict[str, Any]:
        """Have the session's connections captured from now on."""
        return self._ask("POST", "/capture/start")

    def stop_capture(self) -> dict[str, Any]:
        """Stop that; the answer says whether anything is missing."""
        return self._ask("POST", "/capture/stop")

    def claim(self, connections: Sequence[dict[str, Any]]) -> int:
        """Name connections that said no marker; return how many the server knows."""
        answer = self._ask("POST", "/connections", {"connections": list(connections)})
        found: int = _member(self.connection, answer, "found_count", int)
        return found

    def capture(self) -> dict[str, Any]:
        """Return how far the capture is."""
        return self._ask("GET", "/capture")

    def open_services(self, *, ssh_client_key: str = "") -> Services:
        """Have a folder and an account at the application servers, and see how they are.

        Args:
            ssh_client_key: Public: who shall be let in by ssh; empty: who was before.
        """
        wish = {"ssh_client_key": ssh_client_key} if ssh_client_key else None
        return services.read(self.connection.server, self._ask("POST", "/services", wish))

    def offer(self, service: str, name: str, content: Content) -> Digest:
        """Have a content made that a service hands out."""
        wish = {"service": service, "name": name, **content}
        return services.digest(self.connection.server, self._ask("POST", "/offers", wish))

    def received(self, service: str, name: str) -> Digest | None:
        """Return what was sent to a service; none if nothing came."""
        found = self._ask("GET", f"/received/{service}/{name}").get("received")
        return None if found is None else services.digest(self.connection.server, found)

    def discard(self, service: str, name: str) -> None:
        """Have a service forget a name."""
        self._ask("DELETE", f"/files/{service}/{name}")

    def handshakes(self) -> dict[str, int]:
        """Return how the session's own connections were opened, up to now."""
        answer = self._ask("GET", "/handshakes")
        return {name: count for name, count in answer.items() if type(count) is int}

    def counters(self) -> dict[str, Any]:
        """Return what the server's kernel counted since the session began."""
        return self._ask("GET", "/counters")

    def finish(self) -> dict[str, Any]:
        """End the session; its capture can be fetched for some time."""
        return self._ask("POST", "/finish")

    def delete(self) -> None:
        """End the session and have its capture removed at once; asked once, for who gives up."""
        self.connection.ask("DELETE", f"/v1/sessions/{self.id}", ticket=self.ticket)

    def fetch_capture(self, path: Path) -> dict[str, Any]:
        """Write the server's capture to a file, and compare its hash.

        Returns:
            What the server says of the capture.

        Raises:
            ServerError: It cannot be fetched, or is not what the server says it is; then there
                is no file.
        """
        said = self._ask("GET", "/capture")
        size_bytes: int = _member(self.connection, said, "file_bytes", int)

        def fetched() -> str:
            with path.open("wb") as file:
                return self.connection.fetch(
                    f"/v1/sessions/{self.id}/capture/file",
                    ticket=self.ticket,
                    file=file,
                    limit_bytes=size_bytes,
                )

        try:
            self._compare(self._patiently(fetched), said)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return said

    def _ask(self, method: str, what: str, document: object = None) -> dict[str, Any]:
        path = f"/v1/sessions/{self.id}{what}"
        return self._patiently(
            lambda: self.connection.ask(method, path, ticket=self.ticket, document=document)
        )

    def _patiently(self, question: Callable[[], T]) -> T:
        """Ask, and again when nobody answers: every question may be asked twice.

        Raises:
            ServerError: Nobody answers, or the answer is no.
        """
        pauses = iter(AGAIN_AFTER_S)
        while True:
            try:
                return question()
            except UnreachableError as e:
                pause_s = next(pauses, None) if refusals.passing(e.cause) else None
                if pause_s is None:
                    raise ServerError(e.message, hint=refusals.gone(e.cause)) from None
            self.pause(pause_s)

    def _compare(self, digest: str, said: dict[str, Any]) -> None:
        if digest != said.get("sha256"):
            url = self.connection.server.url
            raise ServerError(f"the capture of {url} is not what it says it is")


def _member(connection: Connection, answer: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of this kind
    value = answer.get(name)
    if type(value) is not kind:
        raise ServerError(
            f"{connection.server.url} does not answer as a measurement server: no {name}",
            hint=refusals.PORTAL,
        )
    return value
