"""What became of a packet, told by two captures: the test decides it, the analysis finds it."""

from collections.abc import Collection
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.one_way.values import Fate, TwoEnds
from mptcp_check.model import Side
from segments import ACK, CLIENT, RST, SYN
from two_ends import MS, MSS, SECOND, Conversation, Ends, fates

ONLY_CLIENT, ONLY_SERVER = (Side.CLIENT,), (Side.SERVER,)
COUNT = 30


def transfer(
    lost: Collection[int] = (),
    *,
    ends: Ends | None = None,
    acks_lost: Collection[int] = (),
    twice: Collection[int] = (),
    **of: Collection[int],
) -> TwoEnds:
    """Send `COUNT` segments, a millisecond apart, and again 400 ms later what was lost.

    Args:
        lost: Segments whose first copy is lost on the way.
        ends: The path.
        acks_lost: Segments whose acknowledgement is lost.
        twice: Segments of `lost` whose second copy is lost too; a third comes 800 ms later.
        of: ``unseen_by_server``: segments that the server's capture misses, ``unseen_by_client``.
    """
    ends = ends or Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    seen = {
        index: ONLY_CLIENT
        if index in of.get("unseen_by_server", ())
        else ONLY_SERVER
        if index in of.get("unseen_by_client", ())
        else tuple(Side)
        for index in range(COUNT)
    }
    for index in range(COUNT):
        talk.data(
            start + index * MS,
            index * MSS,
            lost=index in lost,
            ack_lost=index in acks_lost,
            seen=seen[index],
        )
    for index in sorted(lost):
        talk.data(start + 400 * MS + index * MS, index * MSS, lost=index in twice)
    for index in sorted(set(twice) & set(lost)):
        talk.data(start + 800 * MS + index * MS, index * MSS)
    talk.close(start + 2 * SECOND, COUNT * MSS)
    return ends.measured()


def test_on_a_clean_path_everything_arrives() -> None:
    found = transfer()
    (subflow,) = found.subflows

    assert set(fates(found)) == set(fates(found, by_server=True)) == {Fate.ARRIVED}
    assert subflow.c2s.sent_count == subflow.c2s.arrived_count == COUNT + 4
    assert subflow.c2s.loss_ratio == 0
    assert found.lossy == {Side.CLIENT: False, Side.SERVER: False}


@settings(max_examples=40, deadline=None)
@given(
    lost=st.sets(st.integers(0, COUNT - 1)),
    twice=st.sets(st.integers(0, COUNT - 1)),
    acks_lost=st.sets(st.integers(0, COUNT - 1)),
)
def test_every_lost_copy_is_found_and_no_other(
    lost: set[int], twice: set[int], acks_lost: set[int]
) -> None:
    found = transfer(lost, twice=twice, acks_lost=acks_lost)
    first = [Fate.LOST if index in lost else Fate.ARRIVED for index in range(COUNT)]
    second = [Fate.LOST if index in twice else Fate.ARRIVED for index in sorted(lost)]
    third = [Fate.ARRIVED] * len(lost & twice)

    assert fates(found, data=True) == first + second + third
    assert found.subflows[0].c2s.lost_again_count == len(lost & twice)
    lost_acks = [index in acks_lost for index in range(COUNT) if index not in lost]
    assert [fate is Fate.LOST for fate in fates(found, by_server=True)[1:-1]][
        : len(lost_acks)
    ] == lost_acks


def test_which_copy_was_lost_is_told() -> None:
    found = transfer({3}, twice={3})
    crossings = found.crossings
    own = ~crossings.by_server & (crossings.payload_bytes > 0) & (crossings.fate == Fate.LOST)

    assert crossings.copy[own].tolist() == [0, 1]


@settings(max_examples=20, deadline=None)
@given(missed=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_what_the_receivers_capture_lost_is_not_what_the_path_lost(missed: set[int]) -> None:
    found = transfer(unseen_by_server=missed)

    assert fates(found, data=True) == [
        Fate.NOT_CAPTURED if index in missed else Fate.ARRIVED for index in range(COUNT)
    ]
    assert found.subflows[0].c2s.lost_count == 0
    assert found.lossy == {Side.CLIENT: False, Side.SERVER: True}


def test_what_the_senders_capture_lost_is_counted_at_the_receiver() -> None:
    found = transfer(unseen_by_client={4, 9})

    assert set(fates(found)) == {Fate.ARRIVED}
    assert found.subflows[0].c2s.unsent_count == 2
    assert found.lossy == {Side.CLIENT: True, Side.SERVER: False}


def test_a_lost_acknowledgement_is_nobodys_where_the_capture_lost_packets_too() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    talk.data(start, 0, seen=ONLY_CLIENT)
    bare = talk.segment(MSS, start + 5 * MS)
    ends.cross(start + 5 * MS, bare, by_client=True, lost=True)
    talk.close(start + SECOND, MSS)

    assert fates(ends.measured()).count(Fate.UNKNOWN) == 1


def test_a_segment_that_arrived_and_was_not_taken_was_dropped_by_the_host() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    talk.data(start, 0, taken=False)
    talk.data(start + 20 * MS, MSS)
    talk.data(start + 400 * MS, 0)
    talk.close(start + SECOND, 2 * MSS)

    assert fates(ends.measured(), data=True) == [
        Fate.DROPPED_BY_HOST,
        Fate.ARRIVED,
        Fate.ARRIVED,
    ]


def test_a_repetition_without_need_is_no_loss_of_the_host() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for at in (0, 400 * MS):
        talk.data(start + at, 0, ack_lost=at == 0)
    talk.close(start + SECOND, MSS)

    assert fates(ends.measured(), data=True) == [Fate.ARRIVED, Fate.ARRIVED]


def test_a_repeated_syn_counts_by_its_copy() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    syn = talk.segment(-1, 0, flags=SYN, ack=0)
    ends.cross(0, syn, by_client=True, lost=True)
    start = talk.open(SECOND)
    talk.data(start, 0)
    talk.close(start + SECOND, MSS)

    assert fates(ends.measured())[:3] == [Fate.LOST, Fate.ARRIVED, Fate.ARRIVED]


def test_a_syn_that_arrived_and_got_no_answer_was_dropped_by_the_host() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    for at in (0, SECOND, 3 * SECOND):
        syn = talk.segment(-1, at, flags=SYN, ack=0)
        ends.cross(at, syn, by_client=True)

    assert fates(ends.measured()) == [Fate.DROPPED_BY_HOST, Fate.DROPPED_BY_HOST, Fate.ARRIVED]


def test_a_packet_that_comes_twice_was_doubled_on_the_way() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(4):
        talk.data(start + index * MS, index * MSS)
    doubled = ends.records[Side.SERVER][-2]
    ends.records[Side.SERVER].append((doubled[0] + MS, doubled[1]))
    talk.close(start + SECOND, 4 * MSS)
    found = ends.measured()

    assert set(fates(found)) == {Fate.ARRIVED}
    assert found.subflows[0].c2s.duplicate_count == 1


def test_packets_that_overtake_each_other_are_counted_with_how_far() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(10):
        talk.data(start + index * MS, index * MSS, more_ns=int(3.5 * MS) if index == 4 else 0)
    talk.close(start + SECOND, 10 * MSS)
    way = ends.measured().subflows[0].c2s

    assert (way.reordered_count, way.reordering_extent_max_count) == (1, 3)
    assert way.lost_count == 0


def test_merged_and_split_segments_are_not_followed_and_not_lost() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    big = talk.segment(0, start, flags=ACK, payload=bytes(4 * MSS))
    ends.note(Side.CLIENT, start, big)
    for index in range(4):
        part = talk.segment(index * MSS, start, flags=ACK, payload=bytes(MSS))
        ends.note(Side.SERVER, start + 5 * MS, part)
    for index in range(4, 6):
        part = talk.segment(index * MSS, start, flags=ACK, payload=bytes(MSS))
        ends.note(Side.CLIENT, start + index * MS, part)
    merged = talk.segment(4 * MSS, start, flags=ACK, payload=bytes(2 * MSS))
    ends.note(Side.SERVER, start + 12 * MS, merged)
    talk.data(start + 20 * MS, 6 * MSS)
    talk.close(start + SECOND, 7 * MSS)
    found = ends.measured()

    assert fates(found, data=True) == [Fate.RESIZED] * 3 + [Fate.ARRIVED]
    assert found.subflows[0].c2s.resized_lost_bytes == 0
    assert found.subflows[0].c2s.unsent_count == 0
    assert found.lossy == {Side.CLIENT: False, Side.SERVER: False}


def test_what_is_lost_of_a_large_segment_is_told_in_bytes_and_its_delay_by_its_first_byte() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for burst in range(3):
        at, first = start + burst * 20 * MS, burst * 4
        big = talk.segment(first * MSS, at, flags=ACK, payload=bytes(4 * MSS))
        ends.note(Side.CLIENT, at, big)
        for index in range(4):
            if (burst, index) != (1, 2):
                part = talk.segment((first + index) * MSS, at, flags=ACK, payload=bytes(MSS))
                ends.note(Side.SERVER, at + (5 + burst) * MS + index, part)
    talk.data(start + 400 * MS, 6 * MSS)
    talk.close(start + SECOND, 12 * MSS)
    way = ends.measured().subflows[0].c2s

    assert (way.resized_count, way.resized_lost_bytes, way.lost_count) == (3, MSS, 0)
    assert (way.variation.count, way.variation.max_ns) == (way.sent_count, 2 * MS)


def test_what_an_enemy_in_between_sends_is_not_sent_by_the_client() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    talk.data(start, 0)
    forged = talk.segment(MSS, start, flags=RST | ACK)
    ends.note(Side.SERVER, start + 9 * MS, forged)
    found = ends.measured()

    assert found.subflows[0].c2s.unsent_count == 1
    assert set(fates(found)) == {Fate.ARRIVED}


def test_before_and_after_the_other_capture_nothing_is_called_lost() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(20):
        talk.data(start + index * 20 * MS, index * MSS)
    talk.close(start + SECOND, 20 * MSS)
    for side, kept in ((Side.CLIENT, slice(3, None)), (Side.SERVER, slice(19, 29))):
        ends.records[side] = sorted(ends.records[side], key=lambda record: record[0])[kept]
    found = ends.measured()
    told = fates(found, data=True)

    assert set(told) == {Fate.ARRIVED, Fate.NOT_OBSERVED}
    assert told.count(Fate.ARRIVED) == 5
    assert found.subflows[0].c2s.lost_count == 0


def test_a_capture_that_begins_late_is_laid_beside_the_other_one() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(20):
        talk.data(start + index * 20 * MS, index * MSS, lost=index == 15)
    talk.data(start + 800 * MS, 15 * MSS)
    talk.close(start + SECOND, 20 * MSS)
    for side, skipped in ((Side.CLIENT, 9), (Side.SERVER, 17)):
        records = sorted(ends.records[side], key=lambda record: record[0])
        ends.records[side] = records[skipped:]

    assert fates(ends.measured(), data=True).count(Fate.LOST) == 1


def test_a_snap_length_changes_nothing() -> None:
    found = transfer({2, 7}, ends=Ends(snap_bytes=64))

    assert fates(found) == fates(transfer({2, 7}))


def test_a_port_used_again_is_another_connection() -> None:
    ends = Ends()
    for number, at in enumerate((0, 10 * SECOND, 20 * SECOND)):
        talk = Conversation(ends=ends, isn=(1000 + number * 10**8, 77 + number * 10**9))
        start = talk.open(at) + MS
        talk.data(start, 0, lost=number == 1)
        talk.data(start + 400 * MS, 0)
        talk.close(start + SECOND, MSS)
    found = ends.measured()

    assert [subflow.c2s.lost_count for subflow in found.subflows] == [0, 1, 0]


def test_equal_acknowledgements_without_anything_to_tell_them_apart_are_only_counted() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    talk.data(start, 0)
    bare = replace(talk.segment(MSS, start), ip_id=0)
    for index in range(3):
        ends.cross(start + (20 + index) * MS // 10, bare, by_client=True, lost=index == 0)
    talk.close(start + SECOND, MSS)
    found = ends.measured()
    way = found.subflows[0].c2s

    assert (way.lost_count, way.arrived_count) == (1, way.sent_count - 1)
    assert way.variation.count == way.arrived_count - 2


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            st.integers(0, 511),
            st.integers(0, 60),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    )
)
@example(
    [
        (False, 0, 0, 0, 0, False, False),
        (False, 1, 1, 22, 0, False, True),
        (True, 0, 0, 18, 0, True, False),
        (False, 0, 0, 0, 1, True, True),
    ]
)  # two views of one subflow that are not one object
def test_no_segments_make_it_raise_and_every_one_has_a_fate(
    segments: list[tuple[bool, int, int, int, int, bool, bool]],
) -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open()
    for index, (by_client, seq, ack, flags, size, at_client, at_server) in enumerate(segments):
        odd = talk.segment(
            0, start, by_client=by_client, seq=seq, ack=ack, flags=flags & 0xFF, payload=bytes(size)
        )
        seen = [side for side, held in ((Side.CLIENT, at_client), (Side.SERVER, at_server)) if held]
        ends.cross(start + index * MS, odd, by_client=by_client, seen=seen)
    found = ends.measured()

    for subflow in found.subflows:
        for way in (subflow.c2s, subflow.s2c):
            assert way.sent_count == (
                way.arrived_count
                + way.lost_count
                + way.not_captured_count
                + way.resized_count
                + way.not_observed_count
                + way.unknown_count
            )
    assert CLIENT[1] in {subflow.client.port for subflow in found.subflows} or not found.subflows
