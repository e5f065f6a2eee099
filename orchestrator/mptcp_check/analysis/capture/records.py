"""Frames of a capture file as columns, and what the file says about them."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from mptcp_check.analysis.capture.column_types import Column

LARGEST_FRAME_BYTES: Final = 262_144
"""MAXIMUM_SNAPLEN of libpcap and WTAP_MAX_PACKET_SIZE of Wireshark: more is a length that lies."""

FIRST_ESTIMATE_BYTES: Final = 512
"""File bytes per frame that the first table is sized for; tables double when they are full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be read as it stood; never an exception."""

    offset: int
    """Where, in bytes from the start of what was decoded."""
    reason: str
    """One clause that names the thing and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Where frames were captured: a pcap file has one, a pcapng section any number."""

    name: str
    """``if_name`` of pcapng; empty when the file does not tell."""
    link_type: int
    """LINKTYPE number of the tcpdump.org registry."""
    snap_bytes: int = 0
    """Longest capture of one frame; 0 is no limit."""
    received_count: int | None = None
    """``isb_ifrecv``: packets the interface gave to the capture."""
    dropped_count: int | None = None
    """``isb_ifdrop``: packets that were lost for want of buffers."""


class Records(NamedTuple):
    """One row per packet record: row r is Wireshark's frame r + 1."""

    offset: Column
    """int64: where the frame's first captured byte is in the buffer."""
    captured: Column
    """uint32: bytes captured."""
    wire: Column
    """uint32: bytes on the wire, as the file claims."""
    time_ns: Column
    """int64: nanoseconds since 1970, UTC; 0 where the record has no time (Simple Packet Block)."""
    interface: Column
    """uint32: index into ``Capture.interfaces``."""

    @staticmethod
    def allocate(rows: int) -> "Records":
        """Return uninitialised columns."""
        return Records(
            offset=np.empty(rows, np.int64),
            captured=np.empty(rows, np.uint32),
            wire=np.empty(rows, np.uint32),
            time_ns=np.empty(rows, np.int64),
            interface=np.empty(rows, np.uint32),
        )

    def resized(self, rows: int) -> "Records":
        """Return columns of `rows` rows: the first ones of these, or these and free room."""
        if rows <= len(self.offset):
            return Records(*(column[:rows] for column in self))
        larger = Records.allocate(rows)
        for new, old in zip(larger, self, strict=True):
            new[: len(old)] = old
        return larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """What the framing of a file gave, before any frame is looked into."""

    format: str
    """``pcap``, ``pcapng``, or empty when the bytes are neither."""
    records: Records
    interfaces: tuple[Interface, ...]
    problems: tuple[Problem, ...]


TABLE_FULL, ENDED, INCOMPLETE, BROKEN = range(4)
"""How far `Reader.read` came: the table is full; all bytes are read; the last frame is not whole;
something cannot be right, and nothing says where the next frame would be."""


class Step(NamedTuple):
    """What one call of `Reader.read` did."""

    at: int
    """Offset of the first byte that was not taken."""
    filled: int
    """Rows of the table that hold something."""
    state: int
    """`TABLE_FULL`, `ENDED`, `INCOMPLETE` or `BROKEN`."""
    reason: str = ""
    """Of the last two: one clause."""


class Reader(Protocol):
    """Reads the frames of one kind of file, whole or block by block."""

    format: str
    interfaces: list[Interface]

    def read(self, buffer: "AnyBuffer", at: int, records: Records, count: int) -> Step:
        """Fill `records` from row `count` on with the frames from an offset on."""


def framing_of(reader: Reader, buffer: "AnyBuffer") -> "Framing":
    """Return all frames of a file that is there as a whole."""
    records = Records.allocate(first_rows(len(buffer)))
    step = Step(at=0, filled=0, state=TABLE_FULL)
    while True:
        step = reader.read(buffer, step.at, records, step.filled)
        if step.state != TABLE_FULL:
            break
        records = records.resized(2 * len(records.offset))
    problems = (Problem(offset=step.at, reason=step.reason),) if step.reason else ()
    return Framing(
        format=reader.format,
        records=records.resized(step.filled),
        interfaces=tuple(reader.interfaces),
        problems=problems,
    )


def first_rows(size_bytes: int) -> int:
    """Return how many rows to start with for a file of this size."""
    return size_bytes // FIRST_ESTIMATE_BYTES + 64


def nothing(reason: str, *, offset: int = 0) -> Framing:
    """Return the framing of bytes that are no capture."""
    return Framing(
        format="",
        records=Records.allocate(0),
        interfaces=(),
        problems=(Problem(offset=offset, reason=reason),),
    )


AnyBuffer = Any
"""What `kernels.readable` returns: indexable, elements are integers."""
