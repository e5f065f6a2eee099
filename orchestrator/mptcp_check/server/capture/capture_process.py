"""The capture service: one process with CAP_NET_RAW that never speaks to the network.

It waits for the ring and for the interface's process at once.  A stop is answered after the ring
was emptied of what was on its way: what arrived before the stop is in the file, and what arrived
before a question for handshakes is counted.  So is what arrived before the service itself was
told to end, as by an upgrade.
"""

import contextlib
import selectors
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Decoder
from mptcp_check.analysis.capture.ring_block import frames
from mptcp_check.server.capture import control
from mptcp_check.server.capture.packet_ring import RETIRE_MS, PacketRing
from mptcp_check.server.capture.recorder import Recorder
from mptcp_check.server.capture.session_file import LINK_TYPE_RAW
from mptcp_check.server.capture.summary import Summary
from mptcp_check.server.line_protocol import LONGEST_LINE, line, parse
from mptcp_check.server.problem import ProblemError

_SETTLE_NS: Final = 4 * RETIRE_MS * 10**6
"""After that time a block that was begun before a stop has been handed over."""

_TIDY_NS: Final = 500 * 10**6
_WAIT_S: Final = 0.05
_SETTLED: Final = ("stop", "handshakes")
"""Answered once all that arrived before the question was looked at."""
MOST_CONNECTIONS: Final = 256
"""The interface asks from some forty threads at once, and a stop takes its time."""


@dataclass(slots=True, eq=False)
class _Caller:
    connection: socket.socket
    unread: bytes = b""
    pending: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """What `_SETTLED` lists, and when it is answered."""


class CaptureProcess:
    """Serves until it is told to end.

    Args:
        ring: Where packets come from.
        recorder: Where they go.
        listening: Where the interface's process comes to.
        monotonic_ns: Reads the clock that never goes back.
        orphaned: Says that it is time to end.
    """

    def __init__(
        self,
        ring: PacketRing,
        recorder: Recorder,
        listening: socket.socket,
        monotonic_ns: Callable[[], int],
        *,
        orphaned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ring = ring
        self._recorder = recorder
        self._listening = listening
        self._monotonic_ns = monotonic_ns
        self._decoder = Decoder()
        self._link_types = np.full(2, LINK_TYPE_RAW, dtype=np.int64)
        self._selector = selectors.DefaultSelector()
        self._callers: dict[int, _Caller] = {}
        self._tidied_ns = monotonic_ns()
        self._orphaned = orphaned
        self.ending = False

    def serve(self) -> None:
        """Serve until `ending` is set."""
        self._listening.setblocking(False)  # noqa: FBT003 - its only argument
        self._selector.register(self._ring, selectors.EVENT_READ)
        self._selector.register(self._listening, selectors.EVENT_READ)
        try:
            while not self.ending:
                self._round()
            self._settle()
        finally:
            self._read_ring()
            self._recorder.close()
            for caller in list(self._callers.values()):
                self._drop(caller)
            self._selector.close()
            self._ring.close()

    def _round(self) -> None:
        events = self._selector.select(_WAIT_S)
        self._read_ring()
        for key, _ in events:
            if key.fileobj is self._listening:
                self._accept()
            elif key.fd in self._callers:
                self._hear(self._callers[key.fd])
        now_ns = self._monotonic_ns()
        for caller in list(self._callers.values()):
            self._answer_settled(caller, now_ns)
        if now_ns - self._tidied_ns >= _TIDY_NS:
            self._tidied_ns = now_ns
            self._ring.count_drops()
            self._recorder.tidy()
            self._recorder.beat()
            self.ending = self.ending or self._orphaned()

    def _settle(self) -> None:
        """Hear nobody any more, and read on until blocks that were begun are handed over."""
        self._selector.unregister(self._listening)
        for caller in list(self._callers.values()):
            self._drop(caller)
        until_ns = self._monotonic_ns() + _SETTLE_NS
        while self._monotonic_ns() < until_ns:
            self._selector.select(_WAIT_S)
            self._read_ring()

    def _read_ring(self) -> None:
        for block in self._ring.filled():
            if self._recorder.demultiplexer.idle:
                continue  # nobody asks: not even headers are looked at
            records = frames(block)
            if len(records.offset):
                packets = self._decoder.decode(block, records, self._link_types)
                self._recorder.take(packets, records)

    # ---------------------------------------------------------------------------- callers

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listening.accept()
            connection.setblocking(False)  # noqa: FBT003 - its only argument
            if len(self._callers) >= MOST_CONNECTIONS:
                connection.close()
                return
            caller = _Caller(connection)
            self._callers[connection.fileno()] = caller
            self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, caller: _Caller) -> None:
        try:
            octets = caller.connection.recv(LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        *lines, caller.unread = (caller.unread + octets).split(b"\n")
        if not octets or len(caller.unread) > LONGEST_LINE:
            self._drop(caller)
            return
        for one in lines:
            self._obey(caller, parse(one))

    def _obey(self, caller: _Caller, document: dict[str, Any]) -> None:
        if document.get("verb") in _SETTLED:
            caller.pending.append((self._monotonic_ns() + _SETTLE_NS, document))
            return
        self._say(caller, self._answered(document))

    def _answer_settled(self, caller: _Caller, now_ns: int) -> None:
        due = [document for at_ns, document in caller.pending if at_ns <= now_ns]
        if not due:
            return
        caller.pending = [one for one in caller.pending if one[0] > now_ns]
        self._ring.count_drops()
        for document in due:
            self._say(caller, self._answered(document))

    def _answered(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"answer": self._answer(document)}
        except ProblemError as e:
            return {"problem": e.problem.name}
        except (KeyError, TypeError, ValueError):
            return {"problem": "internal"}

    def _answer(self, document: dict[str, Any]) -> object:
        verbs: dict[str, Callable[[dict[str, Any]], object]] = {
            "ready": lambda _: True,
            "counts": lambda _: self._counts(),
            "start": lambda asked: self._recorder.start(control.order(asked["order"])).document(),
            "stop": self._stop,
            "handshakes": lambda asked: asdict(
                self._recorder.handshakes(control.session_id(asked))
            ),
            "summary": lambda asked: _document(self._recorder.summary(control.session_id(asked))),
            "claim": lambda asked: self._recorder.claim(
                control.session_id(asked), control.claims(asked["claims"])
            ),
            "forget": lambda asked: self._recorder.forget(control.session_id(asked)),
        }
        return verbs[document["verb"]](document)

    def _stop(self, asked: dict[str, Any]) -> object:
        return _document(self._recorder.stop(control.session_id(asked), str(asked["because"])))

    def _counts(self) -> dict[str, int]:
        demultiplexer = self._recorder.demultiplexer
        return {
            "running": self._recorder.running_count,
            "flows": demultiplexer.flow_count,
            "waiting_bytes": demultiplexer.waiting.bytes_held,
            "shed": demultiplexer.waiting.shed_count,
            "ring_dropped": self._ring.dropped_count,
        }

    def _say(self, caller: _Caller, document: dict[str, Any]) -> None:
        try:
            caller.connection.sendall(line(document))
        except OSError:  # gone, or it does not read: nothing here waits for anyone
            self._drop(caller)

    def _drop(self, caller: _Caller) -> None:
        descriptor = caller.connection.fileno()
        if descriptor in self._callers:
            del self._callers[descriptor]
            self._selector.unregister(caller.connection)
            caller.connection.close()


def _document(summary: Summary | None) -> dict[str, Any] | None:
    return None if summary is None else summary.document()
