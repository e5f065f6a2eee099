"""What follows from our own handovers is told of nobody, here and at who gets the run."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.diagnosed import diagnosis_of
from mptcp_check.analysis import excusing
from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.analysis.reporting.report import document
from mptcp_check.model import Outcome, State, Upset

BLACK = diagnosis_of("path_blackholed")
SEEN = {f.connection for f in BLACK.findings if f.state is State.SEEN}


def seen(began_ns: int) -> HandoverSeen:
    return HandoverSeen(upset=Upset.PATH_LOST, began_ns=began_ns, ended_ns=began_ns + 3 * 10**9)


def of_the_finding(connection: int) -> HandoverSeen:
    """Return a handover from just before what was found."""
    return seen(BLACK.connections[connection].start_ns + 1)


def test_a_handover_takes_back_what_it_explains_and_the_loss_of_a_path() -> None:
    disturbed = {id_: of_the_finding(id_) for id_ in SEEN if id_ is not None}
    found = excusing.excused(BLACK, disturbed)

    gone = [f for f in found.findings if f.behaviour == "path_blackholed" and "itself" in f.because]
    assert {f.connection for f in gone} == SEEN
    assert {f.state for f in gone} == {State.NOT_MEASURED}
    assert Outcome.MPTCP_DEGRADED not in {found.outcomes[id_].outcome for id_ in disturbed}
    assert document(found, tool_version="1")["findings"]


def test_without_a_handover_the_diagnosis_is_the_same() -> None:
    assert excusing.excused(BLACK, {}) is BLACK


def test_connections_are_found_by_the_time_of_the_act() -> None:
    connection = BLACK.connections[0]
    inside, outside = seen(connection.start_ns), seen(connection.end_ns + 10**12)

    assert connection.id in excusing.met(BLACK, [inside])
    assert excusing.met(BLACK, [outside, replace(inside, began_ns=0)]) == {}


def test_a_runs_document_tells_of_every_try() -> None:
    said = {"upset": "path_lost", "began_ns": 5, "ended_ns": 9}
    exchanges = [
        {"handover": said, "tries": [{"handover": said}, {"handover": None}]},
        {"handover": said},
        {"app": "http"},
    ]
    assert [h.began_ns for h in excusing.told({"exchanges": exchanges})] == [5, 5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["exchanges", "tries", "handover", "upset", "began_ns", "ended_ns"]),
            inner | st.just("path_lost"),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_strangers_document_is_read_or_refused(document_: Any) -> None:  # noqa: ANN401 - any JSON
    try:
        list(excusing.told(document_))
    except (KeyError, TypeError, ValueError, AttributeError):
        return


@pytest.mark.parametrize("moment", [float("inf"), "5", None])
def test_a_time_that_is_none_is_refused(moment: object) -> None:
    said = {"upset": "path_lost", "began_ns": moment, "ended_ns": 9}
    with pytest.raises(TypeError):
        list(excusing.told({"exchanges": [{"handover": said}]}))
