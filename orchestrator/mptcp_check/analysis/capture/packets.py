"""Captured TCP segments as NumPy columns: one row per segment, no object per packet.

A capture of a million segments is some thirty arrays, not a million objects.  `capture_file.read`
fills them in one pass; everything after it works on index arrays ("rows") into these columns.

Three tables:

- `Packets`: one row per TCP segment, in the order of the file (not of time);
- `DssOptions` (``packets.dss``): one row per DSS option, dense, hence narrow;
- `SignalOptions` (``packets.signals``): one row per any other kind-30 option, sparse, hence wide.

A segment may carry several options of one kind: both option tables are in long form, with the
segment's row in their column ``packet``, which never decreases.  Offsets are positions in the
buffer given to `capture_file.read`; nothing is copied out of it.
"""

import enum
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import DSS_TYPES, PACKET_TYPES, SIGNAL_TYPES, columns
from mptcp_check.analysis.capture.column_types import Column as Column  # noqa: PLC0414 - exported from here too

KIND_MPTCP: Final = 30
"""TCP option kind of Multipath TCP (RFC 8684, section 8.1; IANA TCP parameters)."""


TCP_HEADER_BYTES: Final = 20
"""A TCP header without options (RFC 9293, section 3.1)."""


class Flag(enum.IntFlag):
    """Bits of ``Packets.flags``: RFC 9293, section 3.1, and RFC 3168 for ECE and CWR."""

    FIN = 0x001
    SYN = 0x002
    RST = 0x004
    PSH = 0x008
    ACK = 0x010
    URG = 0x020
    ECE = 0x040
    CWR = 0x080
    AE = 0x100
    """Accurate ECN (RFC 9768); before that NS of RFC 3540."""


class Note(enum.IntFlag):
    """Bits of ``Packets.notes``: what is odd about a segment as captured."""

    FRAGMENT = 0x01
    """First fragment of an IP datagram: the rest of the payload is in frames not decoded."""
    HEADER_CUT = 0x02
    """The snap length cut the TCP options: only ``options_bytes`` of them were captured."""
    HEADER_LENGTH = 0x04
    """The data offset is below 20 bytes or beyond the segment: no options, no payload taken."""
    OPTIONS_MALFORMED = 0x08
    """The option list does not parse to its end, or a kind-30 option has a problem."""
    LENGTH_GUESSED = 0x10
    """The IP length is 0 (segmentation offload above 64 KiB): the frame's length was used."""
    IP_LENGTH = 0x20
    """The IP length goes beyond the frame or is below the headers: it was limited."""


class Subtype(enum.IntEnum):
    """MPTCP option subtypes: RFC 8684, section 8.2 (RFC 6824, section 8)."""

    MP_CAPABLE = 0x0
    MP_JOIN = 0x1
    DSS = 0x2
    ADD_ADDR = 0x3
    REMOVE_ADDR = 0x4
    MP_PRIO = 0x5
    MP_FAIL = 0x6
    MP_FASTCLOSE = 0x7
    MP_TCPRST = 0x8
    MP_EXPERIMENTAL = 0xF
    NONE = 0xFF
    """Not on the wire: the option ended before its subtype."""


class OptionProblem(enum.IntEnum):
    """Values of ``problem`` in the option tables; 0 is a well-formed option."""

    NONE = 0
    CUT = 1
    """The snap length cut the option: present fields are right, the others are missing."""
    LENGTH = 2
    """The length is none that the RFCs define for this subtype (and its flags)."""
    OVERRUN = 3
    """The length goes beyond the end of the TCP header."""
    SUBTYPE = 4
    """A subtype that no RFC defines."""
    VERSION = 5
    """MP_CAPABLE of a version other than 0 and 1: nothing beyond the flags is decoded."""


class DssFlag(enum.IntFlag):
    """Flags of a DSS option: RFC 8684, section 3.3, figure 9 (RFC 6824: figure 9)."""

    DATA_ACK = 0x01
    """A: a Data ACK is present."""
    DATA_ACK_64 = 0x02
    """a: the Data ACK has 8 bytes."""
    MAPPING = 0x04
    """M: data sequence number, subflow sequence number, length are present."""
    DSN_64 = 0x08
    """m: the data sequence number has 8 bytes."""
    DATA_FIN = 0x10
    """F: the mapping's last byte is the DATA_FIN."""


class Present(enum.IntFlag):
    """Bits of ``SignalOptions.present``: which decoded columns hold something."""

    KEY = 0x001
    PEER_KEY = 0x002
    TOKEN = 0x004
    NONCE = 0x008
    HMAC = 0x010
    """The leftmost or only 64 bits; ``hmac_offset`` says where all of it lies."""
    HMAC_160 = 0x020
    """The 20 bytes of a third ACK's MP_JOIN."""
    DATA_LENGTH = 0x040
    CHECKSUM = 0x080
    ADDRESS_ID = 0x100
    ADDRESS = 0x200
    PORT = 0x400
    DSN = 0x800
    REASON = 0x1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DssOptions:
    """DSS options (RFC 8684, section 3.3; RFC 6824, section 3.3): columns of equal length."""

    packet: Column
    """int64: row in `Packets` of the segment that carries the option; never decreases."""
    offset: Column
    """int64: where the option's kind byte is in the buffer."""
    length: Column
    """uint8: the option's length as written in it, bytes."""
    flags: Column
    """uint8: `DssFlag` bits as on the wire, reserved bits included."""
    problem: Column
    """uint8: `OptionProblem`; with any but NONE a number that was not there is 0: see `parts`."""
    parts: Column
    """uint8: which parts were read, as `DssFlag` bits DATA_ACK and MAPPING, and CHECKSUM_READ."""
    data_ack: Column
    """uint64: Data ACK; only the low 32 bits where DATA_ACK_64 is not set."""
    dsn: Column
    """uint64: data sequence number; only the low 32 bits where DSN_64 is not set."""
    ssn: Column
    """uint32: subflow sequence number, relative to the ISN; 0 for a DATA_FIN without data."""
    data_length: Column
    """uint16: Data-Level Length, DATA_FIN's one byte included; 0 is an infinite mapping."""
    checksum: Column
    """uint16: DSS checksum as sent; only where `fields` has CHECKSUM_READ."""

    def __len__(self) -> int:
        """Return the count of options."""
        return len(self.packet)


CHECKSUM_READ: Final = 0x80
"""Bit of ``DssOptions.parts``: the checksum was there and was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOptions:
    """Every kind-30 option but DSS; a column counts only where ``present`` has its bit."""

    packet: Column
    """int64: row in `Packets` of the segment that carries the option; never decreases."""
    offset: Column
    """int64: where the option's kind byte is in the buffer."""
    length: Column
    """uint8: the option's length as written in it, bytes."""
    subtype: Column
    """uint8: `Subtype`."""
    version: Column
    """uint8: MP_CAPABLE's version, and ADD_ADDR's where the form tells (RFC 6824: IPVer); else 0.

    ADD_ADDR: 0 where the low half of byte 2 is 4 or 6 (IPVer, RFC 6824, section 3.4.1, figure 12),
    1 where it is 0 or 1 (flag E of RFC 8684, section 3.4.1, figure 12).
    """
    flags: Column
    """uint8: flags as on the wire, without the version or subtype beside them.

    MP_CAPABLE: all eight, A to H (0x80 = A, checksum required; 0x20 = C, no subflows to this
    address (v1); 0x01 = H, HMAC-SHA1 in v0 and HMAC-SHA256 in v1).  MP_JOIN, MP_PRIO: low half of
    byte 2 (0x1 = B, backup).  ADD_ADDR v1: 0x1 = E, echo.  MP_TCPRST: low half (0x1 = T, transient;
    0x8, 0x4, 0x2 = U, V, W).
    """
    problem: Column
    """uint8: `OptionProblem`."""
    present: Column
    """uint16: `Present` bits."""
    key: Column
    """uint64: MP_CAPABLE: the option's sender's key; MP_FASTCLOSE: the receiver's key."""
    peer_key: Column
    """uint64: MP_CAPABLE's receiver's key (third ACK, and v1's first data)."""
    token: Column
    """uint32: MP_JOIN SYN: the receiver's token."""
    nonce: Column
    """uint32: MP_JOIN SYN and SYN/ACK: the sender's random number."""
    hmac: Column
    """uint64: truncated HMAC: MP_JOIN SYN/ACK, ADD_ADDR v1; first 8 bytes of the ACK's 20."""
    hmac_offset: Column
    """int64: where the HMAC starts in the buffer (8 bytes, 20 where HMAC_160); -1 without one."""
    dsn: Column
    """uint64: MP_FAIL: the data sequence number of the failure."""
    data_length: Column
    """uint16: MP_CAPABLE with data (RFC 8684, section 3.1): Data-Level Length, bytes."""
    checksum: Column
    """uint16: MP_CAPABLE with data and checksum."""
    address_id: Column
    """uint8: MP_JOIN SYN and SYN/ACK, ADD_ADDR, MP_PRIO (v0); REMOVE_ADDR: the first id."""
    address_family: Column
    """uint8: ADD_ADDR: 4 or 6; 0 without an address."""
    address_high: Column
    """uint64: ADD_ADDR: bytes 0 to 7 of the address, IPv4 mapped (RFC 4291, section 2.5.5.2)."""
    address_low: Column
    """uint64: ADD_ADDR: bytes 8 to 15 of the address."""
    port: Column
    """uint16: ADD_ADDR's port."""
    reason: Column
    """uint8: MP_TCPRST's reason (RFC 8684, sections 3.6 and 8.4)."""

    def __len__(self) -> int:
        """Return the count of options."""
        return len(self.packet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """TCP segments in the order of the file, and what else the frames held."""

    frame: Column
    """uint32: Wireshark's frame number in the file, from 1, over all packet records."""
    time_ns: Column
    """int64: nanoseconds since 1970, UTC, by the clock of the capturing machine."""
    interface: Column
    """uint32: index into ``Capture.interfaces``."""
    notes: Column
    """uint8: `Note` bits."""
    family: Column
    """uint8: 4 or 6."""
    src_high: Column
    """uint64: bytes 0 to 7 of the source address as a big-endian number; 0 for IPv4."""
    src_low: Column
    """uint64: bytes 8 to 15; for IPv4 mapped: 0x0000ffff00000000 | address."""
    dst_high: Column
    dst_low: Column
    src_port: Column
    """uint16."""
    dst_port: Column
    """uint16."""
    ttl: Column
    """uint8: Time to Live, or Hop Limit."""
    tos: Column
    """uint8: DSCP and ECN (IPv4 TOS, IPv6 traffic class)."""
    ip_id: Column
    """uint16: IPv4 Identification; 0 for IPv6 without a fragment header."""
    seq: Column
    """uint32: absolute sequence number."""
    ack: Column
    """uint32: absolute acknowledgement number."""
    flags: Column
    """uint16: the 12 low bits of header bytes 12 and 13: `Flag` bits and the reserved 0xe00."""
    window: Column
    """uint16: as on the wire, not scaled."""
    checksum: Column
    """uint16: as on the wire, not verified."""
    urgent: Column
    """uint16: urgent pointer."""
    ip_offset: Column
    """int64: where the IP header starts in the buffer."""
    tcp_offset: Column
    """int64: where the TCP header starts in the buffer; the options start 20 bytes later."""
    options_bytes: Column
    """uint8: length of the options that was captured, 0 to 40."""
    payload_offset: Column
    """int64: where the payload starts in the buffer (it may be captured in part or not at all)."""
    payload_bytes: Column
    """uint32: payload length on the wire, from the IP length."""
    captured_bytes: Column
    """uint32: how many bytes of the payload are in the buffer, from `payload_offset` on."""
    option_kinds: Column
    """uint32: bit k is set if an option of kind k (0 to 30) is there; bit 31: any other kind."""
    ts_value: Column
    """uint32: TSval of the first timestamps option (RFC 7323, section 3.2); bit 8 of the kinds."""
    ts_echo: Column
    """uint32: TSecr of it."""

    dss: DssOptions
    signals: SignalOptions

    buffer: npt.NDArray[np.uint8]
    """The capture itself, read-only: what every offset points into."""
    frame_count: int
    """Packet records in the file, TCP or not."""
    fragment_count: int
    """IP fragments other than first ones: they hold no TCP header and are not decoded."""
    cut_count: int
    """TCP segments captured with less than 20 bytes of TCP header: counted, no row."""

    def __len__(self) -> int:
        """Return the count of TCP segments."""
        return len(self.frame)

    def option_bytes(self, row: int) -> bytes:
        """Return the captured option list of one segment, for `options.decode`."""
        start = int(self.tcp_offset[row]) + TCP_HEADER_BYTES
        return self.buffer[start : start + int(self.options_bytes[row])].tobytes()

    def payload(self, row: int) -> bytes:
        """Return the captured part of one segment's payload."""
        start = int(self.payload_offset[row])
        return self.buffer[start : start + int(self.captured_bytes[row])].tobytes()


def empty() -> Packets:
    """Return tables without a row, what a file without TCP gives."""
    return Packets(
        **columns(PACKET_TYPES, 0),
        dss=DssOptions(**columns(DSS_TYPES, 0)),
        signals=SignalOptions(**columns(SIGNAL_TYPES, 0)),
        buffer=np.zeros(0, dtype=np.uint8),
        frame_count=0,
        fragment_count=0,
        cut_count=0,
    )


def rows_of(table: Any, rows: Column | slice) -> dict[str, Column]:  # noqa: ANN401 - any of the three tables
    """Return the chosen rows of a table's columns by name; counts and sub-tables are left out."""
    return {
        field.name: value[rows]
        for field in fields(table)
        if isinstance(value := getattr(table, field.name), np.ndarray) and field.name != "buffer"
    }
