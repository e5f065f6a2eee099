"""The interface's process from its configuration to its end.

Signals: SIGTERM and SIGINT end it after the requests that run; sessions stay and the next start
goes on with them.  SIGHUP reads certificates again.  The file ``lame-duck`` in the state folder,
which `mptcp-check server drain` makes, stops new sessions while it is there.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from uvicorn.config import Config

from mptcp_check import clock
from mptcp_check.errors import MptcpCheckError
from mptcp_check.server import kernel_counters, signing_key
from mptcp_check.server.address_log import AddressLog
from mptcp_check.server.api import application
from mptcp_check.server.api.stations import HEAD_BYTES
from mptcp_check.server.capture.remote_captures import RemoteCaptures
from mptcp_check.server.configuration import Configuration, Listen
from mptcp_check.server.services.remote_services import RemoteServices
from mptcp_check.server.serving import child, metrics_server, sockets
from mptcp_check.server.serving.caps import ConnectionCaps
from mptcp_check.server.serving.door import Door
from mptcp_check.server.serving.measures import Measures
from mptcp_check.server.serving.tls import Certificates
from mptcp_check.server.sessions import Sessions
from mptcp_check.server.store import Store

LAME_DUCK: Final = "lame-duck"
ADDRESSES: Final = "addresses"
TICK_S: Final = 1.0
_FINISH_S: Final = 15.0

log = logging.getLogger(__name__)


def run(configuration: Configuration, *, configuration_path: Path) -> None:
    """Serve until a signal ends it.

    Args:
        configuration: What the file says.
        configuration_path: The file, which a capture service of ours reads too.

    Raises:
        UsageError: Keys, certificates, places or the database cannot be used.
    """
    os.umask(0o027)
    configuration.server.state.mkdir(mode=0o750, parents=True, exist_ok=True)
    key = signing_key.load(configuration.tickets.signing_key)
    certificates = Certificates(configuration.api.certificate, configuration.api.private_key)
    listening = sockets.passed(os.environ, os.getpid()) or sockets.opened(configuration.api.listen)
    place = configuration.metrics.listen
    measured = sockets.opened([place]) if place else []
    store = Store(configuration.database)
    captures = RemoteCaptures(configuration.capture.control, configuration.captures)
    sessions = Sessions(
        configuration=configuration,
        store=store,
        captures=captures,
        services=RemoteServices(configuration.services.control),
        key=key,
        wall_ns=clock.wall_ns,
        random_bytes=secrets.token_bytes,
        read_counters=kernel_counters.read,
        address_log=address_log(configuration),
        lame_duck=(configuration.server.state / LAME_DUCK).exists,
    )
    try:
        asyncio.run(_serve(sessions, certificates, listening, measured, configuration_path))
    finally:
        store.close()


def address_log(configuration: Configuration) -> AddressLog:
    """Return the log that a configuration asks for."""
    return AddressLog(
        folder=configuration.server.state / ADDRESSES,
        full_addresses_s=configuration.log.full_addresses_s,
        ipv4_bits=configuration.netblocks.ipv4_bits,
        ipv6_bits=configuration.netblocks.ipv6_bits,
    )


def uvicorn_config(sessions: Sessions) -> Config:
    """Return what uvicorn's protocol needs to know."""
    config = Config(
        application.make(sessions),
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody's word is taken for an address
        server_header=False,
        date_header=False,
        timeout_keep_alive=sessions.configuration.api.request_within_s,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    config.load()
    return config


async def _serve(
    sessions: Sessions,
    certificates: Certificates,
    listening: Sequence[socket.socket],
    measured: list[socket.socket],
    configuration_path: Path,
) -> None:
    api = sessions.configuration.api
    caps = ConnectionCaps(all_max=api.connections_max, netblock_max=api.connections_per_netblock)
    door = Door(sessions.configuration, uvicorn_config(sessions), certificates, caps)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, ending.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, certificates)
    servers = await metrics_server.serve(measured, Measures(sessions, door, certificates).text)
    door.open(listening)
    log.info("listening on %s", ", ".join(_name(one) for one in listening))
    beside = [asyncio.create_task(_tick(sessions))]
    children = {
        "capture": sessions.configuration.capture.run,
        "services": sessions.configuration.services.run,
    }
    beside += [
        asyncio.create_task(child.keep_running(command, configuration_path))
        for command, run_by in children.items()
        if run_by == "child"
    ]
    await ending.wait()
    log.info("ending: %d sessions stay for the next start", sessions.store.open_count())
    await door.close(within_s=_FINISH_S)
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    for server in servers:
        server.close()


async def _tick(sessions: Sessions) -> None:
    while True:
        try:
            await asyncio.to_thread(sessions.tidy)
        except Exception:
            log.exception("tidying failed; it is tried again")
        await asyncio.sleep(TICK_S)


def _reload(certificates: Certificates) -> None:
    try:
        certificates.reload()
    except MptcpCheckError as e:
        log.error("%s; the former certificate stays", e.message)  # noqa: TRY400 - it says it all
    else:
        log.info("the certificate was read again")


def _name(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return str(Listen(host=host, port=port))
