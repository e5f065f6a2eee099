"""What the sockets say while an exchange runs: ss over MPTCP and TCP, a few times a second."""

import threading
from typing import Self

from mptcp_guest import clock, messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

LIMIT_CHARACTERS = 512 * 1024
"""Per exchange: 20 s at five a second hold about 100 samples of 2 to 5 KiB."""

COMMAND = ["ss", "-HOMtnie"]
"""One line per socket, MPTCP and TCP, with what the kernel knows: one process for both."""


class Sampler:
    """Samples in a thread of its own, so that it does not delay the clock of the exchange."""

    def __init__(self, lab: Lab, every_ms: int) -> None:
        self._lab = lab
        self._every_ms = every_ms
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[messages.TimedText] = []
        self.lost_count = 0

    def __enter__(self) -> Self:
        if self._every_ms > 0:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._every_ms > 0:
            self._thread.join()

    def _run(self) -> None:
        size = 0
        wait_s = self._every_ms / 1000 / 4  # a short exchange has its sample too
        while not self._done.wait(wait_s):
            wait_s = self._every_ms / 1000
            time_ns = clock.wall_ns()
            try:
                done = self._lab.run(self._lab.inside(COMMAND), Deadline.after(2))
            except RefusalError:
                self.lost_count += 1
                continue
            text = squeezed(done.stdout.decode(errors="replace"))
            size += len(text)
            if done.returncode != 0 or size > LIMIT_CHARACTERS:
                self.lost_count += 1
            else:
                self.samples.append(messages.TimedText(time_ns=time_ns, text=text))


def squeezed(text: str) -> str:
    """Return what ss wrote without its columns' padding, which is most of it; PURE."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
