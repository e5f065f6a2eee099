"""Inspect a capture: connections, subflows and all that is measured on them."""

from collections.abc import Iterable
from typing import Final

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.link_layers import NAMES
from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.capture.records import Interface, Problem
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
    found = tracker.connections()
    results = Results(tracker.state, tracker.openers)
    connections = tuple(results.connection(connection) for connection in found)
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


def _totals(tracker: Tracker, connections: Iterable[ConnectionMetrics]) -> Totals:
    """Add up: the definitions stand in `values.Totals`."""
    subflows = [subflow for one in connections for subflow in one.subflows]
    directions = [way for subflow in subflows for way in (subflow.c2s, subflow.s2c)]
    mapped = [
        one
        for one in connections
        if any(s.c2s.mapping_count + s.s2c.mapping_count for s in one.subflows)
    ]
    attempts = established = plain = joins = joined = orphans = midstream = 0
    for one in connections:
        for subflow in one.subflows:
            handshake = tracker.handshake(subflow.flow)
            midstream += subflow.speaks_mptcp and not handshake.began
            if handshake.capable_syn:
                attempts += 1
                established += subflow.complete and handshake.capable
                plain += not handshake.capable_synack and subflow.handshake_ns is not None
            if handshake.joining and handshake.join_syn:
                joins += 1
                joined += subflow.complete
                orphans += one.orphan
    return Totals(
        tcp_packets=tracker.packets_count,
        mp_capable_attempts=attempts,
        mp_capable_established=established,
        mp_capable_plain_synack=plain,
        join_attempts=joins,
        join_complete=joined,
        join_without_connection=orphans,
        midstream_subflows=midstream,
        rst_packets=sum(way.rst_count for way in directions),
        hmac_ok=sum(one.hmac_ok_count for one in subflows),
        hmac_bad=sum(one.hmac_bad_count for one in subflows),
        dss_checksum_ok=sum(way.dss_checksum_ok_count for way in directions),
        dss_checksum_bad=sum(way.dss_checksum_bad_count for way in directions),
        infinite_mappings=sum(way.infinite_mapping_count for way in directions),
        data_bytes_c2s=sum(one.c2s.data_bytes for one in mapped),
        data_bytes_s2c=sum(one.s2c.data_bytes for one in mapped),
        duplicate_bytes=sum(one.c2s.duplicate_bytes + one.s2c.duplicate_bytes for one in mapped),
        options={subtype.name: int(tracker.options[subtype]) for subtype in COUNTED},
    )
