"""Which bytes of a stream a box has seen: all up to a number, and some islands behind holes."""

from mptcp_check.middleboxes.sequence import unwrapped

MAX_ISLANDS = 64


class SeenBytes:
    """Sequence numbers of one direction, in numbers that do not wrap."""

    def __init__(self) -> None:
        self.next: int | None = None
        """The first number that was not seen; none before anything was."""
        self._islands: list[tuple[int, int]] = []

    def position(self, sequence: int) -> int:
        """Return the number that does not wrap of one from a header."""
        return sequence if self.next is None else unwrapped(sequence, self.next)

    def add(self, sequence: int, size: int) -> None:
        """Remember some numbers; the first ones ever are where counting begins."""
        if self.next is None:
            self.next = sequence
        start = self.position(sequence)
        self._islands = sorted((*self._islands, (start, start + size)))
        while self._islands and self._islands[0][0] <= self.next:
            self.next = max(self.next, self._islands.pop(0)[1])
        del self._islands[MAX_ISLANDS:]
