"""What stands out in a capture, in sentences."""

from collections.abc import Callable
from dataclasses import replace

import pytest

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows.subflows import HmacState, Kind
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import ConnectionMetrics, DirectionMetrics
from mptcp_check.cli.inspect_words import LOST, SLOW, WRONG, sentences
from segments import CLIENT_2, Talk

JOIN = "subflow 1 (10.0.1.1:40001 → 10.0.0.2:80)"


def healthy() -> ConnectionMetrics:
    talk = Talk()
    first = talk.capable(talk.subflow())
    second = talk.join(talk.subflow(CLIENT_2, isn=(70_000, 80_000)))
    talk.data(first, 0, bytes(1000))
    talk.data(second, 1, bytes(1000))
    (one,) = inspect(read(cf.pcap(talk.packets(), link_type=RAW))).connections
    return one


def with_join(one: ConnectionMetrics, **changes: object) -> ConnectionMetrics:
    initial, join = one.subflows
    return replace(one, subflows=(initial, replace(join, **changes)))  # type: ignore[arg-type]


def sent_by_join(one: ConnectionMetrics, **counts: int) -> ConnectionMetrics:
    changed = replace(one.subflows[1].c2s, **counts)  # type: ignore[arg-type]
    return with_join(one, c2s=changed)


def fallback(one: ConnectionMetrics, *, answered: bool, key: bool) -> ConnectionMetrics:
    initial = replace(one.subflows[0], handshake_ns=5 if answered else None)
    token = 7 if key else None
    return replace(one, kind=Kind.FALLBACK, token_server=token, subflows=(initial,))


Case = tuple[Callable[[ConnectionMetrics], ConnectionMetrics], int, str]
CASES: dict[str, Case] = {
    "no answer": (
        lambda c: fallback(c, answered=False, key=False),
        LOST,
        "tried Multipath TCP and got no answer",
    ),
    "plain SYN/ACK": (
        lambda c: fallback(c, answered=True, key=False),
        LOST,
        "fell back to TCP: the SYN/ACK has no MP_CAPABLE",
    ),
    "plain third ACK": (
        lambda c: fallback(c, answered=True, key=True),
        LOST,
        "fell back to TCP: the third ACK has no MP_CAPABLE",
    ),
    "orphan": (
        lambda c: replace(c, orphan=True),
        LOST,
        "began before the capture: only its joins are here",
    ),
    "ADD_ADDR": (
        lambda c: replace(c, add_addr_bad_count=1),
        WRONG,
        "once a wrong HMAC in ADD_ADDR",
    ),
    "two ADD_ADDR": (
        lambda c: replace(c, add_addr_bad_count=2),
        WRONG,
        "2 times a wrong HMAC in ADD_ADDR",
    ),
    "HMAC of a join": (
        lambda c: with_join(c, hmac=HmacState.BAD),
        WRONG,
        f"{JOIN}: wrong HMAC in MP_JOIN",
    ),
    "join not completed": (
        lambda c: with_join(c, complete=False),
        LOST,
        f"{JOIN}: the join was not completed",
    ),
    "join reset": (
        lambda c: with_join(c, complete=False, s2c=DirectionMetrics(rst_count=1)),
        LOST,
        f"{JOIN}: the join was reset",
    ),
    "DSS checksums": (
        lambda c: sent_by_join(c, dss_checksum_bad_count=2, dss_checksum_ok_count=3),
        WRONG,
        f"{JOIN}, from the client: 2 of 5 DSS checksums wrong: data was changed on the way",
    ),
    "infinite mapping": (
        lambda c: sent_by_join(c, infinite_mapping_count=1),
        LOST,
        f"{JOIN}, from the client: an infinite mapping, so Multipath TCP ended here",
    ),
    "zero window": (
        lambda c: sent_by_join(c, zero_window_ns=250_000_000),
        SLOW,
        f"{JOIN}, from the client: no window for 250 ms",
    ),
    "reinjections": (
        lambda c: replace(c, c2s=replace(c.c2s, reinjected_bytes=500)),
        SLOW,
        "the client sent 500 B again on another subflow (50% of its data)",
    ),
    "waiting data": (
        lambda c: replace(c, s2c=replace(c.s2c, head_of_line_max_ns=1_500_000_000)),
        SLOW,
        "data of the server waited up to 1.5 s for data below it",
    ),
    "missing data": (
        lambda c: replace(c, s2c=replace(c.s2c, missing_bytes=900)),
        SLOW,
        "900 B from the server are not in the capture",
    ),
}


def test_nothing_stands_out_in_a_healthy_connection() -> None:
    assert list(sentences(healthy())) == []


@pytest.mark.parametrize("name", CASES)
def test_what_stands_out_is_one_sentence(name: str) -> None:
    change, severity, sentence = CASES[name]

    assert list(sentences(change(healthy()))) == [(severity, sentence)]


@pytest.mark.parametrize(
    ("field", "side"),
    [("reinjected_bytes", 10), ("head_of_line_max_ns", 99_000_000)],
)
def test_what_happens_every_day_is_not_said(field: str, side: int) -> None:
    one = healthy()

    assert list(sentences(replace(one, c2s=replace(one.c2s, **{field: side})))) == []  # type: ignore[arg-type]
