"""The blocks of a pcapng file that describe: sections, interfaces, statistics; read and written.

draft-ietf-opsawg-pcapng (PCAP Next Generation), sections 3 and 4.  What holds packets is read by
the kernel in `pcapng_framing`; these blocks are few and are read here, one by one.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal

from mptcp_check.analysis.capture.kernels import u16, u32
from mptcp_check.analysis.capture.records import AnyBuffer, Interface

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
PACKET: Final = 2
"""Obsolete: appendix A of the draft."""
SIMPLE_PACKET: Final = 3
INTERFACE_STATISTICS: Final = 5
ENHANCED_PACKET: Final = 6

BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D

END_OF_OPTIONS: Final = 0
OPT_COMMENT: Final = 1
SHB_HARDWARE: Final = 2
SHB_OS: Final = 3
SHB_USERAPPL: Final = 4
IF_NAME: Final = 2
IF_TSRESOL: Final = 9
IF_TSOFFSET: Final = 14
ISB_IFRECV: Final = 4
ISB_IFDROP: Final = 5

MICROSECONDS: Final = 6
"""``if_tsresol`` where the option is missing: 10 to the power of -6 seconds."""
NANOSECONDS: Final = 9
"""``if_tsresol`` of what is written here."""


def block(kind: int, body: bytes) -> bytes:
    """Return a little-endian block around a body that is padded already: section 3.1."""
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def written_options(*options: tuple[int, bytes]) -> bytes:
    """Return little-endian options, code and value each, with their end mark: section 3.5."""
    written = [struct.pack("<HH", code, len(value)) + padded(value) for code, value in options]
    return b"".join(written) + struct.pack("<HH", END_OF_OPTIONS, 0)


def padded(data: bytes) -> bytes:
    """Return bytes that end on a boundary of 32 bits: section 3.1."""
    return data + bytes(-len(data) % 4)


def section(*options: tuple[int, bytes]) -> bytes:
    """Return a little-endian Section Header Block of a section of unknown length: section 4.1."""
    return block(
        SECTION_HEADER,
        struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + written_options(*options),
    )


def description(*, link_type: int, snap_bytes: int, name: str) -> bytes:
    """Return the Interface Description Block of an interface with nanoseconds: section 4.2."""
    named = written_options((IF_NAME, name.encode()), (IF_TSRESOL, bytes([NANOSECONDS])))
    return block(INTERFACE_DESCRIPTION, struct.pack("<HHI", link_type, 0, snap_bytes) + named)


def packet(number: int, time_ns: int, data: bytes, *, wire_bytes: int) -> bytes:
    """Return the Enhanced Packet Block of a packet: section 4.3.

    Args:
        number: The interface's, from 0.
        time_ns: Since 1970. Before there was no Multipath TCP: such a time is a file's mistake,
            kept as 0.
        data: What was captured of it.
        wire_bytes: How long it was.
    """
    ticks = max(time_ns, 0)
    head = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(data), wire_bytes)
    return block(ENHANCED_PACKET, head + padded(data))


def statistics(number: int, time_ns: int, *options: tuple[int, bytes]) -> bytes:
    """Return the Interface Statistics Block of an interface: section 4.6."""
    body = struct.pack("<III", number, time_ns >> 32, time_ns & 0xFFFF_FFFF)
    return block(INTERFACE_STATISTICS, body + written_options(*options))


def section_is_little(buffer: AnyBuffer, at: int) -> bool | None:
    """Return the byte order of the section whose header block is at `at`; none if it tells none."""
    if u32(buffer, at + 8, True) == BYTE_ORDER_MAGIC:  # noqa: FBT003 - as kernels take it
        return True
    if u32(buffer, at + 8, False) == BYTE_ORDER_MAGIC:  # noqa: FBT003 - as above
        return False
    return None


def options(buffer: AnyBuffer, at: int, end: int, *, little: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the options between two offsets as code and value; stops where they do not parse."""
    while at + 4 <= end:
        code, length = int(u16(buffer, at, little)), int(u16(buffer, at + 2, little))
        if code == END_OF_OPTIONS or at + 4 + length > end:
            return
        yield code, bytes(buffer[at + 4 : at + 4 + length])
        at += 4 + (length + 3) // 4 * 4


def interface(buffer: AnyBuffer, at: int, end: int, *, little: bool) -> tuple[Interface, int, int]:
    """Return what an Interface Description Block says (section 4.2).

    Args:
        buffer: The file.
        at: Offset of the block's body.
        end: Offset after the body, at least 8 bytes on.
        little: Byte order of the section.

    Returns:
        The interface; its time resolution as in ``if_tsresol`` (the high bit chooses a power of 2
        instead of 10); and ``if_tsoffset``, seconds to add to each time.
    """
    name, resolution, offset_s = "", MICROSECONDS, 0
    order: Literal["little", "big"] = "little" if little else "big"
    for code, value in options(buffer, at + 8, end, little=little):
        if code == IF_NAME:
            name = value.decode("utf-8", errors="replace").rstrip("\0")
        elif code == IF_TSRESOL and len(value) == 1:
            resolution = value[0]
        elif code == IF_TSOFFSET and len(value) == 8:  # noqa: PLR2004 - 64 bits
            offset_s = int.from_bytes(value, order, signed=True)
    found = Interface(
        name=name,
        link_type=int(u16(buffer, at, little)),
        snap_bytes=int(u32(buffer, at + 4, little)),
    )
    return found, resolution, offset_s


def with_statistics(
    known: Interface, buffer: AnyBuffer, at: int, end: int, *, little: bool
) -> Interface:
    """Return the interface with the counters of an Interface Statistics Block (section 4.6).

    Args:
        known: The interface that the block names.
        buffer: The file.
        at: Offset of the block's body.
        end: Offset after the body.
        little: Byte order of the section.
    """
    order: Literal["little", "big"] = "little" if little else "big"
    counters = {
        code: int.from_bytes(value, order)
        for code, value in options(buffer, at + 12, end, little=little)
        if code in (ISB_IFRECV, ISB_IFDROP) and len(value) == 8  # noqa: PLR2004 - 64 bits
    }
    return replace(
        known,
        received_count=counters.get(ISB_IFRECV, known.received_count),
        dropped_count=counters.get(ISB_IFDROP, known.dropped_count),
    )
