"""A TCP option other than MPTCP's says something else when it arrives.

Real boxes: proxies that tell their own maximum segment size or window scale; firewalls that
randomise sequence numbers and do not translate SACK blocks, which then name bytes never sent.

Linux 6.18: no consequence for MPTCP: by default the MSS is told as 8960, and a sender keeps to its
own interface's MTU (measured; RFC 9293, section 3.1).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import MAX_OPTIONS_BYTES, TcpSegment
from mptcp_check.middleboxes.options_edit import (
    MAXIMUM_SEGMENT_SIZE,
    MPTCP,
    altered,
    check_kinds,
    of_kind,
)
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_HEADER_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which option, and what it says then."""

    kind: int = MAXIMUM_SEGMENT_SIZE
    """Number of the option's kind; 30 has behaviours of its own."""
    value: bytes = b"\x23\x00"
    """Written over what the option says, behind kind and length, as far as both go."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_kinds(frozenset({self.kind}), besides=frozenset({MPTCP}))
        if not 1 <= len(self.value) <= MAX_OPTIONS_BYTES - _HEADER_BYTES:
            raise ValueError(f"value has 1 to 38 bytes, not {len(self.value)}")


DEFAULT = Parameters()


class TcpOptionAltered(SegmentRewriter):
    """Writes into every option of a kind."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._value = parameters.value
        self._match = of_kind(frozenset({parameters.kind}))

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment with the option altered, anything else as it is."""
        return with_options(segment, altered(segment.options, self._match, self._written))

    def _written(self, option: bytes) -> bytes:
        room = self._value[: len(option) - _HEADER_BYTES]
        return option[:_HEADER_BYTES] + room + option[_HEADER_BYTES + len(room) :]
