"""Property: a behaviour that is played onto one end of a clean pair is found, whatever its
parameters; onto nothing, nothing is found.
"""

import functools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.diagnosed import CLEAN, capture_path
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.lab.rewriting import rewrite
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Direction, Side

RECEIVER = {Direction.C2S: Side.SERVER, Direction.S2C: Side.CLIENT}
REMOVAL = st.sampled_from(["nop", "delete"])
EITHER = st.sampled_from([Direction.C2S, Direction.S2C])
C2S, S2C = st.just(Direction.C2S), st.just(Direction.S2C)


def numbers(name: str, low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda value: f"{name}={value}")


def removal() -> st.SearchStrategy[str]:
    return REMOVAL.map(lambda value: f"removal={value}")


# the pair is of a download: only the server sends much
PASSIVE = {
    "mp_capable_removed_from_syn": (C2S, removal()),
    "mp_capable_removed_from_synack": (S2C, removal()),
    "mp_join_removed": (EITHER, removal()),
    "mptcp_option_removed_from_data": (EITHER, removal()),
    "mptcp_option_removed_midstream": (EITHER, numbers("first_segment", 10, 14)),
    "payload_altered": (S2C, numbers("mask", 1, 255)),
    "mss_clamped": (EITHER, numbers("mss_bytes", 200, 1300)),
    "tcp_option_removed": (EITHER, removal()),
    "window_altered": (EITHER, numbers("percent", 1, 90)),
    "dscp_altered": (EITHER, numbers("dscp", 1, 63)),
    "ttl_altered": (EITHER, numbers("value", 65, 255)),
    "segments_split": (S2C, st.just("")),
    "timestamp_altered": (EITHER, st.just("")),
    "ip_id_altered": (EITHER, st.just("")),
    "checksum_invalid": (EITHER, st.just("")),
}
"""What shows in captures though both ends went on as if nothing had happened: which direction it
is played on, and with what.
"""


@functools.cache
def original(side: Side) -> Capture:
    return read(capture_path(CLEAN, side).read_bytes())


def behind(text: str, side: Side) -> Capture:
    """Return one end's capture as if a behaviour had stood before it."""
    chain = Chain([registry.build(text, link_index=0, rng=random.Random(0))])  # noqa: S311 - reproducible
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rewritten.pcapng"
        rewrite(capture_path(CLEAN, side), target, chain)
        return read(target.read_bytes())


@pytest.mark.parametrize("behaviour", sorted(PASSIVE))
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_what_is_played_onto_one_end_is_found(behaviour: str, data: st.DataObject) -> None:
    directions, parameters = PASSIVE[behaviour]
    direction = data.draw(directions)
    rest = data.draw(parameters)
    side = RECEIVER[direction]
    text = f"{behaviour}:" + ",".join(filter(None, [f"direction={direction.value}", rest]))

    ends = {each: original(each) for each in Side} | {side: behind(text, side)}
    causes = diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes

    assert {cause.behaviour for cause in causes} == {behaviour}
    assert {cause.direction for cause in causes} == {direction}


@pytest.mark.parametrize("side", list(Side))
def test_nothing_is_found_where_nothing_is_played(side: Side) -> None:
    ends = {each: original(each) for each in Side} | {side: behind("link", side)}

    assert diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes == ()
