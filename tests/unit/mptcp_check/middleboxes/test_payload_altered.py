import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.payload_altered import Parameters, PayloadAltered
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from wire_frames import DSS, SYN, parts, problems, tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C
BULK = bytes(range(256)) * 5


def altered(box: PayloadAltered, frame: bytes, direction: Direction = C2S) -> list[int]:
    """Send a frame through and return which payload offsets differ after."""
    (emission,) = box.on_frame(frame, direction, 0)
    assert problems(emission.frame) == []
    before, after = parts(frame), parts(emission.frame)
    assert before[0] == after[0]
    assert len(before[1]) == len(after[1])
    return [
        at for at, pair in enumerate(zip(before[1], after[1], strict=True)) if len(set(pair)) > 1
    ]


def data(sequence: int, payload: bytes = BULK, **more: int) -> bytes:
    return tcp_frame(flags=0x18, sequence=sequence, options=DSS, payload=payload, **more)


@pytest.mark.parametrize("family", [4, 6])
def test_one_byte_of_the_first_bulk_segment_changes(family: int) -> None:
    box = PayloadAltered()

    assert altered(box, data(1, b"GET / HTTP/1.1\r\n", family=family)) == []
    assert altered(box, data(17, family=family)) == [500]
    assert altered(box, data(17 + len(BULK), family=family)) == []
    assert box.acted_count == 1


def test_each_direction_and_each_connection_has_its_own() -> None:
    box = PayloadAltered()
    altered(box, data(1))

    back = tcp_frame(sequence=1, payload=BULK, from_client=False)
    other = tcp_frame(sequence=1, payload=BULK, ports=(50002, 80))

    assert altered(box, back, S2C) == [500]
    assert altered(box, other) == [500]


def test_a_retransmission_is_altered_in_the_same_byte_however_it_is_cut() -> None:
    box = PayloadAltered()
    altered(box, data(1000))

    assert altered(box, data(1000)) == [500]
    assert altered(box, data(1400, BULK[400:])) == [100]
    assert altered(box, data(1500, BULK[500:520])) == [0]
    assert altered(box, data(1501, BULK[501:520])) == []
    assert altered(box, data(1400, BULK[400:500])) == []


def test_a_copy_does_not_count_as_another_segment() -> None:
    box = PayloadAltered(Parameters(skip_count=1))

    assert altered(box, data(1000)) == []
    assert altered(box, data(1000)) == []
    assert altered(box, data(1000 + len(BULK))) == [500]


def test_parameters_choose_which_and_how_much() -> None:
    box = PayloadAltered(
        Parameters(
            minimum_payload_bytes=10, segment_count=2, offset_bytes=3, length_bytes=4, mask=1
        )
    )

    assert altered(box, data(1, bytes(9))) == []
    assert altered(box, data(10, bytes(10))) == [3, 4, 5, 6]
    assert altered(box, data(20, bytes(10))) == [3, 4, 5, 6]
    assert altered(box, data(30, bytes(10))) == []


def test_a_segment_shorter_than_the_offset_loses_its_last_byte() -> None:
    assert altered(PayloadAltered(Parameters(minimum_payload_bytes=1)), data(1, b"abc")) == [2]


def test_a_syn_starts_a_new_connection_on_the_same_ports() -> None:
    box = PayloadAltered()
    altered(box, data(1))
    altered(box, tcp_frame(flags=SYN, sequence=5_000))

    assert altered(box, data(5_001)) == [500]


def test_a_scope_spares_the_other_direction() -> None:
    box = PayloadAltered(Parameters(scope=Scope(direction=S2C)))

    assert altered(box, data(1)) == []


def test_old_flows_are_forgotten_and_memory_is_bounded() -> None:
    box = PayloadAltered()
    for port in range(1, 5_000):
        altered(box, tcp_frame(sequence=1, payload=BULK[:1000], ports=(port, 80)))

    assert len(box._flows) == 4096


@pytest.mark.parametrize("wrong", [{"mask": 0}, {"mask": 256}, {"length_bytes": 0}])
def test_parameters_that_would_alter_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="alter"):
        Parameters(**wrong)


@given(st.integers(0, 2**32 - 1), st.integers(1, 1300), st.integers(0, 1299))
def test_every_copy_shows_the_same_change_also_where_numbers_wrap(
    sequence: int, length: int, start: int
) -> None:
    box = PayloadAltered()
    payload = bytes(1300)
    first = altered(box, tcp_frame(sequence=sequence, payload=payload))

    copy = payload[start : start + length]
    again = altered(box, tcp_frame(sequence=(sequence + start) % 2**32, payload=copy))

    assert first == [500]
    assert again == [at - start for at in first if start <= at < start + len(copy)]
