"""What each depth of a run is made of: blocks of transfers and conditions, with reasons; PURE.

The tables name few applications: whatever `APPLICATIONS` holds is planned by the blocks for all.
``docs/suite.md`` says the same for people; a test compares the two.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from mptcp_check.exchanges.conditions import (
    BACKUP,
    BOTH_FAMILIES,
    CHECKED,
    CONTROL,
    ONE_PATH,
    SIGNAL,
    THREE_PATHS,
    TWINS,
    TWO_PATHS,
    Condition,
    handovers,
)
from mptcp_check.model import Family, Upset

KIB = 1024
MIB = 1024 * KIB

PAYLOAD_BYTES = MIB
"""0.2 s at 40 Mbit/s: a second subflow has joined (30 ms) long before the end."""

EACH_BYTES = 256 * KIB
"""For the many: a second subflow joins after two round trips, and this takes five or more."""

SEGMENT_BYTES = 1000
"""One segment, below every path's MTU."""

LARGE_BYTES = 20 * MIB
HANDOVER_BYTES = 8 * MIB
"""At 40 Mbit/s on each of two paths 0.8 s, on one 1.7 s: the path goes after an eighth of it."""

METERED_BYTES = 128 * KIB
"""The least in which a second subflow has time to join."""


class Depth(enum.StrEnum):
    """How much a run tries."""

    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"
    METERED = "metered"


class Directions(enum.Enum):
    """Which ways of a mode's payload a block takes."""

    FIRST = enum.auto()
    """The first that the mode knows."""
    EACH = enum.auto()


class Modes(enum.Enum):
    """Which modes of an application a block takes."""

    LAST = enum.auto()
    """The last of the table: passive for ftp, as nearly all clients are."""
    EACH = enum.auto()


class Ports(enum.Enum):
    """Which ports of an application a block takes."""

    USUAL = enum.auto()
    FURTHER = enum.auto()
    """All but the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Transfers that are run under the same conditions, and why."""

    why: str
    conditions: tuple[Condition, ...]
    apps: frozenset[str] | None = None
    """None is every application that the run is about."""
    but: frozenset[str] = frozenset()
    """Left to another block."""
    modes: Modes = Modes.EACH
    directions: Directions = Directions.EACH
    families: tuple[Family, ...] = (Family.IPV4,)
    ports: Ports = Ports.USUAL
    payload_bytes: tuple[int, ...] = (PAYLOAD_BYTES,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a depth means."""

    words: str
    blocks: tuple[Block, ...]
    apps: tuple[str, ...] | None = None
    """What is run when the user names nothing; none is every application."""
    most_bytes: int | None = None
    """Of all payloads together: sizes shrink to fit."""
    cap_bytes: int | None = None
    """Of everything on the client's wire, headers and retransmissions too: the run ends there."""
    repeats: bool = True
    """Whether what deviates is tried again."""


HTTP = frozenset({"http"})
CROSSED = frozenset({"http", "ftp"})
"""Clear text that boxes read and rewrite: where checksum and subflows decide what comes of it."""
JOINED = frozenset({"http", "https"})
"""One that boxes can read and one that they cannot."""

QUICK_MOST_BYTES = 16_000_000
METERED_MOST_BYTES = 1_500_000
METERED_CAP_BYTES = 2_500_000

SCOPES: Mapping[Depth, Scope] = {
    Depth.QUICK: Scope(
        words="under a minute of traffic and under 20 MB",
        apps=("http", "https", "ftp"),
        most_bytes=QUICK_MOST_BYTES,
        blocks=(
            Block(
                why="clear text in both directions, as a download and an upload meet other boxes",
                apps=HTTP,
                conditions=(CONTROL, TWO_PATHS),
            ),
            Block(
                why="each other application once: https cannot be read, ftp names addresses that"
                " gateways rewrite",
                but=HTTP,
                modes=Modes.LAST,
                directions=Directions.FIRST,
                conditions=(CONTROL, TWO_PATHS),
            ),
        ),
    ),
    Depth.DEFAULT: Scope(
        words="every application once, the conditions on http",
        blocks=(
            Block(
                why="boxes rewrite what they can read: checksum, subflows and direction decide"
                " whether that is noticed, mended or delivered wrong",
                apps=CROSSED,
                conditions=(CONTROL, *TWINS),
            ),
            Block(
                why="every application once over two paths beside its control: boxes differ by"
                " port and by what they recognise",
                but=CROSSED,
                directions=Directions.FIRST,
                conditions=(CONTROL, TWO_PATHS),
                payload_bytes=(EACH_BYTES,),
            ),
            Block(
                why="some boxes look at port 80 only, some at every port but the usual ones",
                ports=Ports.FURTHER,
                modes=Modes.LAST,
                directions=Directions.FIRST,
                conditions=(CONTROL, TWO_PATHS),
                payload_bytes=(EACH_BYTES,),
            ),
            Block(
                why="who opens the further subflows is between the kernels and the path: one"
                " application shows it for all",
                apps=HTTP,
                directions=Directions.FIRST,
                conditions=(CONTROL, BACKUP, SIGNAL),
            ),
            Block(
                why="IPv6 takes other routes and meets other boxes, and one connection may use both"
                " families at once",
                apps=HTTP,
                directions=Directions.FIRST,
                families=(Family.IPV6,),
                conditions=(CONTROL, TWO_PATHS, BOTH_FAMILIES),
            ),
            Block(
                why="what Multipath TCP is worth here: the first path goes away in mid-transfer",
                apps=HTTP,
                directions=Directions.FIRST,
                conditions=handovers(Upset.INTERFACE_DOWN),
                payload_bytes=(HANDOVER_BYTES,),
            ),
        ),
    ),
    Depth.FULL: Scope(
        words="every application in every mode, all conditions where they can matter",
        blocks=(
            Block(
                why="as in the default, in both families",
                apps=CROSSED,
                families=tuple(Family),
                conditions=(CONTROL, *TWINS),
            ),
            Block(
                why="every application, mode and direction over one path and two, and with"
                " checksums: gateways know protocols",
                but=CROSSED,
                conditions=(CONTROL, ONE_PATH, TWO_PATHS, CHECKED),
                payload_bytes=(EACH_BYTES,),
            ),
            Block(
                why="IPv6 for every application once: a firewall has rules of its own there",
                but=CROSSED,
                modes=Modes.LAST,
                directions=Directions.FIRST,
                families=(Family.IPV6,),
                conditions=(CONTROL, TWO_PATHS),
                payload_bytes=(EACH_BYTES,),
            ),
            Block(
                why="every application on each of its ports",
                ports=Ports.FURTHER,
                modes=Modes.LAST,
                conditions=(CONTROL, TWO_PATHS, CHECKED),
                payload_bytes=(EACH_BYTES,),
            ),
            Block(
                why="further subflows in every way: backup, announced by the server, in the other"
                " family, three of them; from either family",
                apps=JOINED,
                families=tuple(Family),
                conditions=(CONTROL, BACKUP, SIGNAL, BOTH_FAMILIES, THREE_PATHS),
            ),
            Block(
                why="one segment, where the first data are the last",
                apps=JOINED,
                conditions=(CONTROL, ONE_PATH),
                payload_bytes=(SEGMENT_BYTES,),
            ),
            Block(
                why="a box may lose patience late: 64 KiB, and long enough to fill every queue",
                apps=HTTP,
                conditions=(CONTROL, TWO_PATHS),
                payload_bytes=(64 * KIB, LARGE_BYTES),
            ),
            Block(
                why="every handover in both directions: who notices first differs",
                apps=HTTP,
                conditions=handovers(*Upset),
                payload_bytes=(HANDOVER_BYTES,),
            ),
        ),
    ),
    Depth.METERED: Scope(
        words=f"few bytes; it ends at {METERED_CAP_BYTES / 1e6:g} MB whatever happens",
        apps=("http", "https", "ftp"),
        most_bytes=METERED_MOST_BYTES,
        cap_bytes=METERED_CAP_BYTES,
        repeats=False,
        blocks=(
            Block(
                why="each application once over two paths beside its control, as small as a second"
                " subflow allows",
                modes=Modes.LAST,
                directions=Directions.FIRST,
                conditions=(CONTROL, TWO_PATHS),
                payload_bytes=(METERED_BYTES,),
            ),
        ),
    ),
}
