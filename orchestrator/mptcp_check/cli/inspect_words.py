"""What stands out in a capture, in sentences: what a person would look for in the metrics."""

from collections.abc import Iterator
from typing import Final

from mptcp_check.analysis.flows.subflows import HmacState, Kind, Role
from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    SubflowMetrics,
)
from mptcp_check.analysis.reporting.report_text import byte_count, seconds

Sentence = tuple[int, str]
"""How bad it is (0 is the worst), and what to say after 'connection 3'."""

WRONG, LOST, SLOW = range(3)
"""Something is not as it should be; it is not Multipath TCP; it is slower than it could be."""

NOTABLE_SHARE: Final = 0.01
"""Of the data: reinjections below a hundredth of it are every-day life."""
NOTABLE_WAIT_NS: Final = 100_000_000
"""A wait of a tenth of a second is noticed by people."""

ENDS: Final = ("client", "server")


def sentences(connection: ConnectionMetrics) -> Iterator[Sentence]:
    """Yield what stands out in one connection."""
    if connection.kind is Kind.FALLBACK:
        yield LOST, _fallback(connection)
    if connection.orphan:
        yield LOST, "began before the capture: only its joins are here"
    if connection.add_addr_bad_count:
        yield WRONG, f"{_times(connection.add_addr_bad_count)} a wrong HMAC in ADD_ADDR"
    for subflow in connection.subflows:
        yield from _subflow(subflow)
    for end, data in zip(ENDS, (connection.c2s, connection.s2c), strict=True):
        yield from _data(end, data)


def _fallback(connection: ConnectionMetrics) -> str:
    first = connection.subflows[0]
    if first.handshake_ns is None:
        return "tried Multipath TCP and got no answer"
    if connection.token_server is None:
        return "fell back to TCP: the SYN/ACK has no MP_CAPABLE"
    return "fell back to TCP: the third ACK has no MP_CAPABLE"


def _subflow(subflow: SubflowMetrics) -> Iterator[Sentence]:
    name = f"subflow {subflow.id} ({subflow.client} → {subflow.server})"
    both = (subflow.c2s, subflow.s2c)
    if subflow.hmac is HmacState.BAD:
        yield WRONG, f"{name}: wrong HMAC in MP_JOIN"
    elif subflow.role is Role.JOIN and not subflow.complete and not subflow.midstream:
        reset = any(metrics.rst_count for metrics in both)
        yield LOST, f"{name}: the join was {'reset' if reset else 'not completed'}"
    for sender, metrics in zip(ENDS, both, strict=True):
        yield from _direction(f"{name}, from the {sender}", metrics)


def _direction(name: str, metrics: DirectionMetrics) -> Iterator[Sentence]:
    bad = metrics.dss_checksum_bad_count
    if bad:
        checked = bad + metrics.dss_checksum_ok_count
        yield WRONG, f"{name}: {bad} of {checked} DSS checksums wrong: data was changed on the way"
    if metrics.infinite_mapping_count:
        yield LOST, f"{name}: an infinite mapping, so Multipath TCP ended here"
    if metrics.zero_window_ns >= NOTABLE_WAIT_NS:
        yield SLOW, f"{name}: no window for {seconds(metrics.zero_window_ns)}"


def _data(sender: str, data: DataMetrics) -> Iterator[Sentence]:
    again, wait_ns = data.reinjected_bytes, data.head_of_line_max_ns
    if again > NOTABLE_SHARE * data.data_bytes:
        share = f"{again / data.data_bytes:.0%} of its data" if data.data_bytes else "all of it"
        yield SLOW, f"the {sender} sent {byte_count(again)} again on another subflow ({share})"
    if wait_ns >= NOTABLE_WAIT_NS:
        yield SLOW, f"data of the {sender} waited up to {seconds(wait_ns)} for data below it"
    if data.missing_bytes:
        yield SLOW, f"{byte_count(data.missing_bytes)} from the {sender} are not in the capture"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
