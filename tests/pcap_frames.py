"""Ethernet frames with TCP segments, and the pcap files that hold them."""

import ipaddress
import struct
from collections.abc import Sequence


def tcp_frame(
    source: tuple[str, int],
    destination: tuple[str, int],
    *,
    seq: int,
    ack: int,
    flags: int,
    options: bytes = b"",
    payload: bytes = b"",
    ip_id: int = 0,
    ttl: int = 64,
    tos: int = 0,
    window: int = 64_240,
    urgent: int = 0,
    checksum_error: int = 0,
) -> bytes:
    """Return an Ethernet frame with right checksums; `checksum_error` is added to TCP's."""
    src, dst = ipaddress.ip_address(source[0]), ipaddress.ip_address(destination[0])
    header = struct.pack(
        "!HHIIHHHH",
        source[1],
        destination[1],
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (5 + len(options) // 4) << 12 | flags | 0x20 * bool(urgent),
        window,
        0,
        urgent,
    )
    segment = bytearray(header + options + payload)
    pseudo = src.packed + dst.packed + struct.pack("!II", len(segment), 6)
    total = (_ones_sum(pseudo + segment) + checksum_error) & 0xFFFF
    segment[16:18] = struct.pack("!H", 0xFFFF - total)
    if src.version == 4:
        ip = bytearray(
            struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(segment), ip_id, 0x4000, ttl, 6, 0)
            + src.packed
            + dst.packed
        )
        ip[10:12] = struct.pack("!H", 0xFFFF - _ones_sum(bytes(ip)))
        ether_type = 0x0800
    else:
        ip = bytearray(
            struct.pack("!IHBB", 6 << 28 | tos << 20, len(segment), 6, ttl)
            + src.packed
            + dst.packed
        )
        ether_type = 0x86DD
    return struct.pack("!6s6sH", b"\x02" * 6, b"\x04" * 6, ether_type) + bytes(ip + segment)


def _ones_sum(data: bytes) -> int:
    """One's complement sum of 16-bit words (RFC 1071)."""
    padded = data + b"\x00" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pcap_with(records: Sequence[tuple[int, bytes]], *, snap_bytes: int = 262_144) -> bytes:
    """Write a pcap file with nanoseconds (pcap(5), magic 0xa1b23c4d), link type Ethernet."""
    parts = [struct.pack("!IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snap_bytes, 1)]
    for time_ns, frame in records:
        kept = frame[:snap_bytes]
        seconds, rest = divmod(time_ns, 10**9)
        parts.append(struct.pack("!IIII", seconds, rest, len(kept), len(frame)) + kept)
    return b"".join(parts)


def pcap_records(file: bytes) -> list[tuple[int, bytes]]:
    """Return the records of a file that `pcap_with` wrote."""
    found, place = [], 24
    while place < len(file):
        seconds, rest, kept, _ = struct.unpack_from("!IIII", file, place)
        found.append((seconds * 10**9 + rest, file[place + 16 : place + 16 + kept]))
        place += 16 + kept
    return found
