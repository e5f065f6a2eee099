"""Inspect a capture: connections, subflows and all that is measured on them."""

from collections.abc import Sequence
from typing import Final, overload

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.link_layers import NAMES
from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.capture.records import Interface, Problem
from mptcp_check.analysis.flows.connections import connection, plan_of
from mptcp_check.analysis.metrics.results import Results
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
    tracker.finish()
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
        first_ns=first_ns,
        last_ns=last_ns,
        totals=_totals(tracker, connections),
        connections=connections,
    )


class Connections(Sequence[ConnectionMetrics]):
    """The connections of a capture; each is made when it is asked for, and not kept.

    A file may hold millions of them, and their numbers take a tenth of the room of their values.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._results = Results(tracker.state, tracker.openers)
        self.plans = plan_of(tracker)
        """Which TCP connections each of them is made of."""

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.plans)

    @overload
    def __getitem__(self, index: int) -> ConnectionMetrics: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ConnectionMetrics, ...]: ...
    def __getitem__(self, index: int | slice) -> ConnectionMetrics | tuple[ConnectionMetrics, ...]:
        """Return one connection, or some of them."""
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        id_ = range(len(self))[index]
        return self._results.connection(connection(self._tracker, id_, self.plans[id_]))

    def __eq__(self, other: object) -> bool:
        """Say whether these are the same connections with the same metrics."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """Return a hash that equal ones share."""
        return hash(len(self.plans))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _totals(tracker: Tracker, connections: Connections) -> Totals:
    """Add up, without making all the values: the definitions stand in `values.Totals`."""
    counts = tracker.state.directions[: 2 * len(tracker.openers)]
    flows = np.arange(len(tracker.openers))
    client = 2 * flows + np.array(tracker.openers, dtype=np.int64)
    attempts = established = plain = joins = joined = orphans = 0
    for flow, handshake in tracker.handshakes.items():
        if handshake.capable_syn:
            attempts += 1
            established += handshake.capable
            answered = bool((counts["syn_ns"][2 * flow : 2 * flow + 2] >= 0).all())
            plain += not handshake.capable_synack and answered
        if handshake.joining and handshake.join_syn:
            joins += 1
            joined += handshake.joined
    hmac_ok = hmac_bad = 0
    for plan in connections.plans:
        joining = len(plan.flows) > 1 or tracker.handshake(plan.flows[0]).joining
        if not joining:
            continue
        one = connection(tracker, 0, plan)
        hmac_ok += sum(subflow.hmac_ok_count for subflow in one.subflows)
        hmac_bad += sum(subflow.hmac_bad_count for subflow in one.subflows)
        if one.orphan:
            orphans += sum(subflow.handshake.join_syn is not None for subflow in one.subflows)
    return Totals(
        tcp_packets=tracker.packets_count,
        mp_capable_attempts=attempts,
        mp_capable_established=established,
        mp_capable_plain_synack=plain,
        join_attempts=joins,
        join_complete=joined,
        join_without_connection=orphans,
        midstream_subflows=sum(
            speaks and not tracker.handshake(flow).began
            for flow, speaks in enumerate(tracker.speaks_mptcp)
        ),
        rst_packets=int(counts["rsts"].sum()),
        hmac_ok=hmac_ok,
        hmac_bad=hmac_bad,
        dss_checksum_ok=int(counts["checksums_ok"].sum()),
        dss_checksum_bad=int(counts["checksums_bad"].sum()),
        infinite_mappings=int(counts["infinite"].sum()),
        data_bytes_c2s=int(counts["data_bytes"][client].sum()),
        data_bytes_s2c=int(counts["data_bytes"][client ^ 1].sum()),
        duplicate_bytes=int(counts["data_duplicate"].sum()),
        options={subtype.name: int(tracker.options[subtype]) for subtype in COUNTED},
    )
