"""aiosmtpd with a handler that takes mail for one domain of nobody's, and keeps its body.

    /usr/bin/python3 -m mptcp_guest.servers.smtp ADDRESS PORT FILES USER CERTIFICATE KEY [COUNT]

Nothing here can send a mail: whatever it is told, it is no relay.
"""

import asyncio
import re
import ssl
import sys
from pathlib import Path
from typing import ClassVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from mptcp_guest import mail
from mptcp_guest.naming import is_name
from mptcp_guest.servers import listening
from mptcp_guest.servers.places import taken, way_to

SIZE_BYTES_MAX = 64 * 1024 * 1024


class Keeper:
    """What becomes of a mail: its body is a file of the name that it is to.

    Args:
        files: The folder in which those files are (`mptcp_guest.servers.places`).
    """

    def __init__(self, files: Path) -> None:
        self._files = files

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take one recipient of our domain."""
        name = recipient(address)
        if name is None or not way_to(self._files, "up", name).parent.is_dir():
            return "550 no relay"
        if envelope.rcpt_tos:
            return "452 one recipient is enough"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail before it is accepted."""
        content = envelope.content
        if not isinstance(content, bytes):
            return "554 no bytes"
        for address in envelope.rcpt_tos:
            name = recipient(address)
            if name is not None:
                with taken(way_to(self._files, "up", name)) as file:
                    file.write(mail.body(content))
        return "250 OK"


class Bounded(SMTP):  # type: ignore[misc]
    """A connection that ends when its time is up; one too many ends at once."""

    at_once: ClassVar[int] = 0
    most: ClassVar[int] = listening.CONNECTIONS_COUNT
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, once: STARTTLS makes the same connection again."""
        if self._end is None:
            Bounded.at_once += 1
            self._end = self.loop.call_later(listening.LIFE_S, transport.close)
            if Bounded.at_once > Bounded.most:
                transport.close()
                return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        if self._end is not None:
            Bounded.at_once -= 1
            self._end.cancel()
        if self.transport is not None:
            super().connection_lost(error)


def recipient(address: str) -> str | None:
    """Return the name of an exchange that an address means; nothing for any other; PURE."""
    found = re.fullmatch(rf"([^@]+)@{re.escape(mail.USER_DOMAIN)}", address)
    if not found or not is_name(found[1]):
        return None
    try:
        way_to(Path(), "up", found[1])
    except OSError:
        return None
    return found[1]


async def serve(address: str, port: int, files: Path, user: str, context: ssl.SSLContext) -> None:
    """Serve without end."""
    keeper = Keeper(files)
    listener = listening.listening(address, port)
    listening.become(user)
    server = await asyncio.get_running_loop().create_server(
        lambda: Bounded(
            keeper,
            hostname=mail.USER_DOMAIN,
            data_size_limit=SIZE_BYTES_MAX,
            tls_context=context,
            timeout=listening.IDLE_S,
        ),
        sock=listener,
    )
    await server.serve_forever()


def main(*words: str) -> None:
    """Serve without end."""
    address, port, files, user, certificate, key, *count = words
    Bounded.most = int(count[0]) if count else listening.CONNECTIONS_COUNT
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asyncio.run(serve(address, int(port), Path(files), user, context))


if __name__ == "__main__":
    main(*sys.argv[1:])
