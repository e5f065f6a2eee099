"""The values that travel between the stages: frozen, documented, units in their names."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


class Direction(enum.StrEnum):
    """Which way bytes travel; the client is who opened the Multipath TCP connection."""

    C2S = "c2s"
    S2C = "s2c"
    BOTH = "both"
    """Of a behaviour or a finding, never of a frame."""


FRAME_DIRECTIONS: Final = (Direction.C2S, Direction.S2C)
"""Those that a frame can have."""


class Side(enum.StrEnum):
    """At which end a capture was taken."""

    CLIENT = "client"
    SERVER = "server"


class State(enum.StrEnum):
    """What a detector can say: silence is never taken for health."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    NOT_MEASURED = "not_measured"


class Confidence(enum.StrEnum):
    """How much a finding rests on."""

    CONFIRMED = "confirmed"
    """Both captures show it."""
    ONE_SIDED = "one_sided"
    """Only one capture was there."""
    LIKELY = "likely"


class Outcome(enum.StrEnum):
    """What became of one exchange; behaviours.md, 'Outcome of an exchange'."""

    MPTCP = "mptcp"
    MPTCP_DEGRADED = "mptcp_degraded"
    FELL_BACK_AT_HANDSHAKE = "fell_back_at_handshake"
    FELL_BACK_AT_FIRST_DATA = "fell_back_at_first_data"
    FELL_BACK_MIDSTREAM = "fell_back_midstream"
    CORRUPTED = "corrupted"
    HUNG = "hung"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    NOT_MEASURED = "not_measured"
    UNSTABLE = "unstable"
    """Tried several times, and it went differently each time: the tries say how."""
    TCP = "tcp"
    """The control over plain TCP worked; only ever of an exchange whose transport is TCP."""
    TCP_BROKE = "tcp_broke"
    """Plain TCP did not survive a handover, as was to be expected; only ever of its control."""


class Transport(enum.StrEnum):
    """What the applications of an exchange open."""

    MPTCP = "mptcp"
    TCP = "tcp"


class Family(enum.StrEnum):
    """The address family of an exchange."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Joining(enum.StrEnum):
    """How the further subflows of an exchange come about; of one with one path it says nothing."""

    SUBFLOW = "subflow"
    """The client opens them from its other addresses."""
    BACKUP = "backup"
    """So too, with the B bit: to be used when nothing else is left (RFC 8684, section 3.2)."""
    SIGNAL = "signal"
    """The server announces its other addresses (ADD_ADDR, section 3.4.1), the client joins them."""
    OTHER_FAMILY = "other_family"
    """So too, with an address of the other family: one connection over IPv4 and IPv6 at once."""


ANNOUNCED = frozenset({Joining.SIGNAL, Joining.OTHER_FAMILY})
"""Where the server's announcement comes before the join."""


class Upset(enum.StrEnum):
    """What is done to the first path in mid-transfer."""

    INTERFACE_DOWN = "interface_down"
    """The client's interface goes down and comes up again; nobody tells the server."""
    ADDRESS_REMOVED = "address_removed"
    """The client loses the address and the path manager is told: REMOVE_ADDR, then it is back."""
    PATH_LOST = "path_lost"
    """Every frame of the link vanishes for a while; neither end knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What happens to the path of the first subflow while data flow, and when."""

    upset: Upset
    after_bytes: int
    """How much has crossed the client's interfaces since the client program started."""
    lasts_s: float


class Transfer(enum.StrEnum):
    """Which way the application's payload goes, seen from the client."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One application over one transport: what is planned, before anything runs."""

    id: int
    """Position in the plan, from 0."""
    app: str
    """``http`` or ``ftp``; a name of `exchanges.APPLICATIONS`."""
    mode: str | None
    """``active`` or ``passive`` for ftp, none where the application has no modes."""
    direction: Transfer
    transport: Transport
    checksum: bool
    """Whether DSS checksums are asked for (RFC 8684, section 3.1, flag A)."""
    paths: int
    """How many subflows are wanted; 1 for plain TCP."""
    family: Family
    port: int
    payload_bytes: int
    deadline_s: float
    """A hard end: what has not finished by then has hung."""
    joining: Joining = Joining.SUBFLOW
    handover: Handover | None = None

    @property
    def control_key(self) -> tuple[object, ...]:
        """What it has in common with its control: the same transfer over plain TCP.

        A handover has the undisturbed transfer for its control as well: that plain TCP does not
        survive one excuses nobody.
        """
        return self.app, self.mode, self.direction, self.family, self.port

    @property
    def is_control(self) -> bool:
        """Whether it says if the transfer works at all without Multipath TCP."""
        return self.transport is Transport.TCP and self.handover is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One frame a finding rests on."""

    side: Side
    frame: int
    """Frame number in that side's capture file, from 1, as Wireshark counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one detector says about one connection, and why."""

    behaviour: str
    """Identifier of the catalogue; it is stored, so a changed meaning needs a new one."""
    state: State
    because: str
    """One sentence a network engineer would write."""
    connection: int | None = None
    subflow: int | None = None
    direction: Direction | None = None
    confidence: Confidence = Confidence.CONFIRMED
    evidence: tuple[Evidence, ...] = ()
    measures: Mapping[str, int] = field(default_factory=dict[str, int])
    """Numbers with their unit in the key: ``setup_delay_ns``, ``bytes_altered_count``."""
