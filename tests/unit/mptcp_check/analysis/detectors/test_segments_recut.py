"""Segments cut otherwise on the way, streams resized, numbers moved."""

import pytest

from mptcp_check.analysis.detectors import (
    payload_altered,
    payload_resized,
    segments_coalesced,
    segments_split,
    sequence_numbers_rewritten,
    window_altered,
)
from mptcp_check.model import Direction, State
from traces import TWO_PATHS, Detector, Path, finding, one_sided

FIRST, SECOND = "0.062 < PSH data=1000 dss", "0.063 < PSH data=1000 dss"
SPLIT = TWO_PATHS.replace(
    FIRST,
    f"""{FIRST} => lost
    0.062 < PSH data=600 at=0 dss injected
    0.062 < PSH data=400 at=600 injected""",
)
MERGED = TWO_PATHS.replace(
    f"{FIRST}\n    {SECOND}",
    """0.062 < PSH data=700 dss => lost
    0.063 < PSH data=700 dss => lost
    0.064 < PSH data=1400 at=0 dss injected""",
)


def test_a_segment_that_arrives_in_two_pieces_was_split() -> None:
    found = finding(segments_split.detect, SPLIT)

    assert (found.state, found.direction) == (State.SEEN, Direction.S2C)
    assert found.measures["segments_split"] == 1
    assert [e.side.value for e in found.evidence] == ["server", "client", "client"]


def test_two_segments_that_arrive_as_one_were_merged() -> None:
    found = finding(segments_coalesced.detect, MERGED)

    assert (found.state, found.direction) == (State.SEEN, Direction.S2C)
    assert found.measures["segments_coalesced"] == 1
    assert [e.side.value for e in found.evidence] == ["server", "server", "client"]


def test_neither_is_taken_for_the_other_nor_for_a_change_of_bytes() -> None:
    assert finding(segments_split.detect, MERGED).state is State.NOT_SEEN
    assert finding(segments_coalesced.detect, SPLIT).state is State.NOT_SEEN
    for text in (SPLIT, MERGED):
        assert finding(payload_altered.detect, text).state is State.NOT_SEEN
        assert finding(payload_resized.detect, text).state is State.NOT_SEEN


def test_a_card_that_cuts_segments_after_the_capture_is_not_the_path() -> None:
    text = SPLIT.replace("data=1000 dss => lost", "data=2000 dss => lost").replace(SECOND, "")
    text = text.replace("data=600 at=0", "data=1000 at=0").replace(
        "data=400 at=600", "data=1000 at=1000"
    )

    assert finding(segments_split.detect, text).state is State.NOT_SEEN


def test_a_retransmission_cut_otherwise_by_its_sender_is_not_the_path() -> None:
    text = TWO_PATHS.replace(
        FIRST,
        f"""{FIRST} => lost
    0.0625 < PSH data=600 at=0 dss
    0.0626 < PSH data=400 at=600 dss""",
    )

    assert finding(segments_split.detect, text).state is State.NOT_SEEN
    assert finding(segments_coalesced.detect, text).state is State.NOT_SEEN


@pytest.mark.parametrize("grow", [2, 17])
def test_a_stream_that_grew_was_resized(grow: int) -> None:
    text = TWO_PATHS.replace(FIRST, f"{FIRST} => grow={grow}")

    found = finding(payload_resized.detect, text)

    assert (found.state, found.direction) == (State.SEEN, Direction.S2C)
    assert found.measures["bytes_added"] == grow
    assert found.measures["changes"] == 1
    assert finding(sequence_numbers_rewritten.detect, text).state is State.NOT_SEEN


@pytest.mark.parametrize("detect", [segments_split.detect, segments_coalesced.detect])
def test_a_segment_that_grew_inside_is_one_segment_at_both_ends(detect: Detector) -> None:
    text = TWO_PATHS.replace(FIRST, f"{FIRST} => grow=2 inside")

    assert finding(payload_resized.detect, text).measures["bytes_added"] == 2
    assert finding(detect, text).state is State.NOT_SEEN


def test_data_whose_fin_arrives_by_itself_stands_where_it_was_sent() -> None:
    last = "0.300 < FIN data=300 dss"
    text = TWO_PATHS.replace("0.300 > FIN\n    0.320 < FIN", f"{last}\n    0.320 > FIN")
    relayed = text.replace(
        last,
        f"""{last} => lost
    0.300 < PSH data=300 at=2000 dss injected
    0.301 < FIN injected""",
    )

    assert finding(payload_resized.detect, relayed).state is State.NOT_SEEN


def test_an_ack_moved_onto_the_next_ones_number_is_not_that_one_with_another_window() -> None:
    text = TWO_PATHS.replace(
        FIRST,
        f"""{FIRST} => grow=2
    0.0624 > ACK win=62 tsval=9 id=7 dss
    0.0625 > ACK win=66 tsval=9 id=7 ack=2 dss""",
    )

    assert finding(payload_resized.detect, text).state is State.SEEN
    assert finding(window_altered.detect, text).state is State.NOT_SEEN


@pytest.mark.parametrize(
    ("shift", "direction"),
    [((1_000, 0), Direction.C2S), ((0, 2**31), Direction.S2C), ((7, 2**32 - 7), Direction.BOTH)],
)
def test_numbers_that_differ_from_the_start_were_rewritten(
    shift: tuple[int, int], direction: Direction
) -> None:
    path = Path(isn_shift={"0": shift})

    found = finding(sequence_numbers_rewritten.detect, TWO_PATHS, path)

    assert (found.state, found.direction) == (State.SEEN, direction)
    assert found.measures["added"] in shift
    for detect in (segments_split.detect, segments_coalesced.detect, payload_resized.detect):
        assert finding(detect, TWO_PATHS, path).state is State.NOT_SEEN


@pytest.mark.parametrize(
    "detect",
    [
        segments_split.detect,
        segments_coalesced.detect,
        payload_resized.detect,
        sequence_numbers_rewritten.detect,
    ],
)
def test_a_clean_path_and_one_capture_accuse_nobody(detect: Detector) -> None:
    assert finding(detect, TWO_PATHS).state is State.NOT_SEEN
    assert finding(detect, TWO_PATHS, Path(snap_bytes=96)).state is not State.SEEN
    assert one_sided(detect, TWO_PATHS).state is State.NOT_MEASURED
