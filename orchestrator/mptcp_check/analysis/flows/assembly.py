"""All connections of a capture as columns: what `subflows.Connection` says of one.

A file may hold millions of connections, and their columns take a hundredth of the room and of the
time of their values, which are made from them one at a time.
"""

from typing import Final, Protocol

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.flows.handshakes import (
    CAPABLE_SYN,
    CAPABLE_SYNACK,
    JOIN_ACK,
    JOIN_SYNACK,
    Handshakes,
)
from mptcp_check.analysis.flows.keys import (
    NO_TOKEN,
    HandshakeColumns,
    KeyColumns,
    Keys,
    check_add_addr,
    check_join,
    key_columns,
)
from mptcp_check.analysis.flows.membership import Members, members
from mptcp_check.analysis.flows.subflows import Close, HmacState, Kind

FIN: Final = int(Flag.FIN)
RST: Final = int(Flag.RST)

KINDS: Final = tuple(Kind)
MPTCP, FALLBACK, TCP = (KINDS.index(kind) for kind in (Kind.MPTCP, Kind.FALLBACK, Kind.TCP))
CLOSES: Final = tuple(Close)


class Facts(Protocol):
    """What was found out on each TCP connection, however; all columns have a row for each."""

    handshakes: Handshakes
    openers: Column
    """The end that opened it."""
    midstream: Column
    """Neither SYN nor SYN/ACK was captured."""
    isn: Column
    """Shape (TCP connections, 2): initial sequence number of each end, negative if unknown."""
    flags: Column
    """Shape (TCP connections, 2): TCP flags of all segments of each end."""
    data_fin: Column
    """Shape (TCP connections, 2): each end sent a DATA_FIN."""
    speaks_mptcp: Column
    """Any kind-30 option."""
    start_ns: Column
    end_ns: Column
    """Time of the first and of the last segment."""


class Assembly:
    """Connections made of TCP connections.

    Args:
        facts: On each TCP connection, in the order of their first segments.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        handshakes = HandshakeColumns(facts.handshakes, slice(0, len(facts.openers)))
        keys = key_columns(handshakes)
        self.handshakes = handshakes
        """One row per TCP connection."""
        self.members: Members = members(handshakes, keys)
        """Which TCP connections make a connection: what follows has a row for each of them."""
        flow = self.members.flow
        self._starts = self.members.starts[:-1]
        first = flow[self._starts]
        self.joining: Column = handshakes.joining[flow]
        self.client_end: Column = facts.openers[flow] ^ self.members.by_server
        """The end of the TCP connection that is the connection's client."""
        self.complete: Column = np.where(handshakes.joining, handshakes.joined, handshakes.capable)[
            flow
        ]
        self.backup: Column = handshakes.backup[flow]
        self.hmac_ok = np.zeros(len(flow), np.uint8)
        self.hmac_bad = np.zeros(len(flow), np.uint8)

        self.orphan: Column = handshakes.joining[first]
        """Here begin the columns with a row per connection: only joins were captured."""
        self.keys: KeyColumns = _keys(keys, first, self.orphan, self.members.orphan_token)
        self.kind: Column = self._kind(first)
        """Index into `KINDS`."""
        self.established: Column = ~self.orphan & self.complete[self._starts]
        self.close: Column = self._close()
        """Index into `CLOSES`."""
        self.start_ns: Column = self._reduced(np.minimum, facts.start_ns[flow])
        self.end_ns: Column = self._reduced(np.maximum, facts.end_ns[flow])
        self.add_addr_ok = np.zeros(len(first), np.int32)
        self.add_addr_bad = np.zeros(len(first), np.int32)
        self.add_addr_leftmost = np.zeros(len(first), np.int32)
        self._check_hmacs()

    def hmac_state(self, place: int) -> HmacState:
        """Return what the HMACs of one TCP connection among the members say."""
        if self.hmac_bad[place]:
            return HmacState.BAD
        return HmacState.OK if self.hmac_ok[place] else HmacState.UNKNOWN

    def _reduced(self, function: np.ufunc, column: Column) -> Column:
        """Return one row per connection of a column of the members."""
        if not len(column):
            return column
        found: Column = function.reduceat(column, self._starts)
        return found

    def _kind(self, first: Column) -> Column:
        """Say what the first subflow makes of each connection.

        Options on a connection whose SYN was captured without one do not make it Multipath TCP.
        """
        facts, has = self._facts, self.handshakes.has
        isn_client = facts.isn[first, self.client_end[self._starts]]
        midstream = facts.midstream[first]
        late = midstream | ((isn_client >= 0) & has[CAPABLE_SYNACK][first])
        return np.select(
            [
                self.orphan | self.complete[self._starts],
                has[CAPABLE_SYN][first],
                late & facts.speaks_mptcp[first],
            ],
            [MPTCP, FALLBACK, MPTCP],
            default=TCP,
        ).astype(np.int8)

    def _close(self) -> Column:
        """Say how each connection ended; joins that were never complete have no say in it."""
        flow = self.members.flow
        facts = self._facts
        fastclose = self._reduced(np.logical_or, facts.handshakes.fastclosed(flow))
        by_client = self._reduced(np.logical_or, facts.data_fin[flow, self.client_end])
        by_server = self._reduced(np.logical_or, facts.data_fin[flow, self.client_end ^ 1])
        asked = self.complete | ~self.joining
        anyone = np.repeat(self._reduced(np.logical_or, asked), np.diff(self.members.starts))
        silent = ~asked & anyone
        one, two = facts.flags[flow, 0], facts.flags[flow, 1]
        finished = one & two & FIN != 0
        reset = (one | two) & RST != 0
        all_finished = self._reduced(np.logical_and, finished | silent)
        all_ended = self._reduced(np.logical_and, finished | reset | silent)
        order = (Close.FASTCLOSE, Close.FIN, Close.RST)
        return np.select(
            [fastclose, (by_client & by_server) | all_finished, all_ended],
            [CLOSES.index(close) for close in order],
            default=CLOSES.index(Close.OPEN),
        ).astype(np.int8)

    def _check_hmacs(self) -> None:
        """Check the HMACs of joins and announcements, which only few TCP connections have."""
        has, handshakes = self.handshakes.has, self._facts.handshakes
        proving = has[JOIN_SYNACK] | has[JOIN_ACK]
        proving[handshakes.announcing] = True
        places = np.flatnonzero(proving[self.members.flow])
        owners = np.searchsorted(self.members.starts, places, side="right") - 1
        known: tuple[int, Keys] = (-1, Keys())
        for place, owner in zip(places.tolist(), owners.tolist(), strict=True):
            if known[0] != owner:
                known = owner, self.keys.of(owner)
            handshake = handshakes.handshake(int(self.members.flow[place]))
            by_server = bool(self.members.by_server[place])
            verdicts = check_join(handshake, known[1], opened_by_server=by_server)
            self.hmac_ok[place] = verdicts.count(HmacState.OK)
            self.hmac_bad[place] = verdicts.count(HmacState.BAD)
            client_end = int(self.client_end[place])
            for option in handshake.add_addrs:
                by_client = option.end == client_end
                verdict = check_add_addr(option, known[1], by_client=by_client)
                if verdict is HmacState.BAD:
                    verdict = check_add_addr(option, known[1], by_client=by_client, leftmost=True)
                    self.add_addr_leftmost[owner] += verdict is HmacState.OK
                self.add_addr_ok[owner] += verdict is HmacState.OK
                self.add_addr_bad[owner] += verdict is HmacState.BAD


def _keys(keys: KeyColumns, first: Column, orphan: Column, token: Column) -> KeyColumns:
    """Return the keys of connections: those of their first subflows; of joins only the token."""
    found = KeyColumns(*(column[first] for column in keys))
    for column in (found.version, found.token_client, found.checksum_required):
        column[orphan] = NO_TOKEN
    for column in (found.client_known, found.server_known):
        column[orphan] = False
    found.token_server[orphan] = token[orphan]
    return found
