"""What tcptrace counts on each TCP connection is what we count, or the difference has a reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.flows.connections import connections as flow_connections
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import DirectionMetrics
from mptcp_check.analysis.series.lanes import Lane, lanes
from mptcp_check.analysis.series.round_trips import by_acks
from oracle_captures import CAPTURES
from tcptrace_oracle import (
    DIFFERENT,
    QUALIFIED,
    ROUND_TRIPS,
    SAME,
    Statistics,
    connections,
    milliseconds,
    readable,
)

UNREADABLE = {"every option": "two VLAN tags", "odd packets": "IPv6 extension headers, fragments"}
"""Captures that tcptrace does not read."""
QUIET = "tcp.flags.syn == 0 && tcp.flags.fin == 0 && tcp.flags.reset == 0"
"""tcptrace times SYNs and FINs, and takes the number of a RST for an ACK."""
DOCUMENT = Path(__file__).parents[4] / "docs" / "inspect.md"

FEW_SAMPLES = 2

Side = tuple[DirectionMetrics, DirectionMetrics, Statistics, Statistics]


@pytest.fixture(scope="module", params=[name for name in CAPTURES if name not in UNREADABLE])
def octets(request: pytest.FixtureRequest) -> bytes:
    return CAPTURES[request.param]()


def sides(path: Path) -> Iterator[Side]:
    """Yield each direction of each TCP connection with its other end: ours, theirs."""
    return (side for _, side in sides_with_ports(path))


def sides_with_ports(path: Path) -> Iterator[tuple[tuple[int, int], Side]]:
    """Yield as `sides` with the ports of sender and receiver."""
    theirs = connections(path)
    subflows = [
        subflow
        for connection in inspect(read(path.read_bytes())).connections
        for subflow in connection.subflows
    ]
    subflows.sort(key=lambda subflow: subflow.flow)
    for subflow, (ends, *both) in zip(subflows, theirs, strict=True):
        client, server = both if ends[0][1] == subflow.client.port else reversed(both)
        ports = (subflow.client.port, subflow.server.port)
        yield ports, (subflow.c2s, subflow.s2c, client, server)
        yield ports[::-1], (subflow.s2c, subflow.c2s, server, client)


def test_every_statistic_agrees_or_has_its_reason(octets: bytes, tmp_path: Path) -> None:
    compared = 0
    for one, other, theirs, _ in sides(readable(octets, tmp_path / "capture")):
        for name, told in SAME.items():
            if str(told(one)) != theirs[name]:
                _, allowed = QUALIFIED[name]
                assert allowed(one, other, theirs[name]), (name, told(one), theirs[name])
            compared += 1
    assert compared


def whole_segments(path: Path) -> dict[tuple[int, int], list[int]]:
    """Return the round trips of segments ACKed at once, by the ports of sender and receiver."""
    packets = read(path.read_bytes()).packets
    found = {}
    for connection in flow_connections(packets):
        for subflow in connection.subflows:
            ports = (subflow.client.port, subflow.server.port)
            client, server = lanes(packets, subflow)
            found[ports] = acked_at_once(client, server)
            found[ports[::-1]] = acked_at_once(server, client)
    return found


def acked_at_once(sender: Lane, receiver: Lane) -> list[int]:
    """Leave out samples of segments of which an earlier ACK named a byte inside."""
    samples = by_acks(sender, receiver)
    kept = []
    for at, value in zip(samples.time_ns.tolist(), samples.value.tolist(), strict=True):
        acks = receiver.ack[receiver.time_ns == at]
        timed = (sender.time_ns == at - value) & np.isin(sender.end, acks)
        start, end = int(sender.start[timed].max()), int(sender.end[timed].max())
        before = receiver.ack[receiver.time_ns < at]
        if not ((start < before) & (before < end)).any():
            kept.append(value)
    return kept


def test_round_trips_agree_without_syn_and_fin(octets: bytes, tmp_path: Path) -> None:
    """Where segments and ACKs come as they were sent.

    tcptrace takes one more where a resent segment and a later one are acknowledged together, and
    none of a segment that is acknowledged in parts (a middlebox had split it): the ACK of the rest
    is a second one to it.
    """
    path = readable(octets, tmp_path / "capture", QUIET)
    at_once = whole_segments(readable(octets, tmp_path / "whole"))
    for ports, (one, _, theirs, _) in sides_with_ports(path):
        if int(theirs["RTT_samples"]) < one.rtt_acks.count:
            samples = at_once[ports]
            assert int(theirs["RTT_samples"]) == len(samples)
            assert float(theirs["RTT_min"]) == pytest.approx(min(samples) / 1e6, abs=0.11)
            assert float(theirs["RTT_max"]) == pytest.approx(max(samples) / 1e6, abs=0.11)
            mean_ns = sum(samples) / len(samples)
            assert float(theirs["RTT_avg"]) == pytest.approx(mean_ns / 1e6, abs=0.11)
            continue
        if one.rtt_acks.count + 1 == int(theirs["RTT_samples"]):
            assert one.retransmitted_count
            continue
        for name, told in ROUND_TRIPS.items():
            ours, cell = str(told(one)), theirs[name]
            if name == "RTT_stdev" and one.rtt_acks.count <= FEW_SAMPLES:
                assert float(cell) == 0  # tcptrace tells none of so few
            elif name == "RTT_stdev":
                assert float(cell) == pytest.approx(float(ours), rel=0.02, abs=0.11)
            elif name != "RTT_samples":
                assert float(cell) == pytest.approx(float(ours), abs=0.11)
            else:
                assert cell == ours


def test_every_column_of_tcptrace_is_compared_or_has_a_reason(tmp_path: Path) -> None:
    path = readable(CAPTURES["captures/kernel_v1_lossy.pcapng"](), tmp_path / "capture")
    _, first, second = connections(path)[0]
    tables = {*SAME, *ROUND_TRIPS, *DIFFERENT}

    assert len(tables) == len(SAME) + len(ROUND_TRIPS) + len(DIFFERENT)
    assert {*first, *second} == tables
    assert set(QUALIFIED) <= set(SAME)


def test_the_documentation_names_every_column() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))
    for name in (*SAME, *ROUND_TRIPS, *DIFFERENT):
        assert rows[name.replace("_", " ")], name


def test_times_are_written_as_tcptrace_does() -> None:
    assert (milliseconds(None), milliseconds(1_250_000)) == ("0.0", "1.2")
