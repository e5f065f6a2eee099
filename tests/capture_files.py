"""Capture files and link layers for tests, written by code that shares nothing with the readers."""

import struct
from collections.abc import Iterable, Sequence
from typing import Literal

Order = Literal["<", ">"]

START_NS = 1_700_000_000_123_456_789
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
PPP_PROTOCOL = {4: 0x0021, 6: 0x0057}


def pcap(
    frames: Iterable[bytes],
    *,
    link_type: int = 1,
    order: Order = "<",
    nanoseconds: bool = True,
    snap_bytes: int = 262_144,
    times_ns: Sequence[int] | None = None,
) -> bytes:
    """Return a classic capture file; frames are a millisecond apart unless times are given."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap_bytes, link_type)]
    for index, data in enumerate(frames):
        time_ns = times_ns[index] if times_ns else START_NS + index * 1_000_000
        part = time_ns % 10**9 if nanoseconds else time_ns % 10**9 // 1000
        kept = data[:snap_bytes]
        out.append(struct.pack(f"{order}IIII", time_ns // 10**9, part, len(kept), len(data)))
        out.append(kept)
    return b"".join(out)  # adding to bytes copies them: gigabytes for a hundred thousand frames


def block(order: Order, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)


def options(order: Order, pairs: Iterable[tuple[int, bytes]]) -> bytes:
    out = b""
    for code, value in pairs:
        out += struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)
    return out + struct.pack(f"{order}HH", 0, 0)


def section(order: Order = "<", *, comment: bytes = b"") -> bytes:
    written = options(order, [(1, comment)]) if comment else b""
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1) + written)


def interface(
    order: Order = "<",
    *,
    link_type: int = 1,
    name: bytes = b"eth0",
    resolution: int | None = None,
    offset_s: int | None = None,
    snap_bytes: int = 0,
) -> bytes:
    pairs = [(2, name)]
    if resolution is not None:
        pairs.append((9, bytes([resolution])))
    if offset_s is not None:
        pairs.append((14, struct.pack(f"{order}q", offset_s)))
    fixed = struct.pack(f"{order}HHI", link_type, 0, snap_bytes)
    return block(order, 1, fixed + options(order, pairs))


def enhanced(
    data: bytes, ticks: int, *, order: Order = "<", number: int = 0, wire: int | None = None
) -> bytes:
    length = len(data) if wire is None else wire
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length)
    return block(order, 6, head + data)


def obsolete(data: bytes, ticks: int, *, order: Order = "<", number: int = 0) -> bytes:
    head = struct.pack(
        f"{order}HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
    )
    return block(order, 2, head + data)


def simple(data: bytes, *, order: Order = "<", wire: int | None = None) -> bytes:
    length = len(data) if wire is None else wire
    return block(order, 3, struct.pack(f"{order}I", length) + data)


def statistics(order: Order = "<", *, number: int = 0, received: int, dropped: int) -> bytes:
    pairs = [(4, struct.pack(f"{order}Q", received)), (5, struct.pack(f"{order}Q", dropped))]
    return block(order, 5, struct.pack(f"{order}III", number, 0, 0) + options(order, pairs))


def family(packet: bytes) -> int:
    return packet[0] >> 4


def ethernet(packet: bytes, *tags: int) -> bytes:
    """Put an IP packet into an Ethernet frame with VLAN tags of these EtherTypes."""
    head = bytes.fromhex("020000000001020000000002")
    for number, tag in enumerate(tags):
        head += struct.pack(">HH", tag, 100 + number)
    return head + struct.pack(">H", ETHERTYPE[family(packet)]) + packet


def pppoe(packet: bytes) -> bytes:
    """RFC 2516, section 4: version and type, code, session, length; then PPP."""
    head = bytes.fromhex("0200000000010200000000028864")
    inner = struct.pack(">H", PPP_PROTOCOL[family(packet)]) + packet
    return head + struct.pack(">BBHH", 0x11, 0, 7, len(inner)) + inner


def cooked(packet: bytes) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), ETHERTYPE[family(packet)]) + packet


def cooked_2(packet: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", ETHERTYPE[family(packet)], 0, 2, 1, 0, 6, bytes(8)) + packet


def cooked_2_tagged(packet: bytes) -> bytes:
    head = struct.pack(">HHIHBB8s", 0x8100, 0, 2, 1, 0, 6, bytes(8))
    return head + struct.pack(">HH", 100, ETHERTYPE[family(packet)]) + packet


def ppp(packet: bytes) -> bytes:
    return struct.pack(">HH", 0xFF03, PPP_PROTOCOL[family(packet)]) + packet


def ppp_bare(packet: bytes) -> bytes:
    return struct.pack(">H", PPP_PROTOCOL[family(packet)]) + packet


def ppp_compressed(packet: bytes) -> bytes:
    return struct.pack(">B", PPP_PROTOCOL[family(packet)]) + packet


def null_little(packet: bytes) -> bytes:
    return struct.pack("<I", {4: 2, 6: 30}[family(packet)]) + packet


def null_big(packet: bytes) -> bytes:
    return struct.pack(">I", {4: 2, 6: 28}[family(packet)]) + packet


def raw(packet: bytes) -> bytes:
    return packet
