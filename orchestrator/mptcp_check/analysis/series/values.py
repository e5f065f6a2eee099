"""Time series of one connection as columns: what `extraction` finds and `plots` draws.

Times are nanoseconds since 1970 by the capturing machine, as in `packets.Packets`, and never
decrease within a table.  Numbers on the data level are relative: 0 is the IDSN, so the first byte
of data is 1 (RFC 8684, section 3.3); where no key was captured 0 is the first number seen.
"""

import enum
from dataclasses import dataclass

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.connections import Connection


class Sending(enum.IntEnum):
    """Why a piece of data was sent, as far as this capture shows."""

    NEW = 0
    RETRANSMITTED = 1
    """Its subflow sequence numbers were seen before: TCP sent it again (RFC 9293, section 3.8)."""
    REINJECTED = 2
    """Another subflow was the first to carry some of its data: RFC 8684, section 3.3.6."""
    REPEATED = 3
    """The same subflow carried its data under other sequence numbers: a retransmission on the
    level of data, as when the DATA_ACK stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentData:
    """Payload with its place in the data: one row per segment and mapping that covers it."""

    time_ns: Column
    """int64."""
    row: Column
    """int64: row in `Packets` of the segment; decides where times are equal."""
    start: Column
    """int64: relative data sequence number of the first byte."""
    end: Column
    """int64: after the last byte; the byte of a DATA_FIN does not count."""
    subflow: Column
    """int64: position in the connection."""
    fresh_bytes: Column
    """int64: how many of the bytes no earlier row has."""
    sending: Column
    """uint8: `Sending`."""

    def __len__(self) -> int:
        """Return the count of rows."""
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """DATA_ACKs of the other end: one row per option (RFC 8684, section 3.3.2)."""

    time_ns: Column
    row: Column
    """int64: row in `Packets` of the segment."""
    data_ack: Column
    """int64: relative number of the next byte that is expected."""
    advance_bytes: Column
    """int64: how much more it acknowledges than every one before; 0 for a repeated one."""
    right_edge: Column
    """int64: most that any DATA_ACK so far plus its window allows (section 3.3.1); -1 unknown."""
    subflow: Column
    """int64: the subflow that carried it."""

    def __len__(self) -> int:
        """Return the count of rows."""
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A value that holds until the next one."""

    time_ns: Column
    value: Column
    """int64 or float64."""

    def __len__(self) -> int:
        """Return the count of changes."""
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubflowSeries:
    """One direction of one subflow, on the level of TCP."""

    subflow: int
    """Position in the connection."""
    flight: Steps
    """Bytes sent and not acknowledged, as the capture point sees them."""
    rtt_acks: Steps
    """Nanoseconds from a segment to the ACK for its last byte, without what was retransmitted."""
    rtt_timestamps: Steps
    """Nanoseconds from a timestamp's first segment to its first echo (RFC 7323, section 4.1)."""
    ack_sizes: Steps
    """Bytes that each ACK acknowledges beyond the one before."""
    throughput: Steps
    """Payload bits per second, retransmissions included: a moving average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionSeries:
    """What one end sent to the other over all subflows, and what was answered."""

    from_client: bool
    sent: SentData
    unmapped_bytes: int
    """Payload that no mapping covers, as after a fallback (RFC 8684, section 3.7)."""
    acknowledged: Acknowledged
    implausible_count: int
    """Mappings and DATA_ACKs left out: more than 4 GiB away from the ones before."""
    origin_known: bool
    """0 is the IDSN; else the first number seen."""
    outstanding: Steps
    """Data sent and not acknowledged by DATA_ACK, bytes."""
    flight: Steps
    """The subflows' flights together, bytes."""
    window: Steps
    """Right edge less DATA_ACK, bytes; empty where no window scale was captured."""
    goodput: Steps
    """Data bits per second that DATA_ACKs acknowledge: a moving average."""
    goodput_from_acks: bool
    """False where no DATA_ACK was captured: then it is new data sent."""
    average_ns: int
    """Span of the moving averages."""
    subflows: tuple[SubflowSeries, ...]

    @property
    def data_bytes(self) -> int:
        """Distinct data bytes sent."""
        return int(self.sent.fresh_bytes.sum())


class EventKind(enum.IntEnum):
    """What is marked in every plot."""

    MP_CAPABLE = 0
    MP_JOIN = 1
    ADD_ADDR = 2
    ADD_ADDR_ECHO = 3
    REMOVE_ADDR = 4
    MP_PRIO = 5
    MP_FAIL = 6
    INFINITE_MAPPING = 7
    DATA_FIN = 8
    MP_FASTCLOSE = 9
    MP_TCPRST = 10
    RST = 11
    """A reset without MP_TCPRST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What was signalled, in the order of time; of a burst of copies each one is a row."""

    time_ns: Column
    kind: Column
    """uint8: `EventKind`."""
    subflow: Column
    """int64."""
    from_client: Column
    """bool: who sent it."""
    detail: Column
    """int64: address id (ADD_ADDR, REMOVE_ADDR, MP_JOIN), B of MP_PRIO, reason; -1 without."""

    def __len__(self) -> int:
        """Return the count of events."""
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSeries:
    """All that is drawn of one connection."""

    connection: Connection
    directions: tuple[DirectionSeries, ...]
    """Those that carried payload, the client's first."""
    events: Events
