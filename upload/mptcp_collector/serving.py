"""From a configuration to a listening collector, until a signal ends it."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import uvicorn

from mptcp_check.errors import UsageError
from mptcp_collector import collector
from mptcp_collector.api import application
from mptcp_collector.configuration import Configuration
from mptcp_collector.connection import HEAD_MAX_BYTES, Connection
from mptcp_collector.jobs import sandbox, warming

TIDY_S: Final = 60.0
EXPORT_S: Final = 20.0
KEEP_S: Final = 3600.0
JUDGE_S: Final = 2.0
JOIN_S: Final = 5.0
BACKLOG: Final = 2048
THREADS: Final = 16
LISTENING: Final = "listening on port "
FINISH_S: Final = 20
SWITCH_S: Final = 0.0002

log = logging.getLogger(__name__)


def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT; requests that run may end.

    Raises:
        UsageError: A place, the database, a key or the port cannot be used.
        PreflightError: There can be no sandbox, and runs shall be judged.
    """
    os.umask(0o027)
    if configuration.analysis.enabled:
        sandbox.preflight()
    made = collector.make(configuration)
    app = application.make(made)
    beside: list[tuple[float, Callable[[], object]]] = [
        (TIDY_S, made.receiving.tidy),
        (EXPORT_S, made.exporting.write_again),
        (KEEP_S, made.keeping.tidy),
    ]
    if configuration.analysis.enabled:
        beside.append((JUDGE_S, made.judging.judge_received))
        beside.append((JOIN_S, made.joining.join_due))
    app.router.lifespan_context = _lifespan(beside, warm=configuration.analysis.enabled)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=configuration.forwarded_for,
        h11_max_incomplete_event_size=HEAD_MAX_BYTES,
        timeout_keep_alive=configuration.limits.idle_s,
        timeout_graceful_shutdown=FINISH_S,
    )
    try:
        with listening(configuration.listen_host, configuration.listen_port) as taken:
            _hasten()
            log.info("%s%d", LISTENING, taken.getsockname()[1])
            uvicorn.Server(config).run(sockets=[taken])
    finally:
        made.close()


def _hasten() -> None:
    """Set the interpreter up for threads that mostly are in the kernel or hash."""
    # what there is now stays: looking through all of it for garbage was 3 % of an upload's time
    gc.collect()
    gc.freeze()
    # who comes back with a hashed megabyte waits so long for a thread that computes (default 5 ms)
    sys.setswitchinterval(SWITCH_S)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that clients can connect to from now on: they wait for the application.

    Raises:
        UsageError: It cannot be listened there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as e:
        reason = (e.strerror or str(e)).lower()
        raise UsageError(f"{host}, port {port} cannot be listened on: {reason}") from None
    # asyncio does that for sockets that it makes itself; without, an answer's second segment waits
    # 40 ms for the delayed acknowledgement of its first (RFC 896). Connections inherit it.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _lifespan(beside: Sequence[tuple[float, Callable[[], object]]], *, warm: bool) -> Any:  # noqa: ANN401 - the framework's own type
    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        # they wait for the disk more than they work, but many that work only cost each other
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        tasks = [asyncio.create_task(_repeat(every_s, one)) for every_s, one in beside]
        if warm:
            tasks.append(asyncio.create_task(_warm()))
        yield
        for task in tasks:
            task.cancel()

    return lifespan


async def _warm() -> None:
    """Have machine code made that the sandbox could not keep; without, judging takes longer."""
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *warming.COMMAND, stdin=nothing, stdout=nothing, stderr=nothing
        )
    except OSError as e:
        log.warning("machine code for judging is not made beforehand: %s", e)
        return
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _repeat(every_s: float, one: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(one)
        except Exception:
            log.exception("it is tried again in %.0f s", every_s)
