"""Multipath TCP connections and their subflows, from the TCP connections of one capture.

Every TCP connection is one of: the initial subflow of a Multipath TCP connection; a further
subflow (MP_JOIN), found by its token; an attempt that fell back; plain TCP.  What a capture does
not show is left open: a join whose connection began earlier stands in a connection of its own.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Note, OptionProblem, Packets
from mptcp_check.analysis.flows.assembly import CLOSES, KINDS, Assembly
from mptcp_check.analysis.flows.endpoints import Endpoint, destination, source
from mptcp_check.analysis.flows.grouping import Flows, group
from mptcp_check.analysis.flows.handshakes import Handshakes
from mptcp_check.analysis.flows.subflows import Close, Connection, HmacState, Kind, Role, Subflow

__all__ = [
    "Close",
    "Connection",
    "HmacState",
    "Kind",
    "Role",
    "Subflow",
    "connections",
]


def connections(packets: Packets) -> tuple[Connection, ...]:
    """Find the connections of a capture.

    Args:
        packets: A capture's segments.

    Returns:
        All connections, plain TCP too, in the order of their first segments.
    """
    return tuple(_values(_Grouped(packets)))


class _Grouped:
    """A capture grouped into TCP connections, with what `assembly.Facts` asks of it."""

    def __init__(self, packets: Packets) -> None:
        self.packets = packets
        self.flows: Flows = group(packets)
        self.handshakes = Handshakes()
        count = len(self.flows)
        self.handshakes.make_room(count)
        carriers = packets.signals.packet
        flows, ends = self.flows.flow_of[carriers], self.flows.end_of[carriers]
        self.handshakes.take(packets, flows, ends, ends == self.flows.opener[flows])
        self.speaks_mptcp = self._any(packets.dss.packet, packets.signals.packet)
        self.options_cut = self._any(np.flatnonzero(packets.notes & Note.HEADER_CUT))
        self.data_fin = self._data_fins(count)
        self.openers: Column = self.flows.opener
        self.midstream: Column = self.flows.midstream
        self.isn: Column = self.flows.isn
        self.flags: Column = self.flows.flags
        self.start_ns: Column = packets.time_ns[self.flows.first_row]
        # A connection has a segment, and the last one of either end comes last.
        starts, times = self.flows.starts, packets.time_ns[self.flows.sorted_rows]
        last = np.where(
            np.diff(starts) > 0, times[np.maximum(starts[1:] - 1, 0)] if len(times) else 0, FIRST_NS
        )
        self.end_ns: Column = last.reshape(count, 2).max(axis=1, initial=FIRST_NS)

    def _any(self, *rows: Column) -> Column:
        """Say for each TCP connection whether one of the rows belongs to it."""
        found = np.zeros(len(self.flows), dtype=np.bool_)
        for some in rows:
            found[self.flows.flow_of[some]] = True
        return found

    def _data_fins(self, count: int) -> npt.NDArray[np.bool_]:
        dss, flows = self.packets.dss, self.flows
        both = DssFlag.DATA_FIN | DssFlag.MAPPING
        carriers = dss.packet[(dss.flags & both == both) & (dss.problem == OptionProblem.NONE)]
        seen = np.zeros((count, 2), dtype=np.bool_)
        seen[flows.flow_of[carriers], flows.end_of[carriers]] = True
        return seen

    def ends(self, flow: int) -> tuple[Endpoint, Endpoint]:
        """Return the two ends of a TCP connection."""
        row = int(self.flows.first_row[flow])
        return source(self.packets, row), destination(self.packets, row)


FIRST_NS: Final = np.iinfo(np.int64).min


def _values(capture: _Grouped) -> Iterator[Connection]:
    """Yield all connections."""
    found = Assembly(capture)
    for id_, (start, stop) in enumerate(
        zip(found.members.starts[:-1].tolist(), found.members.starts[1:].tolist(), strict=True)
    ):
        subflows = tuple(
            _subflow(capture, found, place, place - start) for place in range(start, stop)
        )
        keys = found.keys.of(id_)
        first = subflows[0]
        yield Connection(
            id=id_,
            kind=KINDS[found.kind[id_]],
            mptcp_version=keys.version,
            client=first.client,
            server=first.server,
            key_client=keys.client,
            key_server=keys.server,
            token_client=keys.token_client,
            token_server=keys.token_server,
            checksum_required=keys.checksum_required,
            add_addr_ok_count=int(found.add_addr_ok[id_]),
            add_addr_bad_count=int(found.add_addr_bad[id_]),
            subflows=subflows,
            close=CLOSES[found.close[id_]],
            start_ns=int(found.start_ns[id_]),
            end_ns=int(found.end_ns[id_]),
        )


def _subflow(capture: _Grouped, found: Assembly, place: int, position: int) -> Subflow:
    flow, client_end = int(found.members.flow[place]), int(found.client_end[place])
    ends = capture.ends(flow)
    isn_client, isn_server = (int(capture.isn[flow, end]) for end in (client_end, 1 - client_end))
    return Subflow(
        id=position,
        flow=flow,
        role=Role.JOIN if found.joining[place] else Role.INITIAL,
        complete=bool(found.complete[place]),
        midstream=bool(capture.midstream[flow]),
        opened_by_server=bool(found.members.by_server[place]),
        client=ends[client_end],
        server=ends[1 - client_end],
        isn_client=isn_client if isn_client >= 0 else None,
        isn_server=isn_server if isn_server >= 0 else None,
        rows_c2s=capture.flows.rows(flow, client_end),
        rows_s2c=capture.flows.rows(flow, 1 - client_end),
        hmac=found.hmac_state(place),
        hmac_ok_count=int(found.hmac_ok[place]),
        hmac_bad_count=int(found.hmac_bad[place]),
        backup=bool(found.backup[place]),
        speaks_mptcp=bool(capture.speaks_mptcp[flow]),
        options_cut=bool(capture.options_cut[flow]),
        handshake=capture.handshakes.handshake(flow),
        start_ns=int(capture.start_ns[flow]),
        end_ns=int(capture.end_ns[flow]),
    )
