"""The boxes that take options out or drop: each touches its own segments and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes import (
    mp_capable_removed_from_syn,
    mp_capable_removed_from_synack,
    mp_capable_syn_dropped,
    mp_join_removed,
)
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.frame import tcp_segment
from mptcp_check.middleboxes.handshake import Step
from mptcp_check.middleboxes.mp_join_removed import MpJoinRemoved
from mptcp_check.middleboxes.options_edit import Removal
from mptcp_check.middleboxes.payload_altered import PayloadAltered
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from wire_frames import (
    ACK,
    DSS,
    MP_CAPABLE_SYN,
    MP_CAPABLE_SYN_ACK,
    MP_JOIN_ACK,
    MP_JOIN_SYN,
    MSS,
    RST,
    SEGMENTS,
    SYN,
    SYN_ACK,
    TIMESTAMPS,
    damaged_frames,
    padded,
    parts,
    problems,
    tcp_frame,
)

C2S, S2C = Direction.C2S, Direction.S2C
from_syn = mp_capable_removed_from_syn.MpCapableRemovedFromSyn
from_synack = mp_capable_removed_from_synack.MpCapableRemovedFromSynack
dropped = mp_capable_syn_dropped.MpCapableSynDropped
ALL = (from_syn, from_synack, dropped, MpJoinRemoved)
NOPS = b"\x01"


def through(box: Behaviour, frame: bytes, direction: Direction = C2S) -> bytes | None:
    """Return the one frame that leaves, checked for order and direction, or none."""
    emissions = box.on_frame(frame, direction, 7)
    assert len(emissions) <= 1
    assert all(e.at_ns == 7 and e.direction is direction for e in emissions)
    return emissions[0].frame if emissions else None


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("box", "flags", "option"),
    [
        pytest.param(from_syn(), SYN, MP_CAPABLE_SYN, id="MP_CAPABLE in a SYN"),
        pytest.param(from_synack(), SYN_ACK, MP_CAPABLE_SYN_ACK, id="MP_CAPABLE in a SYN/ACK"),
        pytest.param(MpJoinRemoved(), SYN, MP_JOIN_SYN, id="MP_JOIN in a SYN"),
        pytest.param(MpJoinRemoved(), SYN_ACK, MP_JOIN_SYN, id="MP_JOIN in a SYN/ACK"),
        pytest.param(MpJoinRemoved(), ACK, MP_JOIN_ACK, id="MP_JOIN in an ACK"),
    ],
)
def test_the_option_becomes_no_operations(
    box: Behaviour, flags: int, option: bytes, family: int
) -> None:
    before = box.acted_count
    frame = tcp_frame(family=family, flags=flags, options=MSS + option + TIMESTAMPS, payload=b"p")

    after = through(box, frame)

    assert after is not None
    assert parts(after) == (padded(MSS + NOPS * len(option) + TIMESTAMPS), b"p")
    assert problems(after) == []
    assert box.acted_count == before + 1


def test_the_option_can_be_cut_out() -> None:
    parameters = mp_capable_removed_from_syn.Parameters(removal=Removal.DELETE)
    frame = tcp_frame(flags=SYN, options=MSS + MP_CAPABLE_SYN + TIMESTAMPS)

    after = through(from_syn(parameters), frame)

    assert after is not None
    assert parts(after)[0] == MSS + TIMESTAMPS + NOPS * 2
    assert len(after) == len(frame) - 4
    assert problems(after) == []


def test_only_syns_with_mp_capable_are_dropped() -> None:
    box = dropped()

    assert through(box, tcp_frame(flags=SYN, options=MSS + MP_CAPABLE_SYN)) is None
    for passes in (
        tcp_frame(flags=SYN, options=MSS),
        tcp_frame(flags=SYN, options=MP_JOIN_SYN),
        tcp_frame(flags=SYN_ACK, options=MP_CAPABLE_SYN_ACK),
        tcp_frame(flags=ACK, options=MP_CAPABLE_SYN_ACK),
    ):
        assert through(box, passes) is passes
    assert box.acted_count == 1


@pytest.mark.parametrize(
    ("box", "frame"),
    [
        pytest.param(from_syn(), tcp_frame(flags=SYN_ACK, options=MP_CAPABLE_SYN_ACK), id="answer"),
        pytest.param(from_syn(), tcp_frame(flags=SYN, options=MP_JOIN_SYN), id="other subtype"),
        pytest.param(from_synack(), tcp_frame(flags=SYN, options=MP_CAPABLE_SYN), id="question"),
        pytest.param(MpJoinRemoved(), tcp_frame(flags=ACK, options=DSS), id="data"),
        pytest.param(MpJoinRemoved(), tcp_frame(flags=RST, options=MP_JOIN_ACK), id="reset"),
    ],
)
def test_other_segments_pass_as_the_same_object(box: Behaviour, frame: bytes) -> None:
    assert through(box, frame) is frame
    assert box.acted_count == 0


def test_mp_join_can_be_taken_from_one_step_only() -> None:
    box = MpJoinRemoved(mp_join_removed.Parameters(steps=frozenset({Step.SYN_ACK})))
    syn, syn_ack = (tcp_frame(flags=flags, options=MP_JOIN_SYN) for flags in (SYN, SYN_ACK))

    assert through(box, syn) is syn
    assert through(box, syn_ack) != syn_ack


@pytest.mark.parametrize(
    ("scope", "direction", "covered"),
    [
        (Scope(direction=C2S), C2S, True),
        (Scope(direction=C2S), S2C, False),
        (Scope(ports=frozenset({80})), S2C, True),
        (Scope(ports=frozenset({443, 21})), C2S, False),
    ],
)
def test_a_scope_narrows_what_a_box_looks_at(
    scope: Scope, direction: Direction, *, covered: bool
) -> None:
    frame = tcp_frame(flags=SYN, options=MP_CAPABLE_SYN)
    box = from_syn(mp_capable_removed_from_syn.Parameters(scope=scope))

    assert (through(box, frame, direction) is not frame) is covered


@given(damaged_frames(), st.sampled_from((*ALL, PayloadAltered)))
def test_what_is_no_whole_segment_passes_as_the_same_object(
    frame: bytes, make: type[Behaviour]
) -> None:
    if tcp_segment(frame) is None:
        assert through(make(), frame) is frame


@given(SEGMENTS, st.sampled_from(ALL), st.sampled_from((C2S, S2C)))
def test_the_stream_is_never_touched(
    frame: bytes, make: type[Behaviour], direction: Direction
) -> None:
    after = through(make(), frame, direction)

    if after is not None:
        tag_bytes = 4 if frame[12:14] == b"\x81\x00" else 0
        assert parts(after[tag_bytes:])[1] == parts(frame[tag_bytes:])[1]
        assert problems(after) == []
