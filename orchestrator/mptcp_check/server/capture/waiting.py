"""Connections of which nobody knows yet whose they are: bounded in number, bytes and time; PURE.

A flood of SYNs fills this, and nothing else: handshakes that were never completed go first, the
oldest of them before all.  A user's connection completes its own within a round trip.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import FlowKey

Drop = Callable[[FlowKey, Flow], None]


@dataclass(slots=True, kw_only=True)
class Waiting:
    """Bounds, and what waits within them."""

    hold_ns: int
    flows_max: int
    bytes_max: int
    bytes_held: int = 0
    shed_count: int = 0
    """Connections that were given up before their time because too much waited."""
    _silent: dict[Flow, FlowKey] = field(default_factory=dict)
    """Whose handshake is not complete, the oldest first."""
    _spoken: dict[Flow, FlowKey] = field(default_factory=dict)

    def add(self, key: FlowKey, flow: Flow) -> None:
        """Let a new connection wait."""
        self._silent[flow] = key

    def held(self, flow: Flow, size_bytes: int) -> None:
        """Count bytes that a waiting connection keeps."""
        if flow in self._silent or flow in self._spoken:
            self.bytes_held += size_bytes

    def spoke(self, flow: Flow) -> None:
        """Note that a connection's handshake is complete."""
        key = self._silent.pop(flow, None)
        if key is not None:
            self._spoken[flow] = key

    def remove(self, flow: Flow) -> None:
        """Forget a connection that is known now, or gone."""
        if self._silent.pop(flow, None) or self._spoken.pop(flow, None):
            self.bytes_held -= flow.held_bytes

    def flows(self) -> list[Flow]:
        """Return all that wait."""
        return [*self._silent, *self._spoken]

    def expire(self, now_ns: int, drop: Drop) -> None:
        """Drop what has waited for long enough."""
        for queue in (self._silent, self._spoken):
            late = []
            for flow, key in queue.items():
                # In the order of their beginning, but for those whose handshake took long.
                if queue is self._silent and flow.first_ns + self.hold_ns > now_ns:
                    break
                if flow.first_ns + self.hold_ns <= now_ns:
                    late.append((key, flow))
            for key, flow in late:
                self.remove(flow)
                drop(key, flow)

    def shed(self, drop: Drop) -> None:
        """Drop what is beyond the bounds."""
        while self._over():
            oldest = next(self._candidates(), None)
            if oldest is None:
                return
            flow, key = oldest
            self.remove(flow)
            drop(key, flow)
            self.shed_count += 1

    def _over(self) -> bool:
        count = len(self._silent) + len(self._spoken)
        return count > self.flows_max or self.bytes_held > self.bytes_max

    def _candidates(self) -> Iterator[tuple[Flow, FlowKey]]:
        yield from self._silent.items()
        yield from self._spoken.items()
