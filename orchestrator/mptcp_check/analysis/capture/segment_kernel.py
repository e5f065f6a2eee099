"""Frames to TCP segments, compiled: link layer, IPv4 and IPv6, TCP header.

Nothing is read outside the captured bytes of the frame at hand.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.kernels import be16, be32, be64, byte, kernel
from mptcp_check.analysis.capture.link_layers import NO_IP, ip_offset
from mptcp_check.analysis.capture.option_tables import V4_MAPPED
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES, Note
from mptcp_check.analysis.capture.records import Records
from mptcp_check.analysis.capture.segment_tables import PacketTable

TCP: Final = 6
IPV4_HEADER_BYTES: Final = 20
IPV6_HEADER_BYTES: Final = 40

# IPv6 extension headers (IANA, "IPv6 Extension Header Types"; RFC 7045).
HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
DESTINATION_OPTIONS: Final = 60
MOBILITY: Final = 135
HIP: Final = 139
SHIM6: Final = 140

NOTE_FRAGMENT: Final = int(Note.FRAGMENT)
NOTE_HEADER_CUT: Final = int(Note.HEADER_CUT)
NOTE_HEADER_LENGTH: Final = int(Note.HEADER_LENGTH)
NOTE_LENGTH_GUESSED: Final = int(Note.LENGTH_GUESSED)
NOTE_IP_LENGTH: Final = int(Note.IP_LENGTH)

NOT_TCP, LATER_FRAGMENT, CUT_SHORT, SEGMENT = range(4)
"""What `find_tcp` says of a frame, and places in the counters that `decode_segments` keeps."""

Counters = npt.NDArray[np.int64]


@kernel
def decode_segments(
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    records: Records,
    link_types: npt.NDArray[np.int64],
    packets: PacketTable,
    counters: Counters,
) -> None:
    """Decode all frames into rows; the options are left to `option_kernel`.

    Args:
        buffer: The capture.
        records: Its frames.
        link_types: LINKTYPE number of each interface.
        packets: Table with room for a row per record.
        counters: Set to how many rows were filled, and how many frames gave none and why.
    """
    row = 0
    for index in range(len(records.offset)):
        start = records.offset[index]
        end = start + records.captured[index]
        # A frame is at least as long as what was captured of it, whatever the file claims.
        wire_end = max(end, start + records.wire[index])
        ip = ip_offset(buffer, start, end, link_types[records.interface[index]])
        if ip == NO_IP:
            continue
        what, tcp, ip_end, notes = find_tcp(buffer, ip, end, wire_end)
        if what != SEGMENT:
            counters[what] += 1
            continue

        header_bytes = (byte(buffer, tcp + 12) >> 4) * 4
        if header_bytes < TCP_HEADER_BYTES or tcp + header_bytes > ip_end:
            notes |= NOTE_HEADER_LENGTH
            header_bytes = TCP_HEADER_BYTES
            ip_end = tcp + TCP_HEADER_BYTES
        payload = tcp + header_bytes
        available = min(payload, end)
        if available < payload:
            notes |= NOTE_HEADER_CUT

        packets.frame[row] = index + 1
        packets.time_ns[row] = records.time_ns[index]
        packets.interface[row] = records.interface[index]
        packets.notes[row] = notes
        write_ip(buffer, ip, packets, row)
        packets.src_port[row] = be16(buffer, tcp)
        packets.dst_port[row] = be16(buffer, tcp + 2)
        packets.seq[row] = be32(buffer, tcp + 4)
        packets.ack[row] = be32(buffer, tcp + 8)
        packets.flags[row] = be16(buffer, tcp + 12) & 0x0FFF
        packets.window[row] = be16(buffer, tcp + 14)
        packets.checksum[row] = be16(buffer, tcp + 16)
        packets.urgent[row] = be16(buffer, tcp + 18)
        packets.ip_offset[row] = ip
        packets.tcp_offset[row] = tcp
        packets.options_bytes[row] = available - tcp - TCP_HEADER_BYTES
        packets.payload_offset[row] = payload
        packets.payload_bytes[row] = ip_end - payload
        packets.captured_bytes[row] = max(0, min(end, ip_end) - payload)
        row += 1
    counters[SEGMENT] = row


@kernel
def find_tcp(buffer: Any, ip: int, end: int, wire_end: int) -> tuple[int, int, int, int]:  # noqa: ANN401 - a kernel
    """Find the TCP header behind an IP header.

    Args:
        buffer: The capture.
        ip: Offset where an IP header should be.
        end: Offset after the frame's last captured byte.
        wire_end: Offset after the frame's last byte on the wire.

    Returns:
        What it is; and for a `SEGMENT`, whose 20 bytes of TCP header are captured: the offset of
        that header, the offset where the IP datagram ends on the wire, and bits for ``notes``.
    """
    if ip >= end:
        return NOT_TCP, 0, 0, 0
    version = byte(buffer, ip) >> 4
    if version == 4:  # noqa: PLR2004 - IPv4
        what, tcp, ip_end, notes = find_in_ipv4(buffer, ip, end, wire_end)
    elif version == 6:  # noqa: PLR2004 - IPv6
        what, tcp, ip_end, notes = find_in_ipv6(buffer, ip, end, wire_end)
    else:
        return NOT_TCP, 0, 0, 0
    if what != SEGMENT:
        return what, 0, 0, 0
    if ip_end > wire_end:
        ip_end = wire_end
        notes |= NOTE_IP_LENGTH
    if tcp + TCP_HEADER_BYTES > min(end, ip_end):
        return CUT_SHORT, 0, 0, 0
    return SEGMENT, tcp, ip_end, notes


@kernel
def find_in_ipv4(buffer: Any, ip: int, end: int, wire_end: int) -> tuple[int, int, int, int]:  # noqa: ANN401 - a kernel
    """Find TCP behind an IPv4 header: RFC 791, section 3.1.  Returns as `find_tcp`."""
    if ip + IPV4_HEADER_BYTES > end:
        return NOT_TCP, 0, 0, 0
    header_bytes = (byte(buffer, ip) & 0x0F) * 4
    if header_bytes < IPV4_HEADER_BYTES or byte(buffer, ip + 9) != TCP:
        return NOT_TCP, 0, 0, 0
    fragment = be16(buffer, ip + 6)
    if fragment & 0x1FFF:
        return LATER_FRAGMENT, 0, 0, 0
    notes = NOTE_FRAGMENT if fragment & 0x2000 else 0
    total = be16(buffer, ip + 2)
    if total == 0:
        return SEGMENT, ip + header_bytes, wire_end, notes | NOTE_LENGTH_GUESSED
    return SEGMENT, ip + header_bytes, ip + total, notes


@kernel
def find_in_ipv6(buffer: Any, ip: int, end: int, wire_end: int) -> tuple[int, int, int, int]:  # noqa: ANN401 - a kernel
    """Find TCP behind an IPv6 header and its extensions: RFC 8200, sections 3 and 4.

    A payload length of 0 is a jumbogram (RFC 2675) or what segmentation offload leaves above
    64 KiB: the frame's own length is used.
    """
    if ip + IPV6_HEADER_BYTES > end:
        return NOT_TCP, 0, 0, 0
    length = be16(buffer, ip + 4)
    notes = 0
    ip_end = ip + IPV6_HEADER_BYTES + length
    if length == 0:
        ip_end = wire_end
        notes = NOTE_LENGTH_GUESSED
    header = byte(buffer, ip + 6)
    at = ip + IPV6_HEADER_BYTES
    while header != TCP:
        if at + 8 > end:
            return NOT_TCP, 0, 0, 0
        if header == FRAGMENT:
            # Section 4.5: 13 bits of offset, 2 reserved, M; the offset 0 is a first fragment.
            if be16(buffer, at + 2) & 0xFFF8:
                return (LATER_FRAGMENT if byte(buffer, at) == TCP else NOT_TCP), 0, 0, 0
            if be16(buffer, at + 2) & 1:
                notes |= NOTE_FRAGMENT
            step = 8
        elif header == AUTHENTICATION:
            step = (byte(buffer, at + 1) + 2) * 4
        elif header in (HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY, HIP, SHIM6):
            step = (byte(buffer, at + 1) + 1) * 8
        else:
            return NOT_TCP, 0, 0, 0
        header = byte(buffer, at)
        at += step
    return SEGMENT, at, ip_end, notes


@kernel
def write_ip(buffer: Any, ip: int, packets: PacketTable, row: int) -> None:  # noqa: ANN401 - a kernel
    """Write what the IP header at `ip` says into a row."""
    if byte(buffer, ip) >> 4 == 4:  # noqa: PLR2004 - IPv4
        packets.family[row] = 4
        packets.src_high[row] = 0
        packets.src_low[row] = V4_MAPPED + be32(buffer, ip + 12)
        packets.dst_high[row] = 0
        packets.dst_low[row] = V4_MAPPED + be32(buffer, ip + 16)
        packets.ttl[row] = byte(buffer, ip + 8)
        packets.tos[row] = byte(buffer, ip + 1)
        packets.ip_id[row] = be16(buffer, ip + 4)
    else:
        packets.family[row] = 6
        packets.src_high[row] = be64(buffer, ip + 8)
        packets.src_low[row] = be64(buffer, ip + 16)
        packets.dst_high[row] = be64(buffer, ip + 24)
        packets.dst_low[row] = be64(buffer, ip + 32)
        packets.ttl[row] = byte(buffer, ip + 7)
        packets.tos[row] = (be16(buffer, ip) >> 4) & 0xFF
        packets.ip_id[row] = 0
