"""From the numbers of `state` to tables of what people read, some connections at a time."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.assembly import CLOSES, KINDS, MPTCP, Assembly
from mptcp_check.analysis.flows.subflows import HmacState, Role
from mptcp_check.analysis.metrics.readout import Readout
from mptcp_check.analysis.metrics.result_cells import known, tokens
from mptcp_check.analysis.metrics.result_data import data_table
from mptcp_check.analysis.metrics.result_directions import direction_table
from mptcp_check.analysis.metrics.round_trip_quantiles import round_trips
from mptcp_check.analysis.metrics.state_tables import (
    ALL_DATA,
    OWN_DATA,
    SEQUENCE,
    UNKNOWN,
)
from mptcp_check.analysis.metrics.tracking import Tracker
from mptcp_check.analysis.tables.table import Cells, Table, numbers, one_of

BATCH_SUBFLOWS: Final = 512
"""Made into rows at once: their text is two megabytes."""

ROLES: Final = (Role.INITIAL, Role.JOIN)
HMAC_STATES: Final = (HmacState.UNKNOWN, HmacState.OK, HmacState.BAD)


class Batch(NamedTuple):
    """Some connections; the columns are named as the fields of `values`."""

    first: int
    """Number of the first connection."""
    connections: Table
    """A row per connection: the fields of `ConnectionMetrics` up to ``add_addr_leftmost_count``."""
    data: tuple[Table, Table]
    """A row per connection, by the client and by the server: `DataMetrics`."""
    starts: Column
    """Where each connection's subflows begin, and where the last one's end."""
    subflows: Table
    """A row per subflow: the fields of `SubflowMetrics` up to ``join_delay_ns``."""
    directions: tuple[Table, Table]
    """A row per subflow: `DirectionMetrics`, with ``rtt_acks_count`` for ``rtt_acks.count``."""

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.starts) - 1


class Results:
    """What was measured on all connections of a capture; the tracker measures no more."""

    def __init__(self, tracker: Tracker) -> None:
        tracker.finish()
        state = tracker.state
        self._tracker = tracker
        spans = {which: state.spans(which) for which in (SEQUENCE, ALL_DATA)}
        forgotten = {which: state.forgotten(which) for which in (SEQUENCE, OWN_DATA, ALL_DATA)}
        # All that is read out now takes the place of what is given back here.
        cells = state.release()
        median_ns, p95_ns, stddev_ns = round_trips(cells, 4 * len(tracker.openers))
        del cells
        self._readout = Readout(
            directions=state.directions,
            spans=spans,
            forgotten=forgotten,
            median_ns=median_ns,
            p95_ns=p95_ns,
            stddev_ns=stddev_ns,
        )
        self.assembly = Assembly(tracker)
        """Which TCP connections each connection is made of, and what it is."""
        self.assembly.handshakes.release()
        tracker.release()

    def batches(self) -> Iterator[Batch]:
        """Yield all connections, as many at a time as have `BATCH_SUBFLOWS` subflows."""
        starts = self.assembly.members.starts
        first, count = 0, len(self.assembly.members)
        while first < count:
            end = int(np.searchsorted(starts, starts[first] + BATCH_SUBFLOWS, side="right")) - 1
            stop = min(max(end, first + 1), count)
            yield self.batch(first, stop)
            first = stop

    def batch(self, first: int, stop: int) -> Batch:
        """Return the connections from one number up to another one."""
        assembly = self.assembly
        members = slice(int(assembly.members.starts[first]), int(assembly.members.starts[stop]))
        starts = assembly.members.starts[first : stop + 1] - members.start
        flow = assembly.members.flow[members]
        client = 2 * flow + assembly.client_end[members]
        ends = self._ends(flow, assembly.client_end[members])
        owner = np.repeat(np.arange(stop - first), np.diff(starts))
        speaks_mptcp = assembly.kind[first:stop] == MPTCP
        c2s, s2c = (
            data_table(self._readout, client ^ side, owner, starts, speaks_mptcp=speaks_mptcp)
            for side in range(2)
        )
        directions = tuple(
            direction_table(self._readout, client ^ side, data["data_bytes"].values[owner])
            for side, data in enumerate((c2s, s2c))
        )
        subflows = self._subflows(members, ends, owner, assembly.start_ns[first:stop])
        connections = self._connections(first, stop, ends, starts[:-1])
        # Its handshake is that of the initial subflow.
        known = subflows["handshake_ns"]
        connections["handshake_ns"] = numbers(
            known.values[starts[:-1]],
            ~_missing(known)[starts[:-1]] & ~assembly.orphan[first:stop],
        )
        return Batch(
            first=first,
            connections=_ordered(connections, CONNECTION_COLUMNS),
            data=(c2s, s2c),
            starts=starts,
            subflows=subflows,
            directions=(directions[0], directions[1]),
        )

    def payload_bytes(self) -> Column:
        """Return the TCP payload of each connection."""
        members = self.assembly.members
        payload = self._readout.directions["payload"]
        sent = payload[2 * members.flow] + payload[2 * members.flow + 1]
        found: Column = np.add.reduceat(sent, members.starts[:-1]) if len(sent) else sent
        return found

    def _ends(self, flow: Column, client_end: Column) -> tuple[list[str], list[str]]:
        """Return client and server of subflows."""
        texts = self._tracker.end_texts
        return texts(flow, client_end), texts(flow, client_end ^ 1)

    def _connections(
        self, first: int, stop: int, ends: tuple[list[str], list[str]], initial: Column
    ) -> Table:
        assembly, some = self.assembly, slice(first, stop)
        keys = assembly.keys
        clients, servers = ends
        checksum = keys.checksum_required[some]
        return {
            "id": numbers(np.arange(first, stop)),
            "kind": one_of(assembly.kind[some], KINDS),
            "mptcp_version": known(keys.version[some]),
            "client": one_of(initial, clients),
            "server": one_of(initial, servers),
            "token_client": tokens(keys.token_client[some]),
            "token_server": tokens(keys.token_server[some]),
            "checksum_required": numbers(checksum > 0, checksum != UNKNOWN),
            "established": numbers(assembly.established[some]),
            "orphan": numbers(assembly.orphan[some]),
            "close": one_of(assembly.close[some], CLOSES),
            "start_ns": numbers(assembly.start_ns[some]),
            "end_ns": numbers(assembly.end_ns[some]),
            "add_addr_ok_count": numbers(assembly.add_addr_ok[some]),
            "add_addr_bad_count": numbers(assembly.add_addr_bad[some]),
            "add_addr_leftmost_count": numbers(assembly.add_addr_leftmost[some]),
        }

    def _subflows(
        self, members: slice, ends: tuple[list[str], list[str]], owner: Column, start_ns: Column
    ) -> Table:
        assembly, tracker = self.assembly, self._tracker
        flow = assembly.members.flow[members]
        by_server = assembly.members.by_server[members]
        joining = assembly.joining[members]
        rows = np.arange(len(flow))
        opener = 2 * flow + (assembly.client_end[members] ^ by_server)
        asked = self._readout.directions["syn_ns"][opener]
        answered = self._readout.directions["syn_ns"][opener ^ 1]
        ok, bad = assembly.hmac_ok[members], assembly.hmac_bad[members]
        first_of = np.searchsorted(owner, owner)
        return {
            "id": numbers(rows - first_of),
            "flow": numbers(flow),
            "role": one_of(joining, ROLES),
            "complete": numbers(assembly.complete[members]),
            "midstream": numbers(tracker.midstream[flow]),
            "opened_by_server": numbers(by_server),
            "hmac": one_of(np.select([bad > 0, ok > 0], [2, 1]), HMAC_STATES),
            "hmac_ok_count": numbers(ok),
            "hmac_bad_count": numbers(bad),
            "backup": numbers(assembly.backup[members]),
            "speaks_mptcp": numbers(tracker.speaks_mptcp[flow]),
            "client": one_of(rows, ends[0]),
            "server": one_of(rows, ends[1]),
            "token": tokens(np.where(joining, assembly.handshakes.asked[flow], UNKNOWN)),
            "start_ns": numbers(tracker.start_ns[flow]),
            "end_ns": numbers(tracker.end_ns[flow]),
            "handshake_ns": numbers(answered - asked, (asked != UNKNOWN) & (answered != UNKNOWN)),
            "join_delay_ns": numbers(asked - start_ns[owner], joining & (asked != UNKNOWN)),
        }


CONNECTION_COLUMNS: Final = (
    *("id", "kind", "mptcp_version", "client", "server", "token_client", "token_server"),
    *("checksum_required", "established", "orphan", "close", "start_ns", "end_ns"),
    *("handshake_ns", "add_addr_ok_count", "add_addr_bad_count", "add_addr_leftmost_count"),
)


def _missing(cells: Cells) -> Column:
    return np.zeros(len(cells.values), np.bool_) if cells.missing is None else cells.missing


def _ordered(table: Table, names: Sequence[str]) -> Table:
    return {name: table[name] for name in names}
