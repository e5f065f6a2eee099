"""Several behaviours one behind the other, and the frames that wait between them."""

import heapq
from collections.abc import Sequence

from mptcp_check.middleboxes.behaviour import Behaviour, Emission, Timed
from mptcp_check.model import Direction

MAX_WAITING_BYTES = 64 * 2**20
"""More than a second of a 500 Mbit/s path; above it a frame is dropped and counted."""

_STEP = {Direction.C2S: 1, Direction.S2C: -1}


class Chain:
    """A path through behaviours: from the client in their order, from the server in reverse.

    Frames move by their own times: what is due at 5 ms is given to the next behaviour as of 5 ms,
    however late `push` or `poll` comes.  So how often the owner polls changes nothing in what is
    emitted, only when it learns of it.  Frames due at the same time keep the order in which they
    were emitted.

    Args:
        behaviours: The boxes, the one nearest to the client first.
        max_waiting_bytes: How much may wait inside; what exceeds it is dropped.
    """

    def __init__(
        self, behaviours: Sequence[Behaviour], *, max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self.behaviours = tuple(behaviours)
        self.overflow_dropped_count = 0
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._waiting: list[tuple[int, int, int, bytes, Direction]] = []
        self._emitted_count = 0
        self._timed: tuple[tuple[int, Timed], ...] = tuple(
            (stage, box) for stage, box in enumerate(self.behaviours) if isinstance(box, Timed)
        )

    def push(self, frame: bytes, direction: Direction, now_ns: int) -> list[Emission]:
        """Take a frame from one end and return what leaves the chain up to now, oldest first.

        Args:
            frame: The frame; any bytes.
            direction: Which end it comes from: `Direction.C2S` from the client.
            now_ns: The time; never earlier than in the call before.
        """
        first = 0 if direction is Direction.C2S else len(self.behaviours) - 1
        self._wait(now_ns, first, frame, direction)
        return self.poll(now_ns)

    def poll(self, now_ns: int) -> list[Emission]:
        """Return what leaves the chain up to now, oldest first."""
        due: list[Emission] = []
        while True:
            timer = self._next_timer()
            last_ns = self._waiting[0][0] if self._waiting else now_ns
            if timer is not None and timer[0] <= min(last_ns, now_ns):
                at_ns, stage, box = timer
                self._move(stage, at_ns, box.on_time(at_ns))
            elif self._waiting and last_ns <= now_ns:
                at_ns, _, stage, frame, direction = heapq.heappop(self._waiting)
                self._waiting_bytes -= len(frame)
                if not 0 <= stage < len(self.behaviours):
                    due.append(Emission(frame=frame, direction=direction, at_ns=at_ns))
                    continue
                self._move(stage, at_ns, self.behaviours[stage].on_frame(frame, direction, at_ns))
            else:
                return due

    def next_due_ns(self) -> int | None:
        """Return when `poll` will have something to do, none if nothing waits."""
        timer = self._next_timer()
        times_ns = [self._waiting[0][0]] if self._waiting else []
        return min([*times_ns, timer[0]] if timer else times_ns, default=None)

    def discard(self) -> int:
        """Forget the frames that wait, return how many there were, and let no box act by itself."""
        self._timed = ()
        count = len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return count

    def _next_timer(self) -> tuple[int, int, Timed] | None:
        """Return when which stage wants to act by itself, the earliest; none if none does."""
        earliest: tuple[int, int, Timed] | None = None
        for stage, box in self._timed:
            at_ns = box.next_due_ns()
            if at_ns is not None and (earliest is None or at_ns < earliest[0]):
                earliest = at_ns, stage, box
        return earliest

    def _move(self, stage: int, at_ns: int, emissions: Sequence[Emission]) -> None:
        """Send on what a stage has emitted."""
        for emission in emissions:
            self._wait(
                max(emission.at_ns, at_ns),
                stage + _STEP[emission.direction],
                emission.frame,
                emission.direction,
            )

    def _wait(self, at_ns: int, stage: int, frame: bytes, direction: Direction) -> None:
        if self._waiting_bytes + len(frame) > self._max_waiting_bytes:
            self.overflow_dropped_count += 1
            return
        self._waiting_bytes += len(frame)
        # The running number keeps the order of equal times, and keeps frames from being compared.
        heapq.heappush(self._waiting, (at_ns, self._emitted_count, stage, frame, direction))
        self._emitted_count += 1
