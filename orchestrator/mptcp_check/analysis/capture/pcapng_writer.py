"""Write pcapng: the captures of several interfaces as one file, in the order of time.

draft-ietf-opsawg-pcapng, section 4.  One section, little-endian; one Interface Description Block
per interface with its name and nanosecond times; Enhanced Packet Blocks; at the end one Interface
Statistics Block per interface with what its capture received and lost.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import frame
from mptcp_check.analysis.capture.pcapng_blocks import (
    ISB_IFDROP,
    ISB_IFRECV,
    SHB_HARDWARE,
    SHB_OS,
    SHB_USERAPPL,
    description,
    packet,
    section,
    statistics,
)
from mptcp_check.analysis.capture.records import Framing

LINK_TYPE_ETHERNET: Final = 1
SNAP_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceCapture:
    """What one interface captured, before it is merged."""

    name: str
    octets: bytes
    """A pcap or pcapng file; its own interface names and counters are not used."""
    received_count: int | None = None
    """Packets that the interface gave to the capture; none if nobody knows."""
    dropped_count: int | None = None
    """Packets lost for want of buffers; none if nobody knows."""


def merge(
    parts: Sequence[InterfaceCapture],
    *,
    hardware: str = "",
    operating_system: str = "",
    application: str = "",
) -> bytes:
    """Merge the captures of several interfaces into one pcapng file.

    Args:
        parts: One per interface; each is interface number ``n`` of the file, in this order.  From
            a file that ends in the middle of a packet, the whole packets are taken; a file
            without any gives an interface without packets.
        hardware: What captured, for the section header; left out if empty, as the next two.
        operating_system: Its operating system.
        application: The program that captured.

    Returns:
        The file.  Packets of equal times are in the order of the parts.
    """
    framings = [frame(np.frombuffer(part.octets, dtype=np.uint8)) for part in parts]
    described = [
        (SHB_HARDWARE, hardware.encode()),
        (SHB_OS, operating_system.encode()),
        (SHB_USERAPPL, application.encode()),
    ]
    chunks = [section(*(option for option in described if option[1]))]
    chunks += [_description(part, known) for part, known in zip(parts, framings, strict=True)]
    chunks += _packets(parts, framings)
    chunks += [
        _statistics(number, part, known)
        for number, (part, known) in enumerate(zip(parts, framings, strict=True))
    ]
    return b"".join(chunks)


def _description(part: InterfaceCapture, framing: Framing) -> bytes:
    """Return the Interface Description Block of one part: section 4.2."""
    known = framing.interfaces[0] if framing.interfaces else None
    link_type = known.link_type if known else LINK_TYPE_ETHERNET
    snap_bytes = known.snap_bytes if known else SNAP_BYTES
    return description(link_type=link_type, snap_bytes=snap_bytes, name=part.name)


def _packets(parts: Sequence[InterfaceCapture], framings: Sequence[Framing]) -> list[bytes]:
    """Return the Enhanced Packet Blocks of all parts in the order of time: section 4.3."""
    interface = np.concatenate(
        [np.full(len(known.records.offset), n) for n, known in enumerate(framings)]
        or [np.empty(0, np.int64)]
    )
    columns = [
        np.concatenate([getattr(known.records, name) for known in framings] or [interface])
        for name in ("time_ns", "offset", "captured", "wire")
    ]
    order = np.argsort(columns[0], kind="stable")
    cells = zip(*(column[order].tolist() for column in (interface, *columns)), strict=True)
    blocks = []
    for number, time_ns, offset, captured, wire in cells:
        data = parts[number].octets[offset : offset + captured]
        blocks.append(packet(number, time_ns, data, wire_bytes=wire))
    return blocks


def _statistics(number: int, part: InterfaceCapture, framing: Framing) -> bytes:
    """Return the Interface Statistics Block of one part, nothing without counters: section 4.6."""
    counters = ((ISB_IFRECV, part.received_count), (ISB_IFDROP, part.dropped_count))
    options = [(code, struct.pack("<Q", count)) for code, count in counters if count is not None]
    if not options:
        return b""
    times = framing.records.time_ns
    ticks = max(int(times.max()), 0) if len(times) else 0
    return statistics(number, ticks, *options)
