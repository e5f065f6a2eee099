"""The carrier: one thread moves frames between pairs of ports, through a chain for each pair.

Ports do the input and output (`stream_port` for QEMU, `packet_port` for network interfaces), the
chain decides what becomes of a frame, and this module owns the loop, the timers and the thread.
All state is touched by the thread only: `Forwarder.ask` runs a function inside it, so a snapshot
is consistent and a freeze is complete when the call returns.  A thread that fails keeps its error
and every later call raises it: it is never silently dead.
"""

import contextlib
import queue
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mptcp_check.errors import MachineError
from mptcp_check.machines.interruption import Interruption
from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Direction

_NS_PER_S = 10**9
_ANSWER_TIMEOUT_S = 10.0
_JOIN_TIMEOUT_S = 10.0
_DRAIN_BYTES = 4096

Answer = TypeVar("Answer")


class Port(Protocol):
    """One end of a link.  No call blocks; trouble of the peer is kept as state, never raised."""

    def watched(self) -> tuple[socket.socket, int] | None:
        """Return the socket to watch and the `selectors` events, none if there is nothing."""
        ...

    def receive(self) -> Sequence[bytes]:
        """Return the frames that have arrived whole; called when the socket can be read."""
        ...

    def enqueue(self, frame: bytes) -> None:
        """Take a frame for the peer, or drop and count it if too much waits already."""
        ...

    def flush(self) -> None:
        """Write what waits, as far as the socket takes it."""
        ...

    def close(self) -> None:
        """Close the sockets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPair:
    """Two ports and the chain between them: one link."""

    client: Port
    server: Port
    chain: Chain


class Forwarder:
    """Runs the links in one thread until it is stopped.

    Args:
        links: The pairs of ports; they belong to the thread from `start` on.
        clock: Nanoseconds that never go back, `mptcp_check.clock.monotonic_ns` outside tests.
        name: Of the thread, for error messages.
    """

    def __init__(self, links: Sequence[PortPair], *, clock: Callable[[], int], name: str) -> None:
        self._links = tuple(links)
        self._clock = clock
        self._name = name
        self._failure: Exception | None = None
        self._stopping = False
        self._stopped = False
        self._frozen = False
        self._frozen_dropped_count = 0
        self._interruption: Interruption | None = None
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.settimeout(0)
        self._wake_out.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._watching: dict[int, tuple[socket.socket, int]] = {}
        self._ports = [
            (link, direction, port)
            for link in self._links
            for direction, port in ((Direction.C2S, link.client), (Direction.S2C, link.server))
        ]
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Run a function in the thread, between two rounds of the loop, and return its answer.

        After `stop` there is no thread to disturb, and it runs in the caller's.

        Raises:
            MachineError: The thread has failed, was not started, or does not answer.
        """
        if self._stopped:
            return question()
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._asked.put(lambda: answers.put(question()))
        self._wake()
        # A thread that dies between the check and the wait leaves the queue empty: look again.
        for _ in range(int(_ANSWER_TIMEOUT_S * 10)):
            self.check()
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=0.1)
        raise MachineError(f"{self._name} did not answer within {_ANSWER_TIMEOUT_S:.0f} s")

    def check(self) -> None:
        """Raise what made the thread fail.

        Raises:
            MachineError: The thread has failed or is not running.
        """
        if self._failure is not None:
            raise MachineError(
                f"{self._name} failed: {self._failure!r}",
                hint="this is a bug of the program: please report it with this line",
            ) from self._failure
        if not self._thread.is_alive():
            raise MachineError(f"{self._name} is not running")

    def freeze(self) -> None:
        """Deliver nothing more; frames that arrive are still read, counted and recorded."""
        self.ask(self._freeze)

    def interrupt(self, interruption: Interruption | None) -> None:
        """Let a link lose its frames as it says; none lets everything pass again."""

        def arm() -> None:
            self._interruption = interruption

        self.ask(arm)

    def frozen_dropped_count(self) -> int:
        """How many frames were not delivered because of a freeze."""
        return self._frozen_dropped_count

    def stop(self) -> None:
        """End the thread and close every socket; a second call does nothing.

        Raises:
            MachineError: The thread had failed before, or does not end.
        """
        self._stopping = True
        if self._thread.ident is not None:
            self._wake()
            self._thread.join(_JOIN_TIMEOUT_S)
            if self._thread.is_alive():
                raise MachineError(f"{self._name} does not stop")
        self._close()
        if self._failure is not None:
            raise MachineError(f"{self._name} failed: {self._failure!r}") from self._failure
        self._stopped = True

    def _run(self) -> None:
        try:
            self._selector.register(self._wake_out, selectors.EVENT_READ)
            while not self._stopping:
                self._round()
        except Exception as error:  # noqa: BLE001 - kept for the owner, whose next call raises it
            self._failure = error

    def _round(self) -> None:
        """Wait for something to do and do all of it once."""
        self._watch()
        for key, events in self._selector.select(self._timeout_s()):
            if key.data is None:
                self._answer()
            elif events & selectors.EVENT_READ:
                link, direction, port = key.data
                self._forward(link, direction, port.receive())
        now_ns = self._clock()
        for link in self._links:
            self._deliver(link, link.chain.poll(now_ns))
        for _, _, port in self._ports:
            port.flush()

    def _forward(self, link: PortPair, direction: Direction, frames: Sequence[bytes]) -> None:
        now_ns = self._clock()
        armed, number = self._interruption, 0 if self._interruption is None else self._number(link)
        for frame in frames:
            if self._frozen:
                self._frozen_dropped_count += 1
            elif armed is None or not armed.loses(number, frame, now_ns):
                self._deliver(link, link.chain.push(frame, direction, now_ns))

    def _number(self, link: PortPair) -> int:
        return next(number for number, one in enumerate(self._links) if one is link)

    @staticmethod
    def _deliver(link: PortPair, emissions: Sequence[Emission]) -> None:
        for emission in emissions:
            port = link.server if emission.direction is Direction.C2S else link.client
            port.enqueue(emission.frame)

    def _watch(self) -> None:
        """Tell the selector what each port wants to know now."""
        changed = [
            (index, link, direction, port, wanted)
            for index, (link, direction, port) in enumerate(self._ports)
            if (wanted := port.watched()) != self._watching.get(index)
        ]
        # Every removal first: a new socket may have got the number of one that was closed.
        for index, *_ in changed:
            if index in self._watching:
                self._selector.unregister(self._watching.pop(index)[0])
        for index, link, direction, port, wanted in changed:
            if wanted is not None:
                self._selector.register(*wanted, data=(link, direction, port))
                self._watching[index] = wanted

    def _timeout_s(self) -> float | None:
        due = [at for link in self._links if (at := link.chain.next_due_ns()) is not None]
        return max(0, min(due) - self._clock()) / _NS_PER_S if due else None

    def _freeze(self) -> None:
        self._frozen = True
        self._frozen_dropped_count += sum(link.chain.discard() for link in self._links)

    def _wake(self) -> None:
        # A full pipe is a wake-up that is still unread; a closed one has nobody to wake.
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_in.send(b"\0")

    def _answer(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(_DRAIN_BYTES)
        with contextlib.suppress(queue.Empty):
            while True:
                self._asked.get_nowait()()

    def _close(self) -> None:
        self._selector.close()
        for _, _, port in self._ports:
            port.close()
        self._wake_in.close()
        self._wake_out.close()
