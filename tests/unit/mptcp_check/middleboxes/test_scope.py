import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import MAX_CONNECTIONS, Scope, ScopeWatch, Subflows
from mptcp_check.model import Direction
from wire_frames import ACK, MP_CAPABLE_SYN, MP_JOIN_SYN, SYN, SYN_ACK, damaged_frames, tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C


def segment(
    flags: int = ACK,
    options: bytes = b"",
    *,
    sequence: int = 1000,
    from_client: bool = True,
    ports: tuple[int, int] | None = None,
) -> TcpSegment:
    frame = tcp_frame(
        flags=flags, options=options, sequence=sequence, from_client=from_client, ports=ports
    )
    found = tcp_segment(frame)
    assert found is not None
    return found


ANSWER = segment(SYN_ACK, from_client=False)
DATA = segment(ACK, sequence=1001)
BACK = segment(ACK, from_client=False)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), [True, True, True, True]),
        (Scope(direction=C2S), [True, False, True, False]),
        (Scope(direction=S2C), [False, True, False, True]),
        (Scope(ports=frozenset({80})), [True, True, True, True]),
        (Scope(ports=frozenset({50001, 21})), [True, True, True, True]),
        (Scope(ports=frozenset({443, 21})), [False, False, False, False]),
        (Scope(first_segment=3), [False, False, True, True]),
        (Scope(first_segment=3, direction=S2C), [False, False, False, True]),
        (Scope(first_segment=3, ports=frozenset({443})), [False, False, False, False]),
    ],
)
def test_a_scope_covers_ports_a_direction_and_what_comes_late(
    scope: Scope, covered: list[bool]
) -> None:
    watch = scope.watch()
    passing = [(segment(SYN, MP_CAPABLE_SYN), C2S), (ANSWER, S2C), (DATA, C2S), (BACK, S2C)]

    assert [watch.covers(*each) for each in passing] == covered


@pytest.mark.parametrize(
    ("options", "subflow", "covered"),
    [
        (MP_CAPABLE_SYN, Subflows.FIRST, True),
        (MP_CAPABLE_SYN, Subflows.FURTHER, False),
        (MP_JOIN_SYN, Subflows.FIRST, False),
        (MP_JOIN_SYN, Subflows.FURTHER, True),
        (b"", Subflows.FIRST, True),
        (b"", Subflows.FURTHER, False),
        (MP_JOIN_SYN, Subflows.ANY, True),
    ],
)
def test_subflows_are_told_apart_by_their_syn(
    options: bytes, subflow: Subflows, *, covered: bool
) -> None:
    watch = Scope(subflow=subflow).watch()
    passing = [(segment(SYN, options), C2S), (ANSWER, S2C), (DATA, C2S), (BACK, S2C)]

    assert [watch.covers(*each) for each in passing] == [covered] * 4


def test_a_connection_without_a_syn_counts_as_a_first_one() -> None:
    assert Scope(subflow=Subflows.FIRST).watch().covers(DATA, C2S)
    assert not Scope(subflow=Subflows.FURTHER).watch().covers(DATA, C2S)


def test_a_syn_sent_again_is_no_new_connection_and_another_syn_is_one() -> None:
    watch = Scope(first_segment=3, subflow=Subflows.FURTHER).watch()
    syn = segment(SYN, MP_JOIN_SYN)
    assert [watch.covers(syn, C2S) for _ in range(3)] == [False, False, True]

    other = segment(SYN, MP_JOIN_SYN, sequence=5)
    plain = segment(SYN, sequence=6)

    assert [watch.covers(other, C2S) for _ in range(3)] == [False, False, True]
    assert [watch.covers(plain, C2S) for _ in range(3)] == [False, False, False]


def test_each_connection_is_counted_by_itself() -> None:
    watch = Scope(first_segment=2).watch()
    other = segment(ports=(50002, 80))

    assert [watch.covers(each, C2S) for each in (DATA, other, DATA, other)] == [
        False,
        False,
        True,
        True,
    ]


def test_memory_is_bounded_and_the_oldest_connection_is_forgotten() -> None:
    watch = Scope(first_segment=2).watch()
    for port in range(1, MAX_CONNECTIONS + 2):
        watch.covers(segment(ports=(port, 80)), C2S)

    assert len(watch._connections) == MAX_CONNECTIONS
    assert not watch.covers(segment(ports=(1, 80)), C2S)
    assert watch.covers(segment(ports=(MAX_CONNECTIONS, 80)), C2S)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ports": frozenset({0})}, "ports are 1 to 65535, not 0"),
        ({"ports": frozenset({65536})}, "65536"),
        ({"first_segment": 0}, "counts from 1"),
    ],
)
def test_a_scope_that_covers_nothing_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scope(**wrong)  # type: ignore[arg-type]


SCOPES = st.builds(
    Scope,
    direction=st.sampled_from(Direction),
    ports=st.frozensets(st.sampled_from((80, 443)), max_size=2),
    subflow=st.sampled_from(Subflows),
    first_segment=st.integers(1, 4),
)


@given(SCOPES, st.lists(st.tuples(damaged_frames(), st.sampled_from((C2S, S2C)))))
def test_any_segment_has_an_answer(scope: Scope, frames: list[tuple[bytes, Direction]]) -> None:
    watch: ScopeWatch = scope.watch()
    for frame, direction in frames:
        found = tcp_segment(frame)
        if found is not None:
            assert watch.covers(found, direction) in {True, False}
