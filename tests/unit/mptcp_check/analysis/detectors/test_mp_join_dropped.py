import pytest

from mptcp_check.analysis.detectors.mp_join_dropped import ID, detect
from mptcp_check.model import Confidence, Direction, State
from traces import HANDSHAKE, TWO_PATHS, finding, one_sided

IN_VAIN = f"""{HANDSHAKE}
    0.100 0.1 > SYN join => lost
    1.100 0.1 > SYN join => lost
    3.100 0.1 > SYN join => lost
"""


def test_joins_that_never_arrive_were_dropped() -> None:
    found = finding(detect, IN_VAIN)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.C2S)
    assert (found.subflow, found.confidence) == (1, Confidence.LIKELY)
    assert found.measures == {"unanswered_syns": 3, "subflows_count": 1}
    assert len(found.evidence) == 3


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(TWO_PATHS, State.NOT_SEEN, id="it arrived"),
        pytest.param(HANDSHAKE, State.NOT_MEASURED, id="one path"),
        pytest.param(IN_VAIN[: IN_VAIN.index("3.100")], State.NOT_MEASURED, id="two by chance"),
        pytest.param(f"{IN_VAIN}\n7.1 0.1 > SYN join", State.NOT_SEEN, id="the fourth arrived"),
        pytest.param(f"{IN_VAIN}\n3.12 0.1 < RST", State.NOT_SEEN, id="refused: so it arrived"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_one_capture_does_not_show_whether_a_syn_arrived() -> None:
    assert one_sided(detect, IN_VAIN).state is State.NOT_MEASURED
    assert one_sided(detect, TWO_PATHS).state is State.NOT_SEEN
