"""Whatever the path rewrites, and however many connections: the same packets are followed."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.diagnosed import capture_path
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.flows.connections import Role
from mptcp_check.analysis.one_way.measure import measure
from mptcp_check.analysis.one_way.values import Fate
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Side
from segments import CLIENT_6, SERVER_6, Segment
from traces import TWO_PATHS, captures
from traces import Path as Between
from two_ends import MS, MSS, SECOND, Conversation, Ends, delays_ns, fates

CLEAN = [capture_path("clean", side).read_bytes() for side in (Side.CLIENT, Side.SERVER)]
ids = itertools.count(7)


def other_identification(segment: Segment) -> Segment:
    return replace(segment, ip_id=next(ids) * 31 & 0xFFFF or 1)


def without_timestamps(segment: Segment) -> Segment:
    return replace(segment, options=b"")


def other_timestamps(segment: Segment) -> Segment:
    options = tcp.encode([tcp.Timestamps(value=next(ids), echo=1)])
    return replace(segment, options=options)


def lossy(ends: Ends, **of: tuple[str, int]) -> Ends:
    """Send 20 segments, lose four first copies and one second one."""
    talk = Conversation(ends=ends, **of)
    start = talk.open() + MS
    for index in range(20):
        talk.data(start + index * MS, index * MSS, lost=index in {3, 4, 9, 15})
    for index, at in ((3, 400), (4, 401), (9, 402), (15, 403), (9, 900)):
        talk.data(start + at * MS, index * MSS, lost=(index, at) == (9, 402))
    talk.close(start + 2 * SECOND, 20 * MSS)
    return ends


@pytest.mark.parametrize("path", [other_identification, without_timestamps, other_timestamps])
def test_what_a_path_rewrites_is_not_taken_to_tell_copies_apart(
    path: Callable[[Segment], Segment],
) -> None:
    plain = lossy(Ends()).measured()
    found = lossy(Ends(rewritten=path)).measured()

    assert fates(found) == fates(plain)
    assert delays_ns(found) == delays_ns(plain)
    assert found.subflows[0].c2s.loss_run_max_count == 2


def test_ipv6_has_no_identification_and_needs_none() -> None:
    found = lossy(Ends(), client=CLIENT_6, server=SERVER_6).measured()

    assert fates(found) == fates(lossy(Ends()).measured())


def test_a_stream_beyond_the_end_of_sequence_numbers_goes_on() -> None:
    ends = Ends()
    talk = Conversation(ends=ends, isn=(2**32 - 5000, 2**32 - 3))
    start = talk.open() + MS
    for index in range(20):
        talk.data(start + index * MS, index * MSS, lost=index == 6)
    talk.data(start + 400 * MS, 6 * MSS)
    talk.close(start + SECOND, 20 * MSS)
    told = fates(ends.measured(), data=True)

    assert [index for index, fate in enumerate(told) if fate is Fate.LOST] == [6]


@pytest.mark.parametrize(
    "path",
    [
        Between(),
        Between(seen_by_server={"0": ("198.51.100.7", 61_000), "0.1": ("198.51.100.7", 61_001)}),
        Between(isn_shift={"0": (12_345, 2**31 + 7), "0.1": (2**32 - 5, 99)}),
        Between(snap_bytes=96),
        Between(clock_offset_ns=-(10**15)),
    ],
)
def test_both_paths_of_a_connection_are_followed_through_a_translator(path: Between) -> None:
    found = measure(pair(*captures(TWO_PATHS, path)))

    assert [subflow.role for subflow in found.subflows] == [Role.INITIAL, Role.JOIN]
    assert set(found.crossings.fate.tolist()) == {Fate.ARRIVED}
    for subflow in found.subflows:
        for way in (subflow.c2s, subflow.s2c):
            assert way.delay_min_ns == path.delay_ns
            assert way.variation.max_ns == 0
    assert found.clock is not None
    assert found.clock.offset_ns == path.clock_offset_ns


def test_a_proxy_in_between_is_told_and_nothing_crosses_it() -> None:
    text = """
        0.000 > SYN
        0.020 < SYN/ACK
        0.040 > ACK
        0.041 > PSH data=900
        0.060 < PSH data=900
        0.080 > FIN
        0.090 < FIN
    """
    other = Between(isn_shift={"0": (1 << 20, 1 << 22)})
    stamped = text.replace("> SYN", "> SYN => tsval=99999")
    found = measure(pair(*captures(stamped, other)))

    assert (found.proxied_count, len(found.subflows)) == (1, 0)
    assert len(found.crossings) == 0


def test_one_capture_alone_has_nothing_to_follow() -> None:
    found = measure(pair(read(CLEAN[0]), None))

    assert found.alone_count == {Side.CLIENT: 2, Side.SERVER: 0}
    assert (found.subflows, found.clock, len(found.crossings)) == ((), None, 0)


def test_no_connection_at_all_is_no_trouble() -> None:
    found = measure(())

    assert (found.subflows, found.clock, len(found.crossings)) == ((), None, 0)


def test_losses_of_hundreds_of_connections_are_each_ones_own() -> None:
    ends = Ends()
    for number in range(300):
        talk = Conversation(
            ends=ends, client=("10.0.0.1", 10_000 + number), isn=(number * 10**7, number * 9**7)
        )
        start = talk.open(number * MS) + MS
        for again in range(number % 3 + 1):
            talk.data(start + again * 400 * MS, 0, lost=again < number % 3)
        talk.close(start + 2 * SECOND, MSS)
    found = ends.measured()

    assert [subflow.numbers[Side.CLIENT][0] for subflow in found.subflows] == list(range(300))
    assert [subflow.c2s.lost_count for subflow in found.subflows] == [n % 3 for n in range(300)]


PRINTED = """
import sys
from mptcp_check.analysis.capture import kernels
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.one_way.measure import measure
from mptcp_check.analysis.pairing.pair import pair
captures = [read(open(path, "rb").read()) for path in sys.argv[1:]]
found = measure(pair(*captures))
print(kernels.NUMBA_WORKS)
print(found.subflows, found.clock, found.crossings.fate.tolist(), found.crossings.delay_ns.tolist())
"""


def printed(folder: Path, *, compiled: bool) -> list[str]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0" if compiled else "1"}
    paths = [str(folder / side) for side in Side]
    done = subprocess.run(
        [sys.executable, "-c", PRINTED, *paths],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    )
    return done.stdout.splitlines()


def test_a_machine_without_numba_gets_the_same_answers(tmp_path: Path) -> None:
    ends = lossy(Ends(drift_ppm=20))
    for side in Side:
        (tmp_path / side).write_bytes(ends.pcap(side))
    compiled, interpreted = (printed(tmp_path, compiled=way) for way in (True, False))

    assert (compiled[0], interpreted[0]) == ("True", "False")
    assert interpreted[1:] == compiled[1:]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(CLEAN[0]) - 1), st.integers(0, 255)), max_size=20),
    st.integers(0, 1),
)
def test_damage_anywhere_never_raises(damage: list[tuple[int, int]], side: int) -> None:
    octets = [bytearray(capture) for capture in CLEAN]
    for place, value in damage:
        octets[side][min(place, len(octets[side]) - 1)] = value
    found = measure(pair(*(read(bytes(capture)) for capture in octets)))

    assert len(found.crossings) == sum(
        way.sent_count for subflow in found.subflows for way in (subflow.c2s, subflow.s2c)
    )
