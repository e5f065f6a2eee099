"""Boxes whose treatment of a segment depends on what passed before."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.checksum_invalid import ChecksumInvalid, Parameters
from mptcp_check.middleboxes.mptcp_option_echoed import MptcpOptionEchoed
from mptcp_check.middleboxes.registry import build
from mptcp_check.middleboxes.scope import MAX_CONNECTIONS
from segment_frames import direction_of, frame_of, in_family
from segments import CLIENT, SERVER, Segment
from wire_frames import problems

SYN, ACK, RST = 0x02, 0x10, 0x04
MSS = bytes.fromhex("020405b4")
LINUX = MSS + bytes.fromhex("0402 080a0000001000000020 01030307")
CAPABLE = bytes.fromhex("1e040101")
CAPABLE_V0 = bytes.fromhex("1e0c0081") + b"\xaa" * 8
ANSWER_V0 = bytes.fromhex("1e0c0081") + b"\xbb" * 8
ANSWER = bytes.fromhex("1e0c0101") + b"\xbb" * 8
JOIN = bytes.fromhex("1e0c1001") + bytes(8)
UNKNOWN = bytes.fromhex("4004abcd")
ODD = bytes.fromhex("4103aa")
DSS = bytes.fromhex("1e142001") + bytes(16)
NOPS = b"\x01"


def made(text: str) -> Behaviour:
    return build(text, link_index=0, rng=random.Random(1))  # noqa: S311 - a seed, no secret


def syn(options: bytes, **more: int) -> Segment:
    return Segment(flags=SYN, options=options, **more)  # type: ignore[arg-type]


def answered(options: bytes) -> Segment:
    return Segment(source=SERVER, destination=CLIENT, flags=SYN | ACK, options=options)


def sent(box: Behaviour, segment: Segment) -> bytes:
    (emission,) = box.on_frame(frame_of(segment), direction_of(segment), 0)
    return emission.frame


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("box", "asked", "answer", "echoed"),
    [
        ("mptcp_option_echoed", MSS + CAPABLE, MSS, MSS + CAPABLE),
        ("mptcp_option_echoed", CAPABLE + MSS, LINUX, LINUX + CAPABLE),
        ("mptcp_option_echoed:strip_from_syn=no", CAPABLE, MSS + ANSWER, MSS + CAPABLE),
        ("mptcp_option_echoed:strip_from_syn=no", CAPABLE_V0, ANSWER_V0 + MSS, MSS + CAPABLE_V0),
        ("mptcp_option_echoed", CAPABLE, MSS + b"\0\0\0\0", MSS + CAPABLE),
        ("mptcp_option_echoed", MSS, MSS, MSS),
        ("mptcp_option_echoed", JOIN, MSS, MSS),
        ("mptcp_option_echoed", CAPABLE_V0, LINUX + NOPS * 12, LINUX + NOPS * 12),
        ("mptcp_option_echoed", CAPABLE, b"\x02\x01\x01\x01", b"\x02\x01\x01\x01"),
        ("unknown_option_echoed", MSS + UNKNOWN, MSS, MSS + UNKNOWN),
        ("unknown_option_echoed", UNKNOWN + CAPABLE + ODD, MSS, MSS + UNKNOWN + ODD),
        ("unknown_option_echoed", MSS + CAPABLE, MSS + ANSWER, MSS + ANSWER),
        ("unknown_option_echoed:known=2", CAPABLE, MSS, MSS + CAPABLE),
    ],
)
def test_an_option_of_the_syn_comes_back_in_the_answer(
    box: str, asked: bytes, answer: bytes, echoed: bytes, family: int
) -> None:
    mirror = made(box)
    sent(mirror, in_family(syn(asked), family))

    for _ in range(2):  # an answer that is sent again is treated alike
        left = sent(mirror, in_family(answered(answer), family))

        assert left == frame_of(in_family(answered(echoed), family))
        assert problems(left) == []


def test_an_answer_that_would_grow_too_long_for_ip_passes_as_it_is() -> None:
    mirror = made("mptcp_option_echoed")
    sent(mirror, syn(CAPABLE))
    longest = replace(answered(MSS), payload=bytes(0xFFFF - 20 - 20 - len(MSS)))

    assert sent(mirror, longest) == frame_of(longest)
    assert mirror.acted_count == 1  # the SYN


def test_only_the_newest_syn_of_the_same_connection_is_echoed() -> None:
    mirror = made("mptcp_option_echoed")
    sent(mirror, syn(MSS + CAPABLE))
    other = replace(answered(MSS), destination=(CLIENT[0], CLIENT[1] + 1))

    assert sent(mirror, other) == frame_of(other)

    sent(mirror, syn(MSS))  # the plain SYN of a fallback

    assert sent(mirror, answered(MSS)) == frame_of(answered(MSS))


def test_a_mirror_forgets_the_oldest_connection_when_it_is_full() -> None:
    mirror = MptcpOptionEchoed()
    for port in range(1, MAX_CONNECTIONS + 2):
        sent(mirror, replace(syn(CAPABLE), source=(CLIENT[0], port)))

    assert len(mirror._echoes) == MAX_CONNECTIONS
    forgotten = replace(answered(MSS), destination=(CLIENT[0], 1))
    assert sent(mirror, forgotten) == frame_of(forgotten)


def data(number: int, **more: bytes) -> Segment:
    return Segment(flags=ACK, seq=1001 + number, options=DSS, payload=b"d", **more)  # type: ignore[arg-type]


def test_options_vanish_from_the_chosen_segment_of_a_connection_on() -> None:
    box = made("mptcp_option_removed_midstream:first_segment=4")
    stripped = replace(data(1), options=NOPS * 20)

    assert sent(box, syn(CAPABLE)) == frame_of(syn(CAPABLE))
    assert sent(box, answered(ANSWER)) == frame_of(answered(ANSWER))
    assert sent(box, data(1)) == frame_of(data(1))
    assert sent(box, data(1)) == frame_of(stripped)  # also from what is sent again
    other = replace(data(1), source=(CLIENT[0], 7))
    assert sent(box, other) == frame_of(other)
    assert box.acted_count == 1


def test_the_middle_of_a_connection_is_its_fortieth_segment_by_default() -> None:
    box = made("mptcp_option_removed_midstream")

    changed = [sent(box, data(number)) != frame_of(data(number)) for number in range(50)]

    assert changed.index(True) == 39
    assert all(changed[39:])


def broken(box: Behaviour, segment: Segment) -> bool:
    """Say whether a segment leaves with a wrong checksum, and see that nothing else changed."""
    before, after = frame_of(segment), sent(box, segment)
    checksum = slice(14 + 20 + 16, 14 + 20 + 18)
    assert before[: checksum.start] + before[checksum.stop :] == (
        after[: checksum.start] + after[checksum.stop :]
    )
    assert problems(after) in ([], ["transport checksum"])
    return problems(after) != []


def test_the_first_data_of_each_direction_arrives_with_a_wrong_checksum_once() -> None:
    box = made("checksum_invalid")
    back = replace(data(1), source=SERVER, destination=CLIENT)

    assert not broken(box, syn(CAPABLE))
    assert [broken(box, data(1)) for _ in range(3)] == [True, False, False]
    assert [broken(box, back) for _ in range(2)] == [True, False]
    assert box.acted_count == 2


def test_which_segments_have_wrong_checksums_can_be_chosen() -> None:
    box = made("checksum_invalid:skip_count=1,segment_count=2,minimum_payload_bytes=0")

    assert [broken(box, syn(MSS)) for _ in range(4)] == [False, True, True, False]


def test_a_wrong_checksum_stays_as_wrong_as_it_was() -> None:
    frame = bytearray(frame_of(data(1)))
    frame[14 + 20 + 17] ^= 1

    (emission,) = ChecksumInvalid().on_frame(bytes(frame), direction_of(data(1)), 0)

    assert emission.frame == bytes(frame)


@given(st.binary(max_size=1000), st.sampled_from((4, 6)), st.integers(0, 2**32 - 1))
def test_no_chosen_segment_keeps_a_right_checksum(payload: bytes, family: int, seq: int) -> None:
    box = ChecksumInvalid(Parameters(minimum_payload_bytes=0))
    segment = in_family(Segment(seq=seq, payload=payload), family)

    assert problems(sent(box, segment)) == ["transport checksum"]


def test_the_count_of_chosen_segments_is_forgotten_for_the_oldest_flows() -> None:
    box = ChecksumInvalid()
    for port in range(1, MAX_CONNECTIONS + 2):
        sent(box, replace(data(1), source=(CLIENT[0], port)))

    assert len(box._seen) == MAX_CONNECTIONS
