"""How long a transfer paused when its path went away, and what is excused by that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.diagnosed import CLEAN, diagnosis_of
from mptcp_check.analysis import handover
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.handover import CAUSED, HandoverSeen, Progress, excused, longest_pause
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Direction, Evidence, Finding, Side, State, Upset
from traces import START_NS, TWO_PATHS, captures

S = 10**9
SEEN = HandoverSeen(upset=Upset.PATH_LOST, began_ns=10 * S, ended_ns=13 * S)
BLACK = Finding(
    behaviour="path_blackholed",
    state=State.SEEN,
    because="nothing more came",
    connection=0,
    evidence=(Evidence(side=Side.CLIENT, frame=7),),
    measures={"segments_lost": 5},
)


def test_the_pause_is_the_longest_gap_of_progress_that_the_handover_could_have_made() -> None:
    confirmed = [(0, 0), (5 * S, 10), (10 * S, 20), (11 * S, 20), (12 * S, 30), (13 * S, 40)]

    assert longest_pause(confirmed, from_ns=9 * S, end_ns=13 * S) == (5 * S, 10 * S)
    assert longest_pause(confirmed, from_ns=11 * S, end_ns=13 * S) == (2 * S, 12 * S)


def test_what_never_goes_on_pauses_until_its_path_was_back() -> None:
    assert longest_pause([(0, 0), (1 * S, 10)], from_ns=2 * S, end_ns=6 * S) == (5 * S, 0)
    assert longest_pause([], from_ns=2 * S, end_ns=6 * S) == (4 * S, 0)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-9, 9)), max_size=20).map(sorted))
def test_a_pause_is_never_longer_than_everything(confirmed: list[tuple[int, int]]) -> None:
    pause_ns, resumed_ns = longest_pause(confirmed, from_ns=0, end_ns=10**6)
    assert 0 <= pause_ns <= 10**6
    assert resumed_ns == 0 or resumed_ns in {at for at, _ in confirmed}


def test_a_transfer_over_two_paths_is_told_apart_by_path() -> None:
    connections = diagnose(*captures(TWO_PATHS)).connections
    found = handover.progress(
        connections,
        direction=Direction.S2C,
        began_ns=START_NS + 100_000_000,
        ended_ns=START_NS + 150_000_000,
    )
    assert found is not None
    assert (found.first_path_bytes, found.other_paths_bytes) == (0, 1000)


def test_a_real_kernels_data_acks_tell_how_a_transfer_went_on() -> None:
    found_over_mptcp = 0
    for connection in diagnosis_of(CLEAN).connections:
        half_ns = (connection.start_ns + connection.end_ns) // 2
        found = handover.progress(
            [connection], direction=Direction.S2C, began_ns=half_ns, ended_ns=connection.end_ns
        )
        if found is None or not found.resumed_ns:
            continue
        assert 0 < found.pause_ns < connection.end_ns - connection.start_ns
        assert connection.start_ns < found.resumed_ns <= connection.end_ns
        found_over_mptcp += len(connection.subflows) > 1
    assert found_over_mptcp


def test_an_upload_is_measured_by_the_clock_of_its_receiver() -> None:
    # the server's clock is 3 s ahead in these traces
    connections = diagnose(*captures(TWO_PATHS)).connections
    found = handover.progress(
        connections,
        direction=Direction.C2S,
        began_ns=START_NS + 30_000_000,
        ended_ns=START_NS + 60_000_000,
    )
    assert found is not None
    assert found.first_path_bytes == 100


def test_a_transfer_that_no_capture_holds_has_no_progress() -> None:
    assert handover.progress([], direction=Direction.S2C, began_ns=0, ended_ns=1) is None


def test_nobody_is_accused_of_what_we_did_ourselves() -> None:
    found = excused(BLACK, SEEN, 12 * S)

    assert found.state is State.NOT_MEASURED
    assert found.because.startswith("this check itself made the first path lose every packet")
    assert (found.evidence, found.measures) == ((), {})


@pytest.mark.parametrize(
    ("finding", "last_ns"),
    [
        (BLACK, 8 * S),  # it was there before we did anything
        (Finding(behaviour="payload_altered", state=State.SEEN, because="x", connection=0), 12 * S),
        (Finding(behaviour="path_blackholed", state=State.NOT_SEEN, because="x"), None),
    ],
)
def test_what_we_did_not_do_stays(finding: Finding, last_ns: int | None) -> None:
    assert excused(finding, SEEN, last_ns) == finding


def test_a_handover_that_never_came_excuses_nothing() -> None:
    never = HandoverSeen(upset=Upset.PATH_LOST, began_ns=0, ended_ns=0)
    assert excused(BLACK, never, 12 * S) == BLACK


def test_only_behaviours_of_the_catalogue_are_excused() -> None:
    assert set(BEHAVIOURS) >= CAUSED
    assert "payload_altered" not in CAUSED


@pytest.mark.parametrize(
    ("progress", "mptcp", "words"),
    [
        (Progress(2 * S, 9, 0, 5), True, "the transfer paused 2.0 s, then went on over the other"),
        (Progress(2 * S, 9, 5, 0), False, "the transfer paused 2.0 s, until its path was back"),
        (Progress(3 * S, 0, 0, 0), False, "the transfer paused 3.0 s and never went on"),
        (None, True, "the captures do not show how the transfer went on"),
    ],
)
def test_what_it_came_to_is_said_in_a_line(
    *, progress: Progress | None, mptcp: bool, words: str
) -> None:
    seen = HandoverSeen(upset=Upset.PATH_LOST, began_ns=1, ended_ns=2, progress=progress)
    assert seen.words(over_mptcp=mptcp).startswith(words)
