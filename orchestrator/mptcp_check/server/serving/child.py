"""The other services as children of the interface's process, for servers without systemd."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from mptcp_check import clock

RESTART_S: Final = 1.0
RESTART_MOST_S: Final = 60.0
"""A child that ends at once again and again is given time."""
END_S: Final = 10.0

log = logging.getLogger(__name__)


async def keep_running(command: str, configuration: Path) -> None:
    """Start another command of `mptcp-check server`, and again whenever it ends.

    Cancelled, it ends the child and waits for it.

    Args:
        command: Such as ``capture``.
        configuration: The file that both read.
    """
    # It leaves when we are gone, however we went: see `cli.server`.
    words = ["server", command, "--config", str(configuration), "--parent", str(os.getpid())]
    entry = "from mptcp_check.cli.main import main; main()"
    pause_s = RESTART_S
    while True:
        began_ns = clock.monotonic_ns()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", entry, *words, start_new_session=True
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), END_S)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            raise
        log.error("`server %s` ended with code %d; it is started again", command, code)
        lived_s = (clock.monotonic_ns() - began_ns) / 1e9
        pause_s = RESTART_S if lived_s > RESTART_MOST_S else min(2 * pause_s, RESTART_MOST_S)
        await asyncio.sleep(pause_s)
