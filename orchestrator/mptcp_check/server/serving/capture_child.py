"""The capture service as a child of the interface's process, for servers without systemd."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

RESTART_S: Final = 1.0
END_S: Final = 10.0

log = logging.getLogger(__name__)


async def keep_running(configuration: Path) -> None:
    """Start the capture service, and again whenever it ends; cancelled, end it and wait.

    Args:
        configuration: The file that both read.
    """
    # It leaves when we are gone, however we went: see `cli.server`.
    words = ["server", "capture", "--config", str(configuration), "--parent", str(os.getpid())]
    entry = "from mptcp_check.cli.main import main; main()"
    while True:
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
        log.error("the capture service ended with code %d; it is started again", code)
        await asyncio.sleep(RESTART_S)
