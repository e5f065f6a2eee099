"""What the kernel's path manager tells: the lines of ``ip mptcp monitor``, with their times."""

import subprocess
import threading
from collections import deque
from subprocess import Popen
from typing import IO

from mptcp_guest import clock, messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError

MEMORY_LINES = 20_000


class Monitor:
    """Listens from the lab's start to its end."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._child: Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._events: deque[messages.TimedText] = deque(maxlen=MEMORY_LINES)
        self._seen_count = 0

    def start(self) -> None:
        """Begin to listen.

        Raises:
            RefusalError: There is no lab, or ip cannot be started.
        """
        self._events.clear()
        self._seen_count = 0
        child = self._lab.start(
            self._lab.inside(["ip", "mptcp", "monitor"]), stdout=subprocess.PIPE
        )
        self._child = child
        if child.stdout is not None:
            self._reader = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
            self._reader.start()

    def events(self, arguments: messages.MonitorArguments) -> messages.MonitorResult:
        """Return what came since then.

        Raises:
            RefusalError: Nothing listens, or not any more.
        """
        if self._child is None:
            raise RefusalError("bad_arguments", "there is no lab yet: lab_up first")
        if self._child.poll() is not None:
            raise RefusalError("failed", f"ip mptcp monitor ended: {self._child.returncode}")
        kept = list(self._events)
        return messages.MonitorResult(
            events=[event for event in kept if event["time_ns"] >= arguments["since_ns"]],
            lost_count=self._seen_count - len(kept),
        )

    def end(self) -> None:
        """Stop listening; what came stays."""
        if self._child is not None:
            self._lab.end(self._child)
            if self._reader is not None:
                self._reader.join(1)
            self._child = None

    def _read(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip("\n")
                self._events.append(messages.TimedText(time_ns=clock.wall_ns(), text=text))
                self._seen_count += 1
