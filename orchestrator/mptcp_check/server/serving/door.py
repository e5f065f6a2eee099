"""The door: accepts connections, counts them against the caps, and only then begins TLS.

What is refused here has cost an accept and a close: neither a handshake nor a task.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from mptcp_check.netblock import netblock
from mptcp_check.server.configuration import Configuration
from mptcp_check.server.serving.caps import ConnectionCaps
from mptcp_check.server.serving.guarded_protocol import GuardedProtocol
from mptcp_check.server.serving.tls import Certificates

_TRY_AGAIN_S: Final = 0.2
"""How long to wait when accepting fails, for want of descriptors for instance."""

_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: no state is left here for who is refused (tcp(7))."""

log = logging.getLogger(__name__)


class Door:
    """Lets connections in.

    Args:
        configuration: Deadlines and prefix lengths.
        config: uvicorn's, with the application.
        certificates: TLS for new connections.
        caps: How many there may be.
    """

    def __init__(
        self,
        configuration: Configuration,
        config: Config,
        certificates: Certificates,
        caps: ConnectionCaps,
    ) -> None:
        self._configuration = configuration
        self._config = config
        self._certificates = certificates
        self._state = ServerState()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self.caps = caps
        self.cut_counts: dict[str, int] = {}
        """Why connections were cut off -> how many."""

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept."""
        for one in sockets:
            one.settimeout(0)
            self._accepting.append(asyncio.create_task(self._accept(one)))

    async def close(self, *, within_s: float) -> None:
        """Accept nothing more, let requests end, and cut off what takes longer."""
        for task in self._accepting:
            task.cancel()
        for connection in list(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._state.connections or self._tasks:  # noqa: ASYNC110 - uvicorn tells nobody
                    await asyncio.sleep(0.02)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._accepting, *self._tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as e:
                log.warning("cannot accept: %s", e.strerror)
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            caps = self._configuration.netblocks
            block = netblock(str(address[0]), ipv4_bits=caps.ipv4_bits, ipv6_bits=caps.ipv6_bits)
            if not self.caps.take(block):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection, block))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, block: str) -> None:
        """Begin TLS; from then on the protocol lives by itself."""
        api = self._configuration.api
        release = _once(lambda: self.caps.release(block))

        def protocol() -> GuardedProtocol:
            return GuardedProtocol(
                config=self._config,
                state=self._state,
                request_within_s=api.request_within_s,
                stalled_after_s=api.stalled_after_s,
                ended=release,
                cut=self._count_cut,
            )

        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                protocol,
                connection,
                ssl=self._certificates.context,
                ssl_handshake_timeout=api.request_within_s,
                ssl_shutdown_timeout=api.request_within_s,
            )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            self._count_cut("no TLS handshake")
            release()
        except BaseException:
            release()
            raise

    def _count_cut(self, reason: str) -> None:
        self.cut_counts[reason] = self.cut_counts.get(reason, 0) + 1


def _once(action: Callable[[], None]) -> Callable[[], None]:
    done = False

    def act() -> None:
        nonlocal done
        if not done:
            done = True
            action()

    return act
