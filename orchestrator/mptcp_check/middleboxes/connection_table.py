"""What a box remembers of each TCP connection: bounded, the one used least recently goes first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.scope import MAX_CONNECTIONS
from mptcp_check.model import FRAME_DIRECTIONS, Direction

State = TypeVar("State")
_NO_SYN = -1


class ConnectionTable(Generic[State]):
    """States by connection; a SYN with another sequence number begins a new one on the same ports.

    Args:
        make: Returns the state of a connection that was not seen before.
        size: How many connections are kept.
    """

    def __init__(self, make: Callable[[], State], *, size: int = MAX_CONNECTIONS) -> None:
        self._make = make
        self._size = size
        self._entries: OrderedDict[bytes, tuple[int, State]] = OrderedDict()

    def __len__(self) -> int:
        """How many connections are remembered."""
        return len(self._entries)

    def of(self, segment: TcpSegment) -> State:
        """Return the state of a segment's connection, a new one if there is none."""
        key = segment.connection
        entry = self._entries.get(key)
        if entry is None or (segment.is_syn and entry[0] != segment.sequence):
            entry = (segment.sequence if segment.is_syn else _NO_SYN, self._make())
            self._entries[key] = entry
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        self._entries.move_to_end(key)
        return entry[1]

    def get(self, key: bytes) -> State | None:
        """Return the state of a connection by `TcpSegment.connection`, none if it is forgotten."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def forget(self, key: bytes) -> None:
        """Forget a connection, if it is known."""
        self._entries.pop(key, None)


def of_streams(make: Callable[[], State]) -> ConnectionTable[dict[Direction, State]]:
    """Return a table of what is remembered of each of a connection's two streams.

    Args:
        make: Returns the state of a stream that has not begun.
    """
    return ConnectionTable(lambda: {direction: make() for direction in FRAME_DIRECTIONS})
