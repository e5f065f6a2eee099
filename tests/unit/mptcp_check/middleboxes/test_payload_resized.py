import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.middleboxes.loss import Loss
from mptcp_check.middleboxes.loss import Parameters as Lost
from mptcp_check.middleboxes.payload_resized import Parameters, PayloadResized
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from tcp_model import Tap, sack_blocks, talk
from wire_frames import DSS, parts, problems, tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C
PORT = b"PORT 10,77,0,1,4,1\r\n"
LONGER = b"PORT 10,77,0,100,4,1\r\n"
GATEWAY = Parameters(old=b"10,77,0,1,", new=b"10,77,0,100,")


def numbers(frame: bytes) -> tuple[int, int]:
    return int.from_bytes(frame[38:42], "big"), int.from_bytes(frame[42:46], "big")


def through(box: PayloadResized, frame: bytes, way: Direction = C2S) -> list[bytes]:
    frames = [emission.frame for emission in box.on_frame(frame, way, 0)]
    assert [problem for each in frames for problem in problems(each)] == []
    return frames


def test_an_ftp_gateway_makes_the_port_command_longer_and_moves_what_follows() -> None:
    box = PayloadResized(GATEWAY)
    (command,) = through(box, tcp_frame(sequence=100, payload=PORT, options=DSS))
    (after,) = through(box, tcp_frame(sequence=120, payload=b"QUIT\r\n"))

    assert parts(command) == (DSS, LONGER)
    assert numbers(command)[0] == 100
    assert numbers(after)[0] == 122
    assert box.acted_count == 2


def test_the_answer_acknowledges_what_was_sent() -> None:
    box = PayloadResized(GATEWAY)
    through(box, tcp_frame(sequence=57, payload=PORT))  # ends at 77, which the model acknowledges
    blocks = b"\x01\x01\x05\x0a" + (79).to_bytes(4, "big") + (89).to_bytes(4, "big")

    (answer,) = through(box, tcp_frame(from_client=False, options=blocks), S2C)

    assert numbers(answer)[1] == 75  # 77 is inside of what was inserted
    assert list(sack_blocks(parts(answer)[0])) == [(77, 87)]


def test_a_retransmission_becomes_longer_in_the_same_place() -> None:
    box = PayloadResized(GATEWAY)
    first = through(box, tcp_frame(sequence=100, payload=PORT))

    assert through(box, tcp_frame(sequence=100, payload=PORT)) == first
    (tail,) = through(box, tcp_frame(sequence=113, payload=PORT[13:]))
    assert numbers(tail)[0] == 113
    assert first[0].endswith(parts(tail)[1])


def test_only_so_many_places_are_edited_and_others_left() -> None:
    box = PayloadResized(Parameters(old=b"a", new=b"", skip_count=1, segment_count=2))

    (frame,) = through(box, tcp_frame(payload=b"a1a2a3a4"))

    assert parts(frame)[1] == b"a123a4"


def test_a_full_segment_that_grows_leaves_as_two_that_fit() -> None:
    box = PayloadResized(Parameters(growth_bytes=100))
    payload = bytes(1440)

    first, second = through(box, tcp_frame(sequence=5, payload=payload, options=DSS))

    assert max(len(first), len(second)) <= 1514
    assert parts(first)[1] + parts(second)[1] == payload[:500] + b" " * 100 + payload[500:]
    assert numbers(second)[0] == 5 + len(parts(first)[1])
    assert parts(second)[0] == DSS


def test_of_a_segment_that_vanishes_a_probe_is_left_that_the_receiver_answers() -> None:
    box = PayloadResized(Parameters(old=b"gone", new=b""))

    (frame,) = through(box, tcp_frame(sequence=100, payload=b"gone"))

    assert parts(frame)[1] == b""
    assert numbers(frame)[0] == 99


def test_a_scope_spares_the_other_direction_but_its_numbers_are_right() -> None:
    box = PayloadResized(Parameters(old=b"a", new=b"bb", scope=Scope(direction=S2C)))

    assert through(box, tcp_frame(payload=b"a")) == [tcp_frame(payload=b"a")]
    (frame,) = through(box, tcp_frame(payload=b"a", sequence=76, from_client=False), S2C)
    assert parts(frame)[1] == b"bb"


@pytest.mark.parametrize(
    "wrong",
    [
        {"growth_bytes": 0},
        {"old": b"x", "new": b"x"},
        {"new": b"x"},
        {"fill": 256},
        {"minimum_payload_bytes": 0},
        {"mtu_bytes": 100},
        {"growth_bytes": 2000},
        {"skip_count": -1},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Parameters(**wrong)  # type: ignore[arg-type]


RESIZED = st.sampled_from(
    (
        Parameters(old=b"ab", new=b"XYZW", segment_count=50),
        Parameters(old=b"abc", new=b"q", segment_count=50),
        Parameters(old=b"abc", new=b"", segment_count=50),
        Parameters(minimum_payload_bytes=1, growth_bytes=-3, offset_bytes=0, segment_count=40),
        Parameters(minimum_payload_bytes=1, growth_bytes=300, offset_bytes=3, segment_count=40),
    )
)


def resized(payload: bytes, parameters: Parameters, budget: int) -> tuple[bytes, int]:
    """Return what becomes of a segment that is new, and how many edits are left after it."""
    if parameters.old:
        count = min(budget, payload.count(parameters.old))
        return payload.replace(parameters.old, parameters.new, budget), budget - count
    if not budget:
        return payload, 0
    at = min(parameters.offset_bytes, len(payload) - 1)
    if parameters.growth_bytes > 0:
        return payload[:at] + b" " * parameters.growth_bytes + payload[at:], budget - 1
    return payload[:at] + payload[at - parameters.growth_bytes :], budget - 1


def expected(sent: bytes, segments: list[tuple[int, bytes]], parameters: Parameters) -> bytes:
    """Return the stream behind the box; segments are where they begin in ``sent``, and bytes."""
    stream, end, budget = b"", 0, parameters.segment_count
    for start, payload in segments:
        if start >= end:
            piece, budget = resized(payload, parameters, budget)
            stream += sent[end:start] + piece
        else:
            stream += sent[end : start + len(payload)]
        end = max(end, start + len(payload))
    return stream + sent[end:]


@settings(max_examples=60, deadline=None)
@given(
    parameters=RESIZED,
    seed=st.integers(0, 2**20),
    before=st.sampled_from((0.0, 0.2)),
    behind=st.sampled_from((0.0, 0.2)),
    sack=st.booleans(),
)
def test_the_receiver_gets_the_edited_stream_whatever_is_lost_before_and_behind_the_box(
    *, parameters: Parameters, seed: int, before: float, behind: float, sack: bool
) -> None:
    rng = random.Random(seed)  # noqa: S311 - reproducible
    sent = bytes(rng.choice(b"abcd") for _ in range(4000))
    tap = Tap()

    seen = talk(
        [
            Loss(Lost(probability=before), rng=rng),
            tap,
            PayloadResized(parameters),
            Loss(Lost(probability=behind), rng=rng),
        ],
        upload=sent,
        download=b"ok" * 700,
        seed=seed,
        sack=sack,
        isns=(500, 600),
    )

    assert seen.client.done
    assert seen.server.done
    segments = [
        (numbers(frame)[0] - 501, parts(frame)[1])
        for way, frame in tap.frames
        if way is C2S and parts(frame)[1]
    ]
    assert seen.server.stream == expected(sent, segments, parameters)
