"""Frames with addresses in every place that is known, and their Internet checksums."""

import ipaddress
import struct

MACS = bytes.fromhex("3c22fb0a0b0c"), bytes.fromhex("9c5c8ed0e0f0")


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def internet_sum(octets: bytes) -> int:
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets[: len(octets) & ~1]))
    total += octets[-1] << 8 if len(octets) & 1 else 0
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_header(source: bytes, target: bytes, protocol: int, length: int) -> bytes:
    return source + target + struct.pack(">II", length, protocol)


def tcp(  # a segment with its right checksum
    source: bytes,
    target: bytes,
    *,
    options: bytes = b"",
    payload: bytes = b"",
    seq: int = 1000,
    ports: tuple[int, int] = (40000, 80),
) -> bytes:
    options += b"\1" * (-len(options) % 4)
    head = struct.pack(">HHIIBBHHH", *ports, seq, 77, (5 + len(options) // 4) << 4, 0x18, 99, 0, 0)
    segment = head + options + payload
    whole = pseudo_header(source, target, 6, len(segment)) + segment
    return segment[:16] + (0xFFFF - internet_sum(whole)).to_bytes(2) + segment[18:]


def icmp_error(quoted: bytes) -> bytes:
    message = b"\x0b\0\0\0" + bytes(4) + quoted
    return message[:2] + (0xFFFF - internet_sum(message)).to_bytes(2) + message[4:]


def ip(source: bytes, target: bytes, protocol: int, body: bytes) -> bytes:
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + source + target + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0x4000, 64, protocol, 0)
    head += source + target
    return head[:10] + (0xFFFF - internet_sum(head)).to_bytes(2) + head[12:] + body


def ethernet(packet: bytes) -> bytes:
    ethertype = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
    return MACS[0] + MACS[1] + ethertype + packet


def pcap(*frames: bytes) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", 1_800_000_000, number, len(frame), len(frame)) + frame
    return out


def frames(capture: bytes) -> list[bytes]:
    out, at = [], 24
    while at < len(capture):
        (length,) = struct.unpack_from("<I", capture, at + 8)
        out.append(capture[at + 16 : at + 16 + length])
        at += 16 + length
    return out
