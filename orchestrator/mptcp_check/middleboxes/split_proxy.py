"""A proxy that ends two TCP connections and carries bytes from one to the other."""

from collections.abc import Iterator

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.tcp_end import Said, TcpEnd


class SplitProxy:
    """Answers who opens, then connects to who was addressed, then relays until both are done.

    Args:
        near: The end towards who opened.
        far: The end towards who was addressed.
    """

    def __init__(self, *, near: TcpEnd, far: TcpEnd) -> None:
        self._near = near
        self._far = far

    def on_segment(
        self, segment: TcpSegment, now_ns: int, *, from_opener: bool
    ) -> Iterator[tuple[Said, bool]]:
        """Take a segment and yield what is said, and whether to who opened the connection."""
        end = self._near if from_opener else self._far
        if from_opener and segment.is_syn and not end.opened:
            end.listen(segment, now_ns)
        else:
            end.on_segment(segment, now_ns)
        yield from self._relayed(now_ns)

    def next_due_ns(self) -> int | None:
        """Return when an end wants to act by itself."""
        due = [end.due_ns for end in (self._near, self._far) if end.due_ns is not None]
        return min(due, default=None)

    def on_time(self, now_ns: int) -> Iterator[tuple[Said, bool]]:
        """Let the ends act by themselves."""
        for end in (self._near, self._far):
            if end.due_ns is not None and end.due_ns <= now_ns:
                end.on_time(now_ns)
        yield from self._relayed(now_ns)

    def _relayed(self, now_ns: int) -> Iterator[tuple[Said, bool]]:
        """Carry over what can be, and yield what both ends say."""
        near, far = self._near, self._far
        if near.established and not far.opened and not near.reset:
            far.connect(now_ns)
        for source, sink in ((near, far), (far, near)):
            if source.reset and not sink.reset:
                sink.abort()
            if sink.reset or not sink.established:
                continue
            data = source.read(sink.room())
            if data:
                sink.write(data, now_ns)
            if source.closed_by_peer and not source.inbox:
                sink.close(now_ns)
        yield from ((said, True) for said in near.said())
        yield from ((said, False) for said in far.said())
