"""Cut a segment into several that carry the same bytes."""

from collections.abc import Callable, Iterator

from mptcp_check.middleboxes.frame import FIN, PSH, TcpSegment
from mptcp_check.middleboxes.tcp_header import edited


def pieces(
    segment: TcpSegment,
    payload: bytes,
    limit_bytes: int,
    *,
    options: Callable[[int, int], bytes] | None = None,
) -> Iterator[bytes]:
    """Yield frames that carry a payload in pieces, FIN and PSH on the last one only.

    Args:
        segment: Whose header they get; the first piece has its sequence number.
        payload: What they carry together.
        limit_bytes: How long a piece may be, at least 1.
        options: Is given a piece's number from 0 and how many there are, and returns its options;
            none copies the segment's.
    """
    count = max(1, -(-len(payload) // limit_bytes))
    for number in range(count):
        at = number * limit_bytes
        last = number == count - 1
        yield edited(
            segment,
            sequence=segment.sequence + at,
            flags=segment.flags if last else segment.flags & ~(FIN | PSH),
            options=None if options is None else options(number, count),
            payload=payload[at : at + limit_bytes],
        )
