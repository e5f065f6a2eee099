"""Read and rewrite single fields of a TCP header, SACK blocks among them; checksums stay as right.

RFC 9293, section 3.1, has the header; RFC 2018 and RFC 2883 have SACK and D-SACK, RFC 7323 the
window scale and the timestamps.
"""

import dataclasses
from collections.abc import Callable, Mapping

from mptcp_check.middleboxes.checksum import ones_sum, updated
from mptcp_check.middleboxes.frame import TCP_HEADER_BYTES, TcpSegment, rebuilt
from mptcp_check.middleboxes.options_edit import NO_OPERATION, walk

MAXIMUM_SEGMENT_SIZE, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 2, 3, 4, 5, 8
"""Option kinds (IANA)."""

MAX_WINDOW = 0xFFFF
MAX_WINDOW_SHIFT = 14
"""RFC 7323, section 2.3."""

_BLOCK_BYTES = 8
_OPTION_HEAD_BYTES = 2
_OPTION_BYTES = {MAXIMUM_SEGMENT_SIZE: 4, WINDOW_SCALE: 3, SACK_PERMITTED: 2, TIMESTAMPS: 10}

Translate = Callable[[int, int], tuple[int, int] | None]
"""From the left and the right edge of a SACK block to those to write, none to leave it out."""


def window(segment: TcpSegment) -> int:
    """Return the window field as it stands there, not scaled."""
    start = segment.packet.transport + 14
    return int.from_bytes(segment.packet.frame[start : start + 2], "big")


def occupied_bytes(segment: TcpSegment) -> int:
    """Return how much sequence space a segment takes: payload, SYN and FIN count."""
    return segment.payload_bytes + bool(segment.flags & 0x01) + bool(segment.flags & 0x02)


def option_values(options: bytes) -> Mapping[int, bytes]:
    """Return the values of the well-formed options whose length is fixed, by kind."""
    return {
        options[at]: options[at + _OPTION_HEAD_BYTES : at + length]
        for at, length in walk(options)
        if _OPTION_BYTES.get(options[at]) == length
    }


def window_shift(options: bytes) -> int | None:
    """Return the window scale of a SYN's options, 14 at most, none if there is none."""
    found = option_values(options).get(WINDOW_SCALE)
    return None if found is None else min(found[0], MAX_WINDOW_SHIFT)


def edited(
    segment: TcpSegment,
    *,
    sequence: int | None = None,
    acknowledgment: int | None = None,
    flags: int | None = None,
    window: int | None = None,
    options: bytes | None = None,
    payload: bytes | None = None,
) -> bytes:
    """Return the frame with other header fields, options or payload; what is none stays.

    Args:
        segment: What `frame.tcp_segment` found.
        sequence: The new sequence number, taken modulo 2**32.
        acknowledgment: The new acknowledgment number, taken modulo 2**32.
        flags: All eight.
        window: The field, not scaled.
        options: A multiple of four bytes, at most 40.
        payload: The new payload.

    Raises:
        ValueError: Options or payload do not fit; see `frame.rebuilt`.
    """
    packet = segment.packet
    start, end = packet.transport, packet.transport + TCP_HEADER_BYTES
    before = packet.frame[start:end]
    after = bytearray(before)
    for value, at, size in ((sequence, 4, 4), (acknowledgment, 8, 4), (flags, 13, 1)):
        if value is not None:
            after[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big")
    if window is not None:
        after[14:16] = window.to_bytes(2, "big")
    if after != before:
        field = updated(int.from_bytes(before[16:18], "big"), ones_sum(before), ones_sum(after))
        after[16:18] = field.to_bytes(2, "big")
    frame = packet.frame[:start] + bytes(after) + packet.frame[end:]
    if options is None and payload is None:
        return frame
    moved = dataclasses.replace(segment, packet=dataclasses.replace(packet, frame=frame))
    return rebuilt(moved, options=options, payload=payload)


def with_sack(options: bytes, translate: Translate) -> bytes:
    """Return the options with each SACK block translated, the length as it was.

    Blocks left out make room for no-operations, as a SACK option needs at least one block.

    Args:
        options: The options of a header.
        translate: Is given each block, also that of a D-SACK.

    Returns:
        The same object if there is no SACK option.
    """
    hits = [(at, length) for at, length in walk(options) if options[at] == SACK]
    if not hits:
        return options
    after = bytearray(options)
    for at, length in hits:
        edges = options[at + _OPTION_HEAD_BYTES : at + length]
        kept = b""
        for start in range(0, len(edges) - _BLOCK_BYTES + 1, _BLOCK_BYTES):
            left = int.from_bytes(edges[start : start + 4], "big")
            right = int.from_bytes(edges[start + 4 : start + 8], "big")
            block = translate(left, right)
            if block is not None:
                kept += block[0].to_bytes(4, "big") + block[1].to_bytes(4, "big")
        option = bytes((SACK, _OPTION_HEAD_BYTES + len(kept))) + kept if kept else b""
        after[at : at + length] = option + bytes((NO_OPERATION,)) * (length - len(option))
    return bytes(after)


def clamped_mss(segment: TcpSegment, most_bytes: int) -> bytes:
    """Return the frame with a maximum segment size of at most so much; the same object if it is.

    Args:
        segment: A SYN or a SYN/ACK.
        most_bytes: 0 to 65535.
    """
    options = segment.options
    for at, length in walk(options):
        if options[at] == MAXIMUM_SEGMENT_SIZE and length == _OPTION_BYTES[MAXIMUM_SEGMENT_SIZE]:
            if int.from_bytes(options[at + 2 : at + 4], "big") > most_bytes:
                after = options[: at + 2] + most_bytes.to_bytes(2, "big") + options[at + 4 :]
                return edited(segment, options=after)
            break
    return segment.packet.frame
