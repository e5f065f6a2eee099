"""The common shape of boxes that return a SYN's own options in the SYN/ACK."""

from collections import OrderedDict
from collections.abc import Callable

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import Removal, appended, found, removed
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import MAX_CONNECTIONS, Scope
from mptcp_check.model import Direction


class OptionEchoer(SegmentRewriter):
    """Puts options of the newest SYN of a connection into its SYN/ACKs.

    What the SYN/ACK had of them is replaced.  Options for which the SYN/ACK has no room are not
    echoed.

    Args:
        scope: Which segments it looks at; both the SYN and the SYN/ACK must be among them.
        match: Which options are echoed.
        strip: How they are taken out of the SYN; none leaves them in.
    """

    def __init__(self, scope: Scope, match: Callable[[bytes], bool], strip: Removal | None) -> None:
        super().__init__(scope)
        self._match = match
        self._strip = strip
        self._echoes: OrderedDict[bytes, bytes] = OrderedDict()

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return a SYN without the options, a SYN/ACK with them, anything else as it is."""
        options = segment.options
        if segment.is_syn:
            self._remember(segment.connection, found(options, self._match))
            if self._strip is None:
                return segment.packet.frame
            return with_options(segment, removed(options, self._match, self._strip))
        echo = self._echoes.get(segment.connection, b"") if segment.is_syn_ack else b""
        if not echo:
            return segment.packet.frame
        without = removed(options, self._match, Removal.DELETE)
        with_echo = appended(without, echo)
        return with_options(segment, options if with_echo is without else with_echo)

    def _remember(self, connection: bytes, echo: bytes) -> None:
        self._echoes[connection] = echo
        self._echoes.move_to_end(connection)
        if len(self._echoes) > MAX_CONNECTIONS:
            self._echoes.popitem(last=False)
