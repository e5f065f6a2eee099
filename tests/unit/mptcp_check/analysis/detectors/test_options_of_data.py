"""MPTCP options taken out of segments after the SYNs: of all, of some, of later ones."""

import pytest

from mptcp_check.analysis.detectors import (
    add_addr_removed,
    mptcp_option_removed_from_data,
    mptcp_option_removed_midstream,
)
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Direction, State
from traces import HANDSHAKE, TWO_PATHS, Detector, captures, finding, one_sided

FROM_THE_START = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc
    0.040 > ACK mpc => -mpc nop=20
    0.041 > PSH data=100 mpc => -mpc nop=20
    0.060 < ACK
    0.062 < PSH data=1000
"""
LATER = TWO_PATHS.replace("0.063 < PSH data=1000 dss", "0.063 < PSH data=1000 dss => -dss nop=20")
ANNOUNCED = f"""{HANDSHAKE}
    0.060 < ACK dss
    0.061 < ACK addaddr => -addaddr nop=16
    0.080 > PSH data=100 dss
    0.100 < ACK dss
"""


def test_options_that_never_arrive_were_removed_from_the_start() -> None:
    found = finding(mptcp_option_removed_from_data.detect, FROM_THE_START)

    assert (found.state, found.direction) == (State.SEEN, Direction.C2S)
    assert found.measures["segments_altered"] == 2
    assert finding(mptcp_option_removed_midstream.detect, FROM_THE_START).state is State.NOT_SEEN


def test_options_that_arrive_at_first_were_removed_in_midstream() -> None:
    found = finding(mptcp_option_removed_midstream.detect, LATER)

    assert (found.state, found.direction) == (State.SEEN, Direction.S2C)
    assert found.measures["segments_kept_before"] == 2
    assert finding(mptcp_option_removed_from_data.detect, LATER).state is State.NOT_SEEN


def test_each_of_many_connections_is_followed_by_itself() -> None:
    """Their further subflows begin when all of the first ones have begun."""
    alone = finding(mptcp_option_removed_midstream.detect, TWO_PATHS)
    clean, *others, altered = pair(*captures(_overlapping(TWO_PATHS, TWO_PATHS, LATER)))

    for connection in (clean, *others):
        found = mptcp_option_removed_midstream.detect(connection)
        assert (found.state, found.measures) == (State.NOT_SEEN, alone.measures)
    assert mptcp_option_removed_midstream.detect(altered).state is State.SEEN


def _overlapping(*texts: str) -> str:
    """Return connections that begin one right after the other."""
    lines = []
    for number, text in enumerate(texts):
        for line in filter(None, map(str.strip, text.splitlines())):
            seconds, name, rest = line.split(maxsplit=2)
            if not name.startswith("0"):
                name, rest = "0", f"{name} {rest}"
            lines.append((float(seconds) + number / 1000, f"{number}{name[1:]} {rest}"))
    return "\n".join(f"{seconds:.3f} {line}" for seconds, line in sorted(lines))


def test_an_announcement_that_lost_its_option_is_named_by_itself() -> None:
    found = finding(add_addr_removed.detect, ANNOUNCED)

    assert (found.state, found.direction) == (State.SEEN, Direction.S2C)
    assert len(found.evidence) == 2
    for detect in (mptcp_option_removed_from_data.detect, mptcp_option_removed_midstream.detect):
        assert finding(detect, ANNOUNCED).state is State.NOT_SEEN


def test_an_announcement_that_was_lost_or_arrived_accuses_nobody() -> None:
    arrived = ANNOUNCED.replace(" => -addaddr nop=16", "")
    lost = ANNOUNCED.replace("-addaddr nop=16", "lost")

    assert finding(add_addr_removed.detect, arrived).state is State.NOT_SEEN
    assert finding(add_addr_removed.detect, lost).state is State.NOT_MEASURED


@pytest.mark.parametrize(
    "detect",
    [
        add_addr_removed.detect,
        mptcp_option_removed_from_data.detect,
        mptcp_option_removed_midstream.detect,
    ],
)
def test_a_clean_path_and_one_capture_accuse_nobody(detect: Detector) -> None:
    assert finding(detect, TWO_PATHS).state is not State.SEEN
    assert one_sided(detect, FROM_THE_START).state is State.NOT_MEASURED
