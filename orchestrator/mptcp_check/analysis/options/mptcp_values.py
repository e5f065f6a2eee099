"""The options of Multipath TCP as values: one class per figure of RFC 8684.

What RFC 6824 (version 0) draws differently is said in each class.  ``flags`` and ``reserved`` hold
the bits as on the wire, so that a value gives its bytes back exactly.
"""

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mptcp_check.analysis.capture.packets import DssFlag, Subtype


class CapableFlag(enum.IntFlag):
    """Flags of MP_CAPABLE: RFC 8684, section 3.1, figure 4."""

    CHECKSUM_REQUIRED = 0x80
    """A."""
    EXTENSIBILITY = 0x40
    """B: must be 0, else the option is ignored."""
    NO_MORE_SUBFLOWS = 0x20
    """C: no subflows to this address and port; version 1 only."""
    HMAC = 0x01
    """H: HMAC-SHA256 in version 1, HMAC-SHA1 in version 0."""


class ResetReason(enum.IntEnum):
    """Reason codes of MP_TCPRST: RFC 8684, sections 3.6 and 8.4."""

    UNSPECIFIED = 0
    MPTCP_SPECIFIC = 1
    LACK_OF_RESOURCES = 2
    PROHIBITED = 3
    TOO_MUCH_OUTSTANDING_DATA = 4
    UNACCEPTABLE_PERFORMANCE = 5
    MIDDLEBOX_INTERFERENCE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class MpCapable:
    """MP_CAPABLE: RFC 8684, section 3.1, figure 4; RFC 6824, section 3.1, figure 4.

    Version 1 has 4 bytes in the SYN, 12 with the sender's key in the SYN/ACK, 20 with both keys in
    the third ACK, 22 with data and 24 with data and its checksum.  Version 0 has the sender's key
    in the SYN already (12 bytes) and knows no data (20 bytes in the ACK).
    """

    version: int
    flags: int
    """`CapableFlag` bits; the others are reserved or other algorithms."""
    sender_key: int | None = None
    receiver_key: int | None = None
    data_length_bytes: int | None = None
    """Data-Level Length of the mapping from the IDSN + 1 on; version 1 only."""
    checksum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MpJoinSyn:
    """MP_JOIN in a SYN: RFC 8684 and 6824, section 3.2, figure 5; 12 bytes."""

    flags: int
    """Low half of byte 2: 0x1 = B, backup."""
    address_id: int
    token: int
    """The receiver's token."""
    nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MpJoinSynAck:
    """MP_JOIN in a SYN/ACK: RFC 8684 and 6824, section 3.2, figure 6; 16 bytes."""

    flags: int
    """Low half of byte 2: 0x1 = B, backup."""
    address_id: int
    hmac: bytes
    """The leftmost 8 bytes of the sender's HMAC."""
    nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MpJoinAck:
    """MP_JOIN in the third ACK: RFC 8684 and 6824, section 3.2, figure 7; 24 bytes."""

    hmac: bytes
    """The leftmost 20 bytes of the sender's HMAC."""
    reserved: int = 0
    """12 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The mapping in a DSS option: RFC 8684 and 6824, section 3.3.1."""

    dsn: int
    """Data sequence number of the first byte; its low 32 bits where DSN_64 is not set."""
    ssn: int
    """Sequence number on the subflow, relative to its ISN; 0 for a DATA_FIN alone."""
    data_length_bytes: int
    """Data-Level Length; 0 makes the mapping infinite (section 3.7)."""
    checksum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dss:
    """Data Sequence Signal: RFC 8684 and 6824, section 3.3, figure 9; 4 to 28 bytes."""

    flags: int
    """`packets.DssFlag` bits, reserved ones included: they say which parts follow."""
    data_ack: int | None = None
    """There if and only if DATA_ACK is set."""
    mapping: Mapping | None = None
    """There if and only if MAPPING is set."""
    reserved: int = 0
    """Low half of byte 2."""

    @property
    def data_fin(self) -> bool:
        """Whether the mapping ends the connection's data: section 3.3.3."""
        return bool(self.flags & DssFlag.DATA_FIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAddr:
    """ADD_ADDR: RFC 8684, section 3.4.1, figure 12; RFC 6824, section 3.4.1, figure 12.

    Version 1: 8 bytes of HMAC, unless it is an echo.  Version 0: no HMAC, no echo, and the IP
    version (4 or 6) where version 1 has its flags.  Drafts between the two had both.
    """

    flags: int
    """Low half of byte 2: 0x1 = E, echo (version 1); 4 or 6, the IP version (version 0)."""
    address_id: int
    address: IPv4Address | IPv6Address
    port: int | None = None
    hmac: bytes | None = None
    """The rightmost 8 bytes of the sender's HMAC."""

    @property
    def echo(self) -> bool:
        """Whether this confirms an announcement of the peer."""
        return self.flags & 0x0F == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAddr:
    """REMOVE_ADDR: RFC 8684, section 3.4.2, figure 13 (RFC 6824: the same); 3 + n bytes."""

    address_ids: tuple[int, ...]
    """One or more."""
    reserved: int = 0
    """Low half of byte 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MpPrio:
    """MP_PRIO: RFC 8684, section 3.3.8, figure 11; 3 bytes.

    Version 0 has the same figure with an optional address id: 4 bytes.
    """

    flags: int
    """Low half of byte 2: 0x1 = B, backup."""
    address_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MpFail:
    """MP_FAIL: RFC 8684, section 3.7, figure 16; RFC 6824, section 3.6, figure 15; 12 bytes."""

    dsn: int
    """Data sequence number, 64 bits, of the mapping whose checksum failed."""
    reserved: int = 0
    """12 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MpFastclose:
    """MP_FASTCLOSE: RFC 8684 and 6824, section 3.5, figure 14; 12 bytes."""

    receiver_key: int
    reserved: int = 0
    """12 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MpTcprst:
    """MP_TCPRST: RFC 8684, section 3.6, figure 15; 4 bytes; not in version 0."""

    flags: int
    """Low half of byte 2: 0x1 = T, transient; 0x8, 0x4, 0x2 = U, V, W, unassigned."""
    reason: int
    """`ResetReason`, or a number not assigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MpOther:
    """A subtype without a layout: 0xF, for experiments (RFC 8684, section 8.2), or undefined."""

    subtype: int
    flags: int
    """Low half of byte 2."""
    data: bytes
    """What follows byte 2."""

    @property
    def experimental(self) -> bool:
        """Whether the subtype is the one for experiments."""
        return self.subtype == Subtype.MP_EXPERIMENTAL


MptcpOption = (
    MpCapable
    | MpJoinSyn
    | MpJoinSynAck
    | MpJoinAck
    | Dss
    | AddAddr
    | RemoveAddr
    | MpPrio
    | MpFail
    | MpFastclose
    | MpTcprst
    | MpOther
)
