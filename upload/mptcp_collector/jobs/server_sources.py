"""Where measurement servers' captures come from: the server, or a folder that its operator fills.

Only servers of the configuration are asked, at the address that stands there: nothing that came
with an upload is an address here.  What names the capture is the session of a verified ticket.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from mptcp_check.errors import ServerError
from mptcp_check.session_client import server_list
from mptcp_check.session_client.connection import Connection, RefusedError
from mptcp_collector.configuration import MeasurementServer
from mptcp_collector.meta.records import ServerCapture

TIMEOUT_S: Final = 20.0
PUT_HERE_S: Final = 7 * 86_400
"""How long after a ticket's end an operator may still put a capture into the shared folder."""
_CHUNK_BYTES: Final = 1 << 20
_GONE: Final = frozenset(
    {
        "capture-missing",
        "session-unknown",
        "ticket-expired",
        "ticket-invalid",
        "ticket-of-another-session",
    }
)
"""Answers of a measurement server after which asking again is in vain."""


class NotYetError(Exception):
    """The capture may come later; the text says why not now."""


class NeverError(Exception):
    """The capture will not come; the text says why."""


class Source(Protocol):
    """A place that has captures by session."""

    @property
    def patience_s(self) -> int:
        """How long after the ticket's end it may still be had."""

    def fetch(self, wanted: ServerCapture, file: BinaryIO, *, limit_bytes: int) -> None:
        """Write a session's capture to a file.

        Raises:
            NotYetError: It may come later.
            NeverError: It will not come, or is larger than `limit_bytes`.
            OSError: The file cannot be written.
        """


class Asked:
    """A measurement server that is asked, by its pinned certificate.

    Args:
        server: As the operator configured it.
        authorities: Certificates to trust instead of the system's, PEM.
    """

    def __init__(self, server: MeasurementServer, authorities: Path | None = None) -> None:
        known = server_list.server(server.url, fingerprint=server.fingerprint)
        self._connection = Connection(server=known, timeout_s=TIMEOUT_S, authorities=authorities)

    @property
    def patience_s(self) -> int:
        """None: the server keeps to the ticket's end."""
        return 0

    def fetch(self, wanted: ServerCapture, file: BinaryIO, *, limit_bytes: int) -> None:
        """Fetch it with the session's own ticket."""
        place = f"/v1/sessions/{wanted.session_id}/capture"
        try:
            said = self._connection.ask("GET", place, ticket=wanted.token)
            if said.get("running") is not False:
                raise NotYetError("the server's capture still runs")
            size_bytes = said.get("file_bytes")
            if type(size_bytes) is not int or not 0 < size_bytes <= limit_bytes:
                raise NeverError(f"the server's capture has not 1 to {limit_bytes} bytes")
            digest = self._connection.fetch(
                f"{place}/file", ticket=wanted.token, file=file, limit_bytes=size_bytes
            )
        except RefusedError as e:
            kind = NeverError if e.name in _GONE else NotYetError
            raise kind(f"the measurement server says: {e.name or e.status}") from None
        except ServerError:
            # its words name the server's address: the page need not
            raise NotYetError("the measurement server does not answer") from None
        if digest != said.get("sha256"):
            raise NotYetError("what came is not what the measurement server says it is")


class Shared:
    """A folder in which a server's operator puts ``SESSION.pcapng``, by renaming, when it is whole.

    Args:
        folder: Read only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def patience_s(self) -> int:
        """Some days."""
        return PUT_HERE_S

    def fetch(self, wanted: ServerCapture, file: BinaryIO, *, limit_bytes: int) -> None:
        """Copy it; links are not followed."""
        path = self._folder / f"{wanted.session_id}.pcapng"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags)
        except OSError:
            raise NotYetError("the measurement server's operator has not put it here") from None
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode) or not 0 < there.st_size <= limit_bytes:
            os.close(descriptor)
            raise NeverError(f"the server's capture has not 1 to {limit_bytes} bytes")
        with os.fdopen(descriptor, "rb") as source:
            left = there.st_size
            while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
                file.write(chunk)
                left -= len(chunk)


class Several:
    """Sources that are tried one after the other.

    Args:
        sources: In their order.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    @property
    def patience_s(self) -> int:
        """As long as the most patient one."""
        return max((source.patience_s for source in self._sources), default=0)

    def fetch(self, wanted: ServerCapture, file: BinaryIO, *, limit_bytes: int) -> None:
        """Take the first that has it."""
        if not self._sources:
            raise NeverError("this collector has no way to that server's captures")
        not_yet: NotYetError | None = None
        never: NeverError | None = None
        for source in self._sources:
            file.seek(0)
            file.truncate()
            try:
                source.fetch(wanted, file, limit_bytes=limit_bytes)
            except NotYetError as e:
                not_yet = e
            except NeverError as e:
                never = e
            else:
                return
        raise not_yet or never or NeverError("no source")


def source(server: MeasurementServer | None) -> Source:
    """Return where a configured server's captures come from."""
    found: list[Source] = []
    if server is not None and server.captures:
        found.append(Shared(Path(server.captures)))
    if server is not None and server.url:
        found.append(Asked(server))
    return Several(*found)
