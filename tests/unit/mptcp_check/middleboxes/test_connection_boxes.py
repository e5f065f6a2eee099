"""Boxes that speak for an end: resets, black holes, early acknowledgments, proxies."""

import random

import pytest

from mptcp_check.middleboxes.acked_by_middlebox import AckedByMiddlebox
from mptcp_check.middleboxes.acked_by_middlebox import Parameters as Acked
from mptcp_check.middleboxes.behaviour import Behaviour, Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.connection_proxied import ConnectionProxied, Mode
from mptcp_check.middleboxes.connection_proxied import Parameters as Proxied
from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.path_blackholed import Extent, PathBlackholed
from mptcp_check.middleboxes.path_blackholed import Parameters as Blackholed
from mptcp_check.middleboxes.reset_injected import Afterwards, ResetInjected, Target
from mptcp_check.middleboxes.reset_injected import Parameters as Reset
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from tcp_model import MS, Tap, talk
from wire_frames import (
    MP_CAPABLE_SYN,
    MSS,
    RST,
    SYN,
    SYN_ACK,
    parts,
    problems,
    tcp_frame,
)

C2S, S2C = Direction.C2S, Direction.S2C
RNG = random.Random(1)  # noqa: S311 - reproducible
WINDOW_SCALE = bytes.fromhex("01030308")


def through(box: Behaviour, frame: bytes, way: Direction = C2S) -> list[Emission]:
    emissions = list(box.on_frame(frame, way, 0))
    assert [problem for each in emissions for problem in problems(each.frame)] == []
    return emissions


def found(emission: Emission) -> TcpSegment:
    segment = tcp_segment(emission.frame)
    assert segment is not None
    return segment


@pytest.mark.parametrize("family", [4, 6])
def test_both_ends_get_a_reset_with_exactly_the_number_they_expect(family: int) -> None:
    box = ResetInjected(Reset(after_count=1, ttl=7))
    up = tcp_frame(sequence=500, payload=bytes(10), family=family)
    down = tcp_frame(sequence=77, payload=bytes(20), from_client=False, family=family)

    assert [each.frame for each in through(box, up)] == [up]
    passed, to_server, to_client = through(box, down, S2C)

    assert passed.frame == down
    assert (to_server.direction, found(to_server).sequence) == (C2S, 510)
    assert (to_client.direction, found(to_client).sequence) == (S2C, 97)
    for reset in (to_server, to_client):
        assert found(reset).flags & RST
        assert reset.frame[22 if family == 4 else 21] == 7
    assert found(to_client).packet.source == found(passed).packet.source
    assert box.acted_count == 2
    assert len(through(box, up)) == 1


@pytest.mark.parametrize(("target", "way"), [(Target.CLIENT, S2C), (Target.SERVER, C2S)])
def test_one_end_gets_it_and_the_box_drops_what_comes_then(target: Target, way: Direction) -> None:
    box = ResetInjected(Reset(after_count=0, target=target, afterwards=Afterwards.DROP))

    assert [each.direction for each in through(box, tcp_frame())] == [way]
    assert through(box, tcp_frame(from_client=False), S2C) == []


def test_each_connection_is_counted_for_itself_and_no_syn_is_answered() -> None:
    box = ResetInjected(Reset(after_count=0))

    assert len(through(box, tcp_frame(flags=SYN))) == 1
    assert len(through(box, tcp_frame())) == 3
    assert len(through(box, tcp_frame(ports=(9, 80)))) == 3


def test_a_connection_loses_its_path_after_some_segments_and_others_do_not() -> None:
    box = PathBlackholed(Blackholed(after_count=2))
    frame = tcp_frame()

    assert [len(through(box, frame)) for _ in range(4)] == [1, 1, 0, 0]
    assert len(through(box, tcp_frame(ports=(9, 80)))) == 1
    assert box.acted_count == 2


def test_a_link_loses_everything_for_a_while() -> None:
    box = PathBlackholed(Blackholed(after_count=0, extent=Extent.LINK, duration_ns=MS))
    other = bytes(60)

    assert len(box.on_frame(other, C2S, 0)) == 1
    assert box.on_frame(tcp_frame(), C2S, 10) == ()
    assert box.on_frame(other, S2C, 20) == ()
    assert len(box.on_frame(other, S2C, 10 + MS)) == 1


def test_a_black_hole_has_a_direction() -> None:
    box = PathBlackholed(Blackholed(after_count=0, scope=Scope(direction=S2C)))

    assert len(through(box, tcp_frame())) == 1
    assert through(box, tcp_frame(from_client=False), S2C) == []


def acknowledged_early(box: AckedByMiddlebox) -> Emission:
    """Take a connection past its start, and return the answer to data."""
    syn_options, answer_options = MSS + WINDOW_SCALE, MSS + WINDOW_SCALE
    through(box, tcp_frame(flags=SYN, sequence=56, options=syn_options))
    answer = tcp_frame(flags=SYN_ACK, sequence=900, from_client=False, options=answer_options)
    through(box, answer, S2C)
    through(box, tcp_frame(sequence=57, payload=bytes(20)))
    through(box, tcp_frame(sequence=901, from_client=False), S2C)  # acknowledges 77
    passed, made = through(box, tcp_frame(sequence=77, payload=b"early"))
    assert parts(passed.frame)[1] == b"early"
    return made


def test_data_are_acknowledged_for_the_receiver_within_its_window() -> None:
    box = AckedByMiddlebox(Acked(engage_count=1))

    answer = found(acknowledged_early(box))

    assert answer.acknowledgement == 82
    assert answer.sequence == 901
    assert answer.payload_bytes == 0
    window = int.from_bytes(answer.packet.frame[answer.packet.transport + 14 :][:2], "big")
    assert 8191 <= window <= 8192


def test_what_the_receiver_says_later_is_raised_to_what_was_promised() -> None:
    box = AckedByMiddlebox(Acked(engage_count=1))
    acknowledged_early(box)

    (late,) = through(box, tcp_frame(sequence=901, from_client=False), S2C)

    assert found(late).acknowledgement == 82


def test_what_was_promised_is_sent_again_until_the_receiver_has_it() -> None:
    chain = Chain([AckedByMiddlebox(Acked(timeout_ns=10 * MS, engage_count=1))])
    box = chain.behaviours[0]
    assert isinstance(box, AckedByMiddlebox)
    acknowledged_early(box)

    assert chain.next_due_ns() == 10 * MS
    (again,) = chain.poll(10 * MS)
    assert parts(again.frame)[1] == b"early"
    assert chain.next_due_ns() == 30 * MS
    assert len(chain.poll(10**12)) < 10
    assert chain.next_due_ns() is None


def test_a_sender_that_repeats_what_was_promised_is_answered_again() -> None:
    box = AckedByMiddlebox(Acked(engage_count=1))
    acknowledged_early(box)

    (answer,) = through(box, tcp_frame(sequence=77, payload=b"early"))

    assert answer.direction is S2C
    assert found(answer).acknowledgement == 82


@pytest.mark.parametrize("mode", list(Mode))
def test_the_proxy_answers_for_the_server_with_its_own_number_and_options(mode: Mode) -> None:
    box = ConnectionProxied(Proxied(mode=mode, mss_bytes=1000), rng=RNG)
    options = MSS + WINDOW_SCALE + MP_CAPABLE_SYN

    (answer,) = through(box, tcp_frame(flags=SYN, sequence=56, options=options))

    assert answer.direction is S2C
    assert found(answer).is_syn_ack
    assert found(answer).acknowledgement == 57
    assert parts(answer.frame)[0].startswith(bytes.fromhex("020403e8"))
    assert b"\x1e" not in parts(answer.frame)[0]
    window = answer.frame[48:50]
    assert (window == bytes(2)) is (mode is Mode.SYN_PROXY)


@pytest.mark.parametrize("mode", list(Mode))
def test_no_number_is_the_other_ends_and_no_option_crosses(mode: Mode) -> None:
    left, right = Tap(), Tap()
    box = ConnectionProxied(Proxied(mode=mode), rng=RNG)

    seen = talk([left, box, right], upload=bytes(3000), download=bytes(3000), seed=3)

    assert seen.server.done
    syn_acks = [
        [found for _, frame in tap.frames if (found := tcp_segment(frame)) and found.is_syn_ack]
        for tap in (left, right)
    ]
    assert syn_acks[0][0].sequence != syn_acks[1][0].sequence
    kept = {Mode.SYN_PROXY: True, Mode.SPLIT: False}[mode]
    syns = [
        next(found for _, frame in tap.frames if (found := tcp_segment(frame)) and found.is_syn)
        for tap in (left, right)
    ]
    assert (syns[0].sequence == syns[1].sequence) is kept


def acknowledging(frame: bytes, number: int) -> bytes:
    """Return a frame with another acknowledgment number, which the model does not let one choose.

    Its checksum is wrong then, which no box looks at.
    """
    return frame[:42] + (number % 2**32).to_bytes(4, "big") + frame[46:]


def test_a_split_proxy_may_take_another_port_and_finds_the_way_back() -> None:
    box = ConnectionProxied(Proxied(own_ports=True), rng=RNG)
    (answer,) = through(box, tcp_frame(flags=SYN, sequence=56, options=MSS))
    third = acknowledging(tcp_frame(sequence=57), found(answer).sequence + 1)
    (syn,) = box.on_frame(third, C2S, 0)
    port = found(syn).source_port
    back = tcp_frame(flags=SYN_ACK, sequence=9, from_client=False, ports=(80, port))

    (far,) = box.on_frame(acknowledging(back, found(syn).sequence + 1), S2C, 0)

    assert port != 50001
    assert (far.direction, found(far).source_port, found(far).acknowledgement) == (C2S, port, 10)


def test_a_server_that_refuses_is_refused_to_the_client() -> None:
    for mode in Mode:
        box = ConnectionProxied(Proxied(mode=mode), rng=RNG)
        (answer,) = through(box, tcp_frame(flags=SYN, sequence=56))
        isn = found(answer).sequence
        (syn,) = box.on_frame(acknowledging(tcp_frame(sequence=57), isn + 1), C2S, 0)
        assert found(syn).is_syn
        refusal = tcp_frame(flags=RST | 0x10, sequence=0, from_client=False)

        (reset,) = box.on_frame(acknowledging(refusal, found(syn).sequence + 1), S2C, 0)

        assert reset.direction is S2C
        assert found(reset).flags & RST
        assert found(reset).sequence == (isn + 1) % 2**32


@pytest.mark.parametrize("mode", list(Mode))
def test_a_proxy_gives_up_when_nobody_answers(mode: Mode) -> None:
    chain = Chain([ConnectionProxied(Proxied(mode=mode), rng=RNG)])

    out = chain.push(tcp_frame(flags=SYN, sequence=56), C2S, 0)
    out += chain.poll(10**15)

    assert 3 < len(out) < 12
    assert chain.next_due_ns() is None


def test_what_began_before_the_proxy_passes() -> None:
    frame = tcp_frame(payload=b"x")

    assert [each.frame for each in through(ConnectionProxied(rng=RNG), frame)] == [frame]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reset(after_count=-1),
        lambda: Reset(ttl=0),
        lambda: Blackholed(duration_ns=-1),
        lambda: Acked(buffer_bytes=0),
        lambda: Proxied(mss_bytes=0),
        lambda: Proxied(window_shift=15),
        lambda: Proxied(buffer_bytes=1),
        lambda: Proxied(mode=Mode.SYN_PROXY, own_ports=True),
        lambda: Proxied(scope=Scope(first_segment=2)),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"\w"):
        make()
