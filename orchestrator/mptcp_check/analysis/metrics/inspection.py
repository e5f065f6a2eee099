"""Inspect a capture: connections, subflows and all that is measured on them."""

from collections.abc import Iterator, Sequence
from typing import Final, overload

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.link_layers import NAMES
from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.capture.records import Interface, Problem
from mptcp_check.analysis.flows.assembly import Assembly
from mptcp_check.analysis.flows.handshakes import CAPABLE_SYN, CAPABLE_SYNACK, JOIN_SYN
from mptcp_check.analysis.metrics.connection_values import values_of
from mptcp_check.analysis.metrics.results import Batch, Results
from mptcp_check.analysis.metrics.tracking import Tracker
from mptcp_check.analysis.metrics.values import ConnectionMetrics, Inspection, Totals

COUNTED: Final = (
    Subtype.MP_CAPABLE,
    Subtype.MP_JOIN,
    Subtype.DSS,
    Subtype.ADD_ADDR,
    Subtype.REMOVE_ADDR,
    Subtype.MP_PRIO,
    Subtype.MP_FAIL,
    Subtype.MP_FASTCLOSE,
    Subtype.MP_TCPRST,
)
"""Subtypes of RFC 8684, section 8.2."""


def inspect(capture: Capture) -> Inspection:
    """Inspect a capture that is decoded whole.

    Args:
        capture: What `capture_file.read` gave; its segments may be in any order of time.

    Returns:
        Everything that is measured, none of it an exception.
    """
    tracker = Tracker()
    tracker.take(capture.packets)
    times = capture.records.time_ns
    return summary(
        tracker,
        format_=capture.format,
        interfaces=capture.interfaces,
        problems=capture.problems,
        packets_count=capture.packets.frame_count,
        bytes_count=len(capture.buffer),
        fragment_count=capture.packets.fragment_count,
        cut_count=capture.packets.cut_count,
        first_ns=int(times.min()) if len(times) else None,
        last_ns=int(times.max()) if len(times) else None,
    )


def summary(  # noqa: PLR0913 - what is known of a file
    tracker: Tracker,
    *,
    format_: str,
    interfaces: tuple[Interface, ...],
    problems: tuple[Problem, ...],
    packets_count: int,
    bytes_count: int,
    fragment_count: int,
    cut_count: int,
    first_ns: int | None,
    last_ns: int | None,
) -> Inspection:
    """Return what a tracker found, with what is known of the file."""
    connections = Connections(tracker)
    names = (NAMES.get(one.link_type, str(one.link_type)) for one in interfaces)
    return Inspection(
        format=format_,
        interfaces=interfaces,
        link_types=tuple(dict.fromkeys(names)),
        problems=problems,
        packets_count=packets_count,
        bytes_count=bytes_count,
        fragment_count=fragment_count,
        cut_count=cut_count,
        late_count=tracker.late_count,
        first_ns=first_ns,
        last_ns=last_ns,
        totals=_totals(tracker, connections.places),
        connections=connections,
    )


class Connections(Sequence[ConnectionMetrics]):
    """The connections of a capture; each is made when it is asked for, and not kept.

    A file may hold millions of them, and their numbers take a tenth of the room of their values.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._results = Results(tracker)

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.places.members)

    def __iter__(self) -> Iterator[ConnectionMetrics]:
        """Yield all connections."""
        for batch in self.batches():
            yield from values_of(batch)

    @overload
    def __getitem__(self, index: int) -> ConnectionMetrics: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ConnectionMetrics, ...]: ...
    def __getitem__(self, index: int | slice) -> ConnectionMetrics | tuple[ConnectionMetrics, ...]:
        """Return one connection, or some of them."""
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        id_ = range(len(self))[index]
        return next(values_of(self._results.batch(id_, id_ + 1)))

    def __eq__(self, other: object) -> bool:
        """Say whether these are the same connections with the same metrics."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """Return a hash that equal ones share."""
        return hash(len(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def batches(self) -> Iterator[Batch]:
        """Yield them as tables, a bounded number at a time."""
        return self._results.batches()

    @property
    def payload_bytes(self) -> Column:
        """All TCP payload of each, retransmissions included."""
        return self._results.payload_bytes()

    @property
    def places(self) -> Assembly:
        """Which TCP connections each of them is made of, and what it is."""
        return self._results.assembly


def _totals(tracker: Tracker, assembly: Assembly) -> Totals:
    """Add up, without making values: the definitions stand in `values.Totals`."""
    count = len(tracker.openers)
    counts = tracker.state.directions[: 2 * count]
    client = 2 * np.arange(count) + tracker.openers
    handshakes, members = assembly.handshakes, assembly.members
    has = handshakes.has
    both_syns = (counts["syn_ns"].reshape(count, 2) >= 0).all(axis=1)
    joins = handshakes.joining & has[JOIN_SYN]
    sizes = np.diff(members.starts)
    of_orphan = np.repeat(assembly.orphan, sizes)
    proving = np.repeat(assembly.orphan | (sizes > 1), sizes)
    return Totals(
        tcp_packets=tracker.packets_count,
        mp_capable_attempts=int(has[CAPABLE_SYN].sum()),
        mp_capable_established=int(handshakes.capable.sum()),
        mp_capable_plain_synack=int((has[CAPABLE_SYN] & ~has[CAPABLE_SYNACK] & both_syns).sum()),
        join_attempts=int(joins.sum()),
        join_complete=int((joins & handshakes.joined).sum()),
        join_without_connection=int(has[JOIN_SYN][members.flow[of_orphan]].sum()),
        midstream_subflows=int((tracker.speaks_mptcp & ~handshakes.began).sum()),
        rst_packets=int(counts["rsts"].sum()),
        hmac_ok=int(assembly.hmac_ok[proving].sum()),
        hmac_bad=int(assembly.hmac_bad[proving].sum()),
        dss_checksum_ok=int(counts["checksums_ok"].sum()),
        dss_checksum_bad=int(counts["checksums_bad"].sum()),
        infinite_mappings=int(counts["infinite"].sum()),
        data_bytes_c2s=int(counts["data_bytes"][client].sum()),
        data_bytes_s2c=int(counts["data_bytes"][client ^ 1].sum()),
        duplicate_bytes=int(counts["data_duplicate"].sum()),
        options={subtype.name: int(tracker.options[subtype]) for subtype in COUNTED},
    )
