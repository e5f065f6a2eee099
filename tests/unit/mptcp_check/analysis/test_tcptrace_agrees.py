"""What tcptrace counts on each TCP connection is what we count, or the difference has a reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import DirectionMetrics
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
QUIET = "tcp.flags.syn == 0 && tcp.flags.fin == 0"
DOCUMENT = Path(__file__).parents[4] / "docs" / "inspect.md"

Side = tuple[DirectionMetrics, DirectionMetrics, Statistics, Statistics]


@pytest.fixture(scope="module", params=[name for name in CAPTURES if name not in UNREADABLE])
def octets(request: pytest.FixtureRequest) -> bytes:
    return CAPTURES[request.param]()


def sides(path: Path) -> Iterator[Side]:
    """Yield each direction of each TCP connection with its other end: ours, theirs."""
    theirs = connections(path)
    subflows = [
        subflow
        for connection in inspect(read(path.read_bytes())).connections
        for subflow in connection.subflows
    ]
    subflows.sort(key=lambda subflow: subflow.flow)
    for subflow, (ends, *both) in zip(subflows, theirs, strict=True):
        client, server = both if ends[0][1] == subflow.client.port else reversed(both)
        yield subflow.c2s, subflow.s2c, client, server
        yield subflow.s2c, subflow.c2s, server, client


def test_every_statistic_agrees_or_has_its_reason(octets: bytes, tmp_path: Path) -> None:
    compared = 0
    for one, other, theirs, _ in sides(readable(octets, tmp_path / "capture")):
        for name, told in SAME.items():
            if str(told(one)) != theirs[name]:
                _, allowed = QUALIFIED[name]
                assert allowed(one, other, theirs[name]), (name, told(one), theirs[name])
            compared += 1
    assert compared


def test_round_trips_agree_without_syn_and_fin(octets: bytes, tmp_path: Path) -> None:
    """tcptrace takes one more where a resent segment and a later one are acknowledged together."""
    for one, _, theirs, _ in sides(readable(octets, tmp_path / "capture", QUIET)):
        if one.rtt_acks.count + 1 == int(theirs["RTT_samples"]):
            assert one.retransmitted_count
            continue
        for name, told in ROUND_TRIPS.items():
            ours, cell = str(told(one)), theirs[name]
            if name == "RTT_stdev":
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
