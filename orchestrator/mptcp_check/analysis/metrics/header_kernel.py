"""What a TCP header offers and announces: SYN options, SACK blocks, windows; compiled."""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import be16, be32, byte, kernel
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.metrics.mapping_kernel import signed_32
from mptcp_check.analysis.metrics.state_tables import OFFERS_SACK, OFFERS_STAMPS, UNKNOWN

SYN: Final = int(Flag.SYN)

SACK_BLOCK_BYTES: Final = 8
LARGEST_SHIFT: Final = 14
"""RFC 7323, section 2.3."""


@kernel
def read_syn(buffer: Any, at: int, end: int, one: Any) -> None:  # noqa: ANN401 - a kernel
    """Take from a SYN's options what it offers: RFC 9293, section 3.2."""
    while at < end:
        kind = byte(buffer, at)
        if kind == 0:
            return
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end:
            return
        length = byte(buffer, at + 1)
        if length < 2 or at + length > end:  # noqa: PLR2004 - kind and length themselves
            return
        if kind == 2 and length == 4:  # noqa: PLR2004 - maximum segment size
            one.mss = be16(buffer, at + 2)
        elif kind == 3 and length == 3:  # noqa: PLR2004 - window scale
            one.scale = byte(buffer, at + 2)
        elif kind == 4:  # noqa: PLR2004 - SACK permitted
            one.offers |= OFFERS_SACK
        elif kind == 8:  # noqa: PLR2004 - timestamps
            one.offers |= OFFERS_STAMPS
        at += length


@kernel
def read_sack(buffer: Any, at: int, end: int, ack: int, one: Any) -> None:  # noqa: ANN401 - a kernel
    """Count a segment's SACK blocks, and whether the first is a D-SACK.

    RFC 2018, section 3; RFC 2883, section 4: it reports what came twice, so it lies below the
    acknowledgement or in the second block.
    """
    while at + 1 < end:
        kind = byte(buffer, at)
        if kind == 0:
            return
        if kind == 1:
            at += 1
            continue
        length = byte(buffer, at + 1)
        if length < 2 or at + length > end:  # noqa: PLR2004 - kind and length themselves
            return
        if kind == 5:  # noqa: PLR2004 - SACK
            blocks = (length - 2) // SACK_BLOCK_BYTES
            one.sack_blocks_max = max(one.sack_blocks_max, blocks)
            if blocks == 0:
                return
            left, right = be32(buffer, at + 2), be32(buffer, at + 6)
            inside = False
            if blocks > 1:
                after, before = be32(buffer, at + 10), be32(buffer, at + 14)
                inside = signed_32(left - after) >= 0 and signed_32(before - right) >= 0
            if inside or signed_32(left - ack) < 0:
                one.dsacks += 1
            return
        at += length


@kernel
def see_window(one: Any, other: Any, window: int, flags: int, now_ns: int) -> None:  # noqa: ANN401 - a kernel
    """Count an announced window; it is scaled where both SYNs offered that, and in no SYN."""
    scaled = window
    if not flags & SYN and one.scale >= 0 and other.scale >= 0:
        scaled = window << min(one.scale, LARGEST_SHIFT)
    if not flags & SYN:
        one.window_max = max(one.window_max, scaled)
        one.windows += 1
        one.window_sum += scaled
        if one.window_min == UNKNOWN or scaled < one.window_min:
            one.window_min = scaled
    if window == 0:
        one.zero_windows += 1
        if one.zero_since_ns == UNKNOWN:
            one.zero_since_ns = now_ns
    elif one.zero_since_ns != UNKNOWN:
        one.zero_window_ns += now_ns - one.zero_since_ns
        one.zero_since_ns = UNKNOWN
