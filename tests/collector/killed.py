"""An upload whose process kills itself at a certain call: `python -c` runs it for a test."""

import os
import signal
from pathlib import Path

import pytest

from collector.test_crashes import failing, send
from collector_parts import Clock, configuration, made


def main(folder: str, at: int) -> None:
    """Upload, and die without a handler at the call of a number.

    Args:
        folder: Where the collector keeps everything.
        at: Which of the calls that `failing` counts.
    """

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patched:
        failing(patched, at, die)
        send(made(configuration(Path(folder)), Clock()))
