"""The times at which a box wants to act by itself, one per key."""

import heapq


class Timers:
    """A set of alarms; setting one again moves it."""

    def __init__(self) -> None:
        self._due_ns: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def set(self, key: bytes, at_ns: int) -> None:
        """Ring for a key at a time, and no longer when it was to ring before."""
        if self._due_ns.get(key) != at_ns:
            self._due_ns[key] = at_ns
            heapq.heappush(self._heap, (at_ns, key))

    def is_set(self, key: bytes) -> bool:
        """Say whether an alarm is set for a key."""
        return key in self._due_ns

    def cancel(self, key: bytes) -> None:
        """Ring no more for a key."""
        self._due_ns.pop(key, None)

    def next_due_ns(self) -> int | None:
        """Return when the next alarm rings, none if none is set."""
        while self._heap and self._due_ns.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int) -> list[bytes]:
        """Return the keys whose alarms have rung up to now, and forget them."""
        keys: list[bytes] = []
        while (at_ns := self.next_due_ns()) is not None and at_ns <= now_ns:
            _, key = heapq.heappop(self._heap)
            del self._due_ns[key]
            keys.append(key)
        return keys
