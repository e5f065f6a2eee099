"""What connections and subflows are, as values; `connections` finds them."""

import enum
from dataclasses import dataclass

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.flows.handshakes import Handshake


class Kind(enum.StrEnum):
    """What a connection turned out to be, as this capture shows it."""

    MPTCP = "mptcp"
    FALLBACK = "fallback"
    """MP_CAPABLE was tried, the three-way handshake with it was not completed."""
    TCP = "tcp"


class Role(enum.StrEnum):
    """What a subflow is to its connection."""

    INITIAL = "initial"
    JOIN = "join"


class HmacState(enum.StrEnum):
    """What a check of MP_JOIN's HMACs gave; one wrong HMAC is ``bad``."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Nothing to check, or a key was not captured."""


class Close(enum.StrEnum):
    """How a connection ended in the capture."""

    FIN = "fin"
    """Both ends closed: by DATA_FIN, or by FIN on every subflow."""
    FASTCLOSE = "fastclose"
    """MP_FASTCLOSE: RFC 8684, section 3.5."""
    RST = "rst"
    OPEN = "open"
    """None of these: it went on, or the capture ended."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subflow:
    """One TCP connection as part of a connection; client and server are the connection's."""

    id: int
    """Position in the connection, from 0."""
    flow: int
    """Row in `flows.Flows`."""
    role: Role
    complete: bool
    """The three-way handshake was seen, each step with the option of the role."""
    midstream: bool
    """No SYN or SYN/ACK was captured."""
    opened_by_server: bool
    """The connection's server sent the SYN (a join that it opened)."""
    client: Endpoint
    server: Endpoint
    isn_client: int | None
    isn_server: int | None
    rows_c2s: Column
    """int64: rows in `Packets` that the client sent, in the order of time."""
    rows_s2c: Column
    """int64: rows in `Packets` that the server sent, in the order of time."""
    hmac: HmacState
    hmac_ok_count: int
    """MP_JOIN HMACs found right: SYN/ACK and third ACK, at most 2."""
    hmac_bad_count: int
    backup: bool
    """Flag B in MP_JOIN's SYN or SYN/ACK: either end asks to use it as backup only."""
    speaks_mptcp: bool
    """Any segment has a kind-30 option."""
    options_cut: bool
    """The snap length cut the options of some segment: a missing one proves nothing."""
    handshake: Handshake
    """The options of its handshake, with their rows."""
    start_ns: int
    """Time of its first segment."""
    end_ns: int
    """Time of its last segment."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Connection:
    """A connection with its subflows; plain TCP has one."""

    id: int
    """Position in the capture by the time of the first segment, from 0."""
    kind: Kind
    mptcp_version: int | None
    """0 or 1; none for plain TCP and where the handshake was not captured."""
    client: Endpoint
    """Who opened it, with its first address; of orphaned joins, the end without the token."""
    server: Endpoint
    key_client: int | None
    key_server: int | None
    token_client: int | None
    """Names the client in joins that the server opens: section 3.2."""
    token_server: int | None
    """Names the server in joins that the client opens."""
    checksum_required: bool | None
    """Either end set flag A of MP_CAPABLE; none where the handshake was not captured."""
    add_addr_ok_count: int
    """ADD_ADDR HMACs found right."""
    add_addr_bad_count: int
    subflows: tuple[Subflow, ...]
    close: Close
    start_ns: int
    end_ns: int

    @property
    def established(self) -> bool:
        """The three-way handshake with MP_CAPABLE in each step was captured."""
        return self.subflows[0].role is Role.INITIAL and self.subflows[0].complete

    @property
    def orphan(self) -> bool:
        """Only joins were captured: the connection began before the capture, or elsewhere."""
        return self.subflows[0].role is Role.JOIN
