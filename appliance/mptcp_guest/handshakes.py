"""Find answered handshakes in a capture that is still growing.

A measurement server with many users is told of them: connections that could say it nothing else
belong to whoever knows both initial sequence numbers.  Formats: draft-ietf-opsawg-pcap, RFC 791,
RFC 8200, RFC 9293, RFC 8684 section 3.1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.pcap_file import FILE_HEADER_BYTES, MAGIC_NUMBERS, RECORD_HEADER

CHUNK_LIMIT_BYTES = 64 * 1024 * 1024
"""Looked at in one go; the rest is looked at the next time."""

LINK_HEADER_BYTES = {1: 14, 12: 0, 101: 0, 113: 16}
"""Ethernet, raw IP (two numbers), and Linux's cooked capture."""
ETHERNET_TYPES = {1: 12, 113: 14}
"""Where the type of what follows stands."""
VLAN_TAGS = frozenset({0x8100, 0x88A8})
IPV4, IPV6, TCP = 4, 6, 6
SYN_ACK = 0x12
KIND_MPTCP, CAPABLE = 30, 0
KEY_AT, KEY_BYTES = 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, and up to where it was looked."""

    handshakes: tuple[messages.Handshake, ...]
    end_bytes: int


def since(path: Path, start_bytes: int) -> Found:
    """Return the answered handshakes in a capture from a place on.

    Args:
        path: A pcap file that tcpdump is writing.
        start_bytes: 0, or what `Found.end_bytes` was before.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(FILE_HEADER_BYTES)
        if len(head) < FILE_HEADER_BYTES:
            return Found(handshakes=(), end_bytes=start_bytes)
        start_bytes = max(start_bytes, FILE_HEADER_BYTES)
        file.seek(start_bytes)
        data = file.read(CHUNK_LIMIT_BYTES)
    magic, link_type = struct.unpack("=I16xI", head)
    if magic not in MAGIC_NUMBERS:
        return Found(handshakes=(), end_bytes=start_bytes)
    found, used = _read(data, link_type & 0xFFFF)
    return Found(handshakes=tuple(found), end_bytes=start_bytes + used)


def _read(data: bytes, link_type: int) -> tuple[list[messages.Handshake], int]:
    found, at = [], 0
    while at + RECORD_HEADER.size <= len(data):
        captured = RECORD_HEADER.unpack_from(data, at)[2]
        after = at + RECORD_HEADER.size + captured
        if after > len(data):
            break
        if handshake := answered(data[at + RECORD_HEADER.size : after], link_type):
            found.append(handshake)
        at = after
    return found, at


def answered(frame: bytes, link_type: int) -> messages.Handshake | None:
    """Return the numbers of a SYN/ACK; none for any other frame.  PURE, never raises."""
    try:
        return _of_segment(_tcp(frame, link_type))
    except (struct.error, IndexError):
        return None  # cut off


def _tcp(frame: bytes, link_type: int) -> bytes:
    """Return a frame's TCP segment, or nothing."""
    if link_type not in LINK_HEADER_BYTES:
        return b""
    at = LINK_HEADER_BYTES[link_type]
    if link_type in ETHERNET_TYPES:
        place = ETHERNET_TYPES[link_type]
        while struct.unpack_from("!H", frame, place)[0] in VLAN_TAGS:
            place, at = place + 4, at + 4
    packet = frame[at:]
    version = packet[0] >> 4
    if version == IPV4 and packet[9] == TCP and not struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
        return packet[(packet[0] & 15) * 4 :]
    if version == IPV6 and packet[6] == TCP:
        return packet[40:]
    return b""


def _of_segment(segment: bytes) -> messages.Handshake | None:
    if len(segment) < 20 or segment[13] & 0x3F != SYN_ACK:  # noqa: PLR2004 - TCP's header
        return None
    sequence, acknowledged = struct.unpack_from("!II", segment, 4)
    handshake = messages.Handshake(
        initiator_isn=(acknowledged - 1) % 2**32, responder_isn=sequence, responder_key=""
    )
    for kind, option in _options(segment[20 : (segment[12] >> 4) * 4]):
        whole = len(option) >= KEY_AT + KEY_BYTES
        if kind == KIND_MPTCP and whole and option[2] >> 4 == CAPABLE:
            handshake["responder_key"] = option[KEY_AT : KEY_AT + KEY_BYTES].hex()
    return handshake


def _options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each option's kind, and the option with its kind and length."""
    at = 0
    while at < len(octets) and octets[at] != 0:
        if octets[at] == 1:
            at += 1
            continue
        length = octets[at + 1]
        if length < 2:  # noqa: PLR2004 - kind and length themselves
            return
        yield octets[at], octets[at : at + length]
        at += length
