import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.detectors.payload_altered import ID, detect
from mptcp_check.model import Confidence, Direction, Evidence, Side, State
from traces import HANDSHAKE, TWO_PATHS, Path, finding, one_sided

DATA = f"""{HANDSHAKE}
    0.041 > PSH data=100 dss
    0.060 < PSH data=1000 dss
    0.061 < PSH data=1000 dss
    0.062 < PSH data=500 dss
    0.082 > ACK dss
    0.100 > FIN
    0.120 < FIN
"""


def altered(line: str, change: str) -> str:
    """Return the trace with a change to what arrives of one line."""
    assert line in DATA
    return DATA.replace(line, f"{line} => {change}")


def test_one_other_byte_is_seen_with_its_place_and_both_frames() -> None:
    found = finding(detect, altered("0.061 < PSH data=1000 dss", "flip=1234"))

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert found.confidence is Confidence.CONFIRMED
    assert found.evidence == (
        Evidence(side=Side.SERVER, frame=6),
        Evidence(side=Side.CLIENT, frame=6),
    )
    assert found.measures == {
        "offset": 1234,
        "segment_offset": 234,
        "bytes_altered": 1,
        "segments_altered": 1,
        "compared_bytes": 2500,
    }


def test_changes_in_both_directions_are_said_to_be() -> None:
    text = altered("0.041 > PSH data=100 dss", "flip=5").replace(
        "0.060 < PSH data=1000 dss", "0.060 < PSH data=1000 dss => flip=5"
    )

    found = finding(detect, text)

    assert (found.direction, found.measures["bytes_altered"]) == (Direction.BOTH, 2)
    assert found.evidence[0].side is Side.CLIENT, "the first one to arrive is the evidence"


def test_a_change_on_the_second_path_only_names_that_subflow() -> None:
    found = finding(
        detect, TWO_PATHS.replace("0.1 < PSH data=1000 dss", "0.1 < PSH data=1000 dss => flip=9")
    )

    assert (found.state, found.subflow) == (State.SEEN, 1)


def test_a_retransmission_with_the_same_change_counts_its_bytes_once() -> None:
    text = altered("0.060 < PSH data=1000 dss", "flip=7\n 0.300 < PSH data=1000 at=0 dss => flip=7")

    found = finding(detect, text)

    assert found.measures["bytes_altered"] == 1
    assert found.measures["segments_altered"] == 2


@settings(deadline=None)
@given(st.sets(st.integers(0, 2499), min_size=1, max_size=9))
def test_every_changed_byte_is_counted_wherever_it_is(places: set[int]) -> None:
    flips = " ".join(f"flip={place}" for place in places)
    text = DATA.replace("< PSH data", "< PSH FLIPS data")
    lines = [
        line.replace("FLIPS ", "") + f" => {flips}" if "FLIPS" in line else line
        for line in text.splitlines()
    ]

    found = finding(detect, "\n".join(lines))

    assert found.state is State.SEEN
    assert found.measures["bytes_altered"] == len(places)
    assert found.measures["offset"] == min(places)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DATA, id="clean"),
        pytest.param(
            DATA.replace("0.061 < PSH data=1000 dss", "0.061 < PSH data=1000 dss => lost")
            + "0.400 < PSH data=1000 at=1000 dss",
            id="lost, and arrived as another copy",
        ),
        pytest.param(
            DATA + "0.400 < PSH data=1500 at=0 dss\n0.401 < PSH data=700 at=1300 dss",
            id="sent again in other pieces",
        ),
        pytest.param(
            altered("0.061 < PSH data=1000 dss", "flip=1100 badsum")
            + "0.400 < PSH data=1000 at=1000 dss",
            id="damaged on the wire: TCP's checksum is wrong",
        ),
        pytest.param(
            DATA.replace("0.060 < PSH data=1000 dss", "0.060 < PSH data=1000 dss => lost")
            + "0.400 < PSH data=1000 at=0 flip=7 dss",
            id="a sender that sends other bytes the second time",
        ),
        pytest.param(
            DATA.replace("0.060 < PSH data=1000 dss", "0.060 < PSH data=1000 dss => -dss"),
            id="options removed from data",
        ),
    ],
)
def test_the_same_bytes_are_no_alteration_however_they_arrive(text: str) -> None:
    found = finding(detect, text)

    assert found.state is State.NOT_SEEN
    assert found.measures["compared_bytes"] > 0


@pytest.mark.parametrize("grow", [1, 2, 17])
@pytest.mark.parametrize("end", [True, False])
def test_a_changed_length_is_another_behaviour(grow: int, end: bool) -> None:  # noqa: FBT001 - a parameter
    text = altered("0.060 < PSH data=1000 dss", f"flip=990 grow={grow}")
    if not end:
        text = text.replace("0.100 > FIN", "").replace("0.120 < FIN", "")

    found = finding(detect, text)

    assert found.state is State.NOT_MEASURED
    assert f"{grow} byte" in found.because
    assert "payload_resized" in found.because


def test_a_last_segment_that_grew_by_two_bytes_was_resized() -> None:
    text = f"{HANDSHAKE}\n0.060 < PSH data=20 dss => flip=15 grow=2"

    assert finding(detect, text).state is State.NOT_MEASURED


def test_a_resized_stream_whose_tail_alone_tells_is_known() -> None:
    text = f"""{HANDSHAKE}
        0.060 < PSH data=300 dss => grow=3
        0.061 < PSH data=800 dss
        0.062 < PSH data=100 dss => lost
    """

    assert finding(detect, text).state is State.NOT_MEASURED


def test_bytes_that_a_snap_length_cut_are_not_compared() -> None:
    found = finding(detect, DATA, Path(snap_bytes=128))

    assert found.state is State.NOT_MEASURED
    assert "snap length" in found.because


def test_a_change_in_what_a_snap_length_left_is_still_seen() -> None:
    found = finding(detect, altered("0.060 < PSH data=1000 dss", "flip=3"), Path(snap_bytes=200))

    assert found.state is State.SEEN


def test_bytes_that_the_senders_capture_lost_are_counted() -> None:
    found = finding(
        detect,
        DATA.replace(
            "0.061 < PSH data=1000 dss", "0.061 < PSH injected data=1000 at=1000 dss"
        ).replace("0.062 < PSH data=500 dss", "0.062 < PSH data=500 at=2000 dss"),
    )

    assert found.state is State.NOT_SEEN
    assert found.measures["uncompared_bytes"] == 1000
    assert "1000 bytes are not in the sender's capture" in found.because


def test_without_payload_nothing_was_measured() -> None:
    assert finding(detect, HANDSHAKE).state is State.NOT_MEASURED


def test_captures_that_began_late_are_laid_beside_each_other_by_their_payload() -> None:
    late = "\n".join(line for line in DATA.splitlines() if "PSH" in line)

    clean = finding(detect, late)
    changed = finding(detect, late.replace("data=500 dss", "data=500 dss => flip=2100"))

    assert clean.state is State.NOT_SEEN
    assert changed.state is State.SEEN


def test_sequence_numbers_that_are_rewritten_do_not_matter() -> None:
    path = Path(isn_shift={"0": (4_000_000_000, 77)})

    assert finding(detect, DATA, path).state is State.NOT_SEEN
    assert finding(detect, altered("0.041 > PSH data=100 dss", "flip=5"), path).state is State.SEEN


def test_one_capture_says_nothing() -> None:
    found = one_sided(detect, DATA)

    assert (found.state, found.confidence) == (State.NOT_MEASURED, Confidence.ONE_SIDED)
