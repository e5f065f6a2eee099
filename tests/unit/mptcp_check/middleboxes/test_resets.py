"""A refused segment is answered as RFC 9293, section 3.5.2, has a closed port answer."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.frame import tcp_segment
from mptcp_check.middleboxes.registry import build
from mptcp_check.middleboxes.resets import reset_for
from mptcp_check.model import Direction
from segment_frames import frame_of, in_family
from segments import CLIENT, SERVER, Segment
from wire_frames import CLIENT_MAC, SEGMENTS, SERVER_MAC, problems

C2S, S2C = Direction.C2S, Direction.S2C
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
CAPABLE = bytes.fromhex("1e040101")
JOIN = bytes.fromhex("1e0c1001") + bytes(8)
DONT_FRAGMENT = 0x4000
FAMILIES = pytest.mark.parametrize("family", [4, 6])


def answer_of(box: str, segment: Segment, direction: Direction = C2S) -> Emission:
    made = build(box, link_index=0, rng=random.Random(1))  # noqa: S311 - a seed, no secret
    (emission,) = made.on_frame(frame_of(segment), direction, 7)
    assert made.acted_count == 1
    return emission


def expected(segment: Segment, **fields: int) -> bytes:
    """Return a RST built by the tests, from the segment's destination to its source."""
    reset = Segment(
        source=segment.destination, destination=segment.source, window=0, ip_id=0, **fields
    )
    if ":" not in segment.source[0]:
        reset = replace(reset, fragment=DONT_FRAGMENT)
    return frame_of(reset)


@FAMILIES
@pytest.mark.parametrize(
    ("box", "options"), [("mp_capable_syn_reset", CAPABLE), ("mp_join_reset", JOIN)]
)
def test_a_syn_is_refused_with_what_acknowledges_it(box: str, options: bytes, family: int) -> None:
    segment = in_family(Segment(flags=SYN, seq=2**32 - 1, options=options), family)

    emission = answer_of(box, segment)

    assert emission.frame == expected(segment, flags=RST | ACK, seq=0, ack=0)
    assert emission.direction is S2C
    assert emission.at_ns == 7


def test_the_hop_limit_tells_how_far_the_box_is() -> None:
    segment = Segment(flags=SYN, options=CAPABLE)

    emission = answer_of("mp_capable_syn_reset:hop_limit=61", segment)

    assert emission.frame == expected(segment, flags=RST | ACK, seq=0, ack=1001, ttl=61)


def test_a_server_that_opens_a_connection_is_refused_too() -> None:
    segment = Segment(source=SERVER, destination=CLIENT, flags=SYN, options=CAPABLE)

    emission = answer_of("mp_capable_syn_reset", segment, S2C)

    assert emission.direction is C2S
    assert emission.frame[:12] == SERVER_MAC + CLIENT_MAC


@FAMILIES
@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"flags": ACK, "seq": 5, "ack": 99}, {"flags": RST, "seq": 99, "ack": 0}),
        ({"flags": FIN, "seq": 5}, {"flags": RST | ACK, "seq": 0, "ack": 6}),
        ({"flags": SYN | FIN, "seq": 5}, {"flags": RST | ACK, "seq": 0, "ack": 7}),
    ],
)
def test_sequence_numbers_follow_the_rfc(
    fields: Mapping[str, int], answer: Mapping[str, int], family: int
) -> None:
    segment = in_family(Segment(**fields), family)  # type: ignore[arg-type]
    found = tcp_segment(frame_of(segment))
    assert found is not None

    assert reset_for(found) == expected(segment, **answer)


def test_a_syn_with_payload_is_acknowledged_with_it() -> None:
    segment = Segment(flags=SYN, seq=5, options=CAPABLE, payload=b"fast open")

    emission = answer_of("mp_capable_syn_reset", segment)

    assert emission.frame == expected(segment, flags=RST | ACK, seq=0, ack=5 + 1 + 9)


@given(SEGMENTS, st.integers(1, 255))
def test_every_reset_is_a_valid_segment_the_other_way(frame: bytes, hop_limit: int) -> None:
    segment = tcp_segment(frame)
    assert segment is not None

    reset = reset_for(segment, hop_limit=hop_limit)

    again = tcp_segment(reset)
    assert again is not None
    assert problems(reset) == []
    assert again.connection == segment.connection
    assert again.source_port == segment.destination_port
    assert again.flags & RST
