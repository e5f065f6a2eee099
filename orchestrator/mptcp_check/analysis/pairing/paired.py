"""One connection as both ends captured it: the values that pairing makes and detectors read.

A `PairedConnection` has subflows, a `PairedSubflow` two lanes (one per direction), a `Lane` two
halves: what the sender's capture holds of it and what the receiver's does.  Half and capture may
be missing; what is missing is ``None``, never an empty stand-in, so that nobody takes 'not
captured' for 'not sent'.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.connections import Connection, Role, Subflow
from mptcp_check.model import Direction, Side

OTHER_SIDE: Final[Mapping[Side, Side]] = {Side.CLIENT: Side.SERVER, Side.SERVER: Side.CLIENT}
BACK: Final[Mapping[Direction, Direction]] = {
    Direction.C2S: Direction.S2C,
    Direction.S2C: Direction.C2S,
}
"""The direction in which the answer goes."""


class Clue(enum.StrEnum):
    """What says that two flows in two captures are one; the strongest first."""

    KEYS = "MPTCP keys"
    JOIN = "MP_JOIN token and nonce"
    ISN_OPENER = "initial sequence number of the opener"
    ISN_LISTENER = "initial sequence number of the listener"
    SEQUENCE = "sequence numbers in one range"
    """Only where a SYN is missing: the capture began late."""
    TIMESTAMP = "TCP timestamp of the SYN"
    PAYLOAD_OPENER = "payload of the opener"
    PAYLOAD_LISTENER = "payload of the listener"
    ADDRESSES = "addresses and ports"
    TIME = "time"


_MADE_BY_THE_ENDS: Final = frozenset(
    {
        Clue.KEYS,
        Clue.JOIN,
        Clue.ISN_OPENER,
        Clue.ISN_LISTENER,
        Clue.SEQUENCE,
        Clue.TIMESTAMP,
    }
)


class MatchedBy(enum.IntEnum):
    """Why two captured segments are taken for one, the weakest reason first."""

    ORDER = 1
    """Several copies, nothing tells them apart: a guess that must not accuse anybody."""
    TIME = 2
    """The last copy sent before, by both clocks."""
    ALONE = 3
    """There was but one copy at both ends, or one field agrees and the other does not."""
    FIELDS = 4
    """Timestamp and IP identification agree, as far as there are any, and belong to one copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How far the server's clock is ahead of the client's: somewhere between two bounds."""

    low_ns: int
    high_ns: int

    @property
    def middle_ns(self) -> int:
        """The best guess: the true value, if both ways take the same time."""
        return (self.low_ns + self.high_ns) // 2

    def sent_before(self, sent_ns: int, sender: Side, received_ns: int) -> bool:
        """Say whether a segment sent then can have been received then, by both clocks.

        Args:
            sent_ns: Time by the sender's clock.
            sender: Whose clock that is.
            received_ns: Time by the other end's clock.
        """
        if sender is Side.CLIENT:
            return received_ns - sent_ns >= self.low_ns
        return received_ns - sent_ns >= -self.high_ns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Half:
    """One direction of one subflow as one capture holds it, in the order of time."""

    side: Side
    capture: Capture
    rows: Column
    """int64: rows of ``capture.packets``, oldest first."""
    starts: Column
    """int64: place of each segment's first payload byte in the stream, from 0.

    Relative to the initial sequence number at this end, hence comparable between the ends though
    sequence numbers were rewritten.
    """
    isn: int | None
    """Initial sequence number at this end; none if no SYN of this direction was captured."""

    def frame(self, row: int) -> int:
        """Return Wireshark's number of the frame of a row."""
        return int(self.capture.packets.frame[row])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane:
    """One direction of one subflow at both ends."""

    direction: Direction
    sender: Side
    sent: Half | None
    received: Half | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One segment at both ends: rows of the sender's and of the receiver's capture."""

    sent: int
    received: int
    by: MatchedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """What became of some segments of one lane on the way."""

    arrived: tuple[Crossing, ...] = ()
    """In the order of sending."""
    vanished: tuple[int, ...] = ()
    """Rows of the sender's capture without a counterpart."""
    appeared: tuple[int, ...] = ()
    """Rows of the receiver's capture without a counterpart."""

    @property
    def at_sender(self) -> Column:
        """All rows of the sender's capture, in no particular order."""
        return np.array([*(c.sent for c in self.arrived), *self.vanished], dtype=np.int64)

    @property
    def at_receiver(self) -> Column:
        """All rows of the receiver's capture, in no particular order."""
        return np.array([*(c.received for c in self.arrived), *self.appeared], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeCrossings:
    """The three-way handshake of one subflow at both ends; lanes as in the subflow."""

    syns: Crossings
    synacks: Crossings
    acks: Crossings
    """The opener's first bare ACKs, the third of the handshake among them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedSubflow:
    """One TCP connection at both ends."""

    id: int
    """Position in the connection, from 0."""
    role: Role
    opening: Direction
    """The direction of its SYN: s2c where the connection's server opened a join."""
    views: Mapping[Side, Subflow]
    """Each capture's own view of it; at least one."""
    lanes: Mapping[Direction, Lane]
    handshake: HandshakeCrossings
    paired_by: tuple[Clue, ...]
    """Why the two views are one; empty if there is but one view."""

    @property
    def is_one_connection(self) -> bool:
        """Whether both ends see one TCP connection, not one at each side of a proxy.

        Payload, addresses and time pass a proxy; keys, nonces, sequence numbers and timestamps
        are made anew by whoever opens the second connection.
        """
        return not _MADE_BY_THE_ENDS.isdisjoint(self.paired_by)

    @property
    def opener(self) -> Lane:
        """The lane of the SYN and the third ACK."""
        return self.lanes[self.opening]

    @property
    def listener(self) -> Lane:
        """The lane of the SYN/ACK."""
        return self.lanes[BACK[self.opening]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedConnection:
    """One Multipath TCP (or plain TCP) connection with all that belongs to it at both ends."""

    id: int
    client_side: Side
    """At which machine the connection's client is: the server's, for FTP's active data."""
    views: Mapping[Side, tuple[Connection, ...]]
    """Connections of the captures that turned out to be this one.

    More than one where a join is a TCP connection of its own at one end, its option removed.
    """
    subflows: tuple[PairedSubflow, ...]
    """The initial subflow first, then the joins in the order of their time."""
    clock: ClockOffset | None
    one_sided: bool
    """Whether there was but one capture at all."""
    start_ns: int
    """Time of its first segment, by the client machine's clock where that captured it."""
    end_ns: int
    """Time of its last segment, the same way."""

    @property
    def initial(self) -> PairedSubflow | None:
        """The first subflow; none if only joins were captured."""
        return next((s for s in self.subflows if s.role is Role.INITIAL), None)

    @property
    def joins(self) -> tuple[PairedSubflow, ...]:
        """The further subflows."""
        return tuple(s for s in self.subflows if s.role is Role.JOIN)
