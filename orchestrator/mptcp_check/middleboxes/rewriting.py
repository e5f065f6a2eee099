"""The common shape of boxes that change or drop single TCP segments and never delay them."""

import abc
from collections.abc import Sequence

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.frame import TcpSegment, rebuilt, tcp_segment
from mptcp_check.middleboxes.options_edit import Removal, mptcp, removed
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction


class SegmentRewriter(abc.ABC):
    """A behaviour that decides about each TCP segment by itself.

    Args:
        scope: Which segments `rewritten` is asked about; the others pass.
    """

    def __init__(self, scope: Scope) -> None:
        self._watch = scope.watch()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were altered or dropped."""
        return self._acted_count

    @abc.abstractmethod
    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:
        """Return the frame to send instead, the same object to let it pass, none to drop it."""

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass, alter or drop one frame; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        after: bytes | None = frame
        if segment is not None and self._watch.covers(segment, direction):
            after = self.rewritten(segment, direction)
            self._acted_count += after is not frame
        if after is None:
            return ()
        return (Emission(frame=after, direction=direction, at_ns=now_ns),)


def with_options(segment: TcpSegment, options: bytes) -> bytes:
    """Return the frame with other options, or the same object if they are the same object.

    It comes back as well if the packet would be too long for IP.
    """
    if options == segment.options:
        return segment.packet.frame
    try:
        return rebuilt(segment, options=options)
    except ValueError:
        return segment.packet.frame


def without_mptcp_option(segment: TcpSegment, subtype: int, removal: Removal) -> bytes:
    """Return the frame without the segment's MPTCP options of a subtype.

    The same object comes back if it has none of them.
    """
    return with_options(segment, removed(segment.options, mptcp(subtype), removal))
