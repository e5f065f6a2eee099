"""Header fields that arrive with another value: one segment is enough, and nothing else counts."""

from dataclasses import dataclass

import pytest

from mptcp_check.analysis.detectors import (
    checksum_invalid,
    dscp_altered,
    ecn_cleared,
    ip_id_altered,
    mss_clamped,
    reserved_bits_cleared,
    tcp_option_altered,
    tcp_option_removed,
    timestamp_altered,
    ttl_altered,
    unknown_option_removed,
    urgent_pointer_cleared,
    window_altered,
    window_scale_altered,
)
from mptcp_check.model import Confidence, Direction, State
from traces import TWO_PATHS, Detector, Path, finding, one_sided

SYN, SYN_ACK, THIRD = "0.000 > SYN mpc", "0.020 < SYN/ACK mpc", "0.040 > ACK mpc"
DATA = "0.062 < PSH data=1000 dss"
REQUEST = "0.041 > PSH data=100 mpc"


@dataclass(frozen=True)
class Case:
    """A line of the clean trace, what it is sent with, and how it arrives."""

    detect: Detector
    line: str
    arrives: str
    direction: Direction
    measures: tuple[tuple[str, int], ...] = ()
    sent: str = ""

    @property
    def text(self) -> str:
        """The whole trace."""
        assert self.line in TWO_PATHS
        return TWO_PATHS.replace(self.line, f"{self.line} {self.sent} => {self.arrives}", 1)


UP, DOWN = Direction.C2S, Direction.S2C
CASES = {
    "mss": Case(mss_clamped.detect, SYN, "mss=900", UP, (("before", 1460), ("after", 900))),
    "mss of the answer": Case(mss_clamped.detect, SYN_ACK, "mss=900", DOWN),
    "mss grows": Case(tcp_option_altered.detect, SYN, "mss=9000", UP, (("option_kind", 2),)),
    "window scale": Case(
        window_scale_altered.detect, SYN_ACK, "ws=0", DOWN, (("before", 7), ("after", 0))
    ),
    "window": Case(window_altered.detect, DATA, "win=1000", DOWN, (("after", 1000),)),
    "timestamp": Case(timestamp_altered.detect, DATA, "tsval=7", DOWN, (("after", 7),)),
    "dscp": Case(
        dscp_altered.detect, REQUEST, "tos=0", UP, (("before", 46), ("after", 0)), sent="tos=184"
    ),
    "ecn": Case(
        ecn_cleared.detect, DATA, "tos=0", DOWN, (("before", 2), ("after", 0)), sent="tos=2"
    ),
    "a congestion mark hidden": Case(ecn_cleared.detect, DATA, "tos=2", DOWN, sent="tos=3"),
    "ecn in the SYN": Case(ecn_cleared.detect, SYN, "-ece", UP, sent="ece"),
    "ttl": Case(ttl_altered.detect, DATA, "ttl=200", DOWN, (("before", 64), ("after", 200))),
    "ip id": Case(ip_id_altered.detect, DATA, "id=4711", DOWN, (("after", 4711),)),
    "urgent": Case(urgent_pointer_cleared.detect, DATA, "-urg", DOWN, sent="urg=5"),
    "reserved": Case(
        reserved_bits_cleared.detect, DATA, "-res", DOWN, (("before", 3), ("after", 0)), "res=3"
    ),
    "checksum": Case(checksum_invalid.detect, DATA, "badsum", DOWN, (("before", 1), ("after", 0))),
    "timestamps removed": Case(
        tcp_option_removed.detect, DATA, "nots", DOWN, (("option_kind", 8),)
    ),
    "an option replaced": Case(
        tcp_option_removed.detect, SYN, "nobase", UP, (("kinds_altered", 3),)
    ),
    "an unknown option": Case(
        unknown_option_removed.detect, SYN, "-opt nop=4", UP, (("option_kind", 253),), "opt=253"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_change_is_seen_and_measured(case: Case) -> None:
    found = finding(case.detect, case.text)

    assert (found.state, found.direction) == (State.SEEN, case.direction)
    assert found.confidence is Confidence.CONFIRMED
    assert dict(case.measures).items() <= found.measures.items()
    assert [e.side.value for e in found.evidence] == (
        ["client", "server"] if case.direction is UP else ["server", "client"]
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_same_segments_unchanged_accuse_nobody(case: Case) -> None:
    clean = TWO_PATHS.replace(case.line, f"{case.line} {case.sent}", 1)

    assert finding(case.detect, clean).state is not State.SEEN
    assert one_sided(case.detect, case.text).state is State.NOT_MEASURED


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss_accuses_nobody(case: Case) -> None:
    lost = TWO_PATHS.replace(case.line, f"{case.line} {case.sent} => lost", 1)

    assert finding(case.detect, lost).state is not State.SEEN


@pytest.mark.parametrize(
    "path",
    [
        Path(seen_by_server={"0": ("198.51.100.7", 61_000)}),
        Path(isn_shift={"0": (1_000_000, 77), "0.1": (5, 6)}),
        Path(clock_offset_ns=-86_400 * 10**9),
        Path(snap_bytes=96),
    ],
    ids=["NAT", "rewritten numbers", "clocks a day apart", "snap length"],
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_else_the_path_does_makes_no_change(case: Case, path: Path) -> None:
    assert finding(case.detect, TWO_PATHS, path).state is not State.SEEN


def test_hops_are_counted_and_a_route_may_change() -> None:
    hops = "\n".join(
        f"{line} => ttl={60 - index % 2}" if line.strip() else line
        for index, line in enumerate(TWO_PATHS.splitlines())
    )

    assert finding(ttl_altered.detect, hops).state is State.NOT_SEEN


def test_packets_that_start_with_several_ttls_and_arrive_with_one_were_set() -> None:
    text = TWO_PATHS.replace(DATA, f"{DATA} ttl=255 => ttl=60").replace(
        SYN_ACK, f"{SYN_ACK} => ttl=60"
    )
    text = "\n".join(
        f"{line} => ttl=60" if "<" in line and "=>" not in line else line
        for line in text.splitlines()
    )

    assert finding(ttl_altered.detect, text).state is State.SEEN


def test_a_congestion_mark_is_no_interference() -> None:
    text = TWO_PATHS.replace(DATA, f"{DATA} tos=2 => tos=3")

    assert finding(ecn_cleared.detect, text).state is State.NOT_SEEN


def test_a_checksum_that_the_card_fills_in_is_no_interference() -> None:
    text = TWO_PATHS.replace(DATA, f"{DATA} badsum => -badsum")

    assert finding(checksum_invalid.detect, text).state is not State.SEEN
