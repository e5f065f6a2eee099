import pytest

from mptcp_check.analysis.detectors.mp_join_reset import ID, detect
from mptcp_check.model import Direction, State
from traces import HANDSHAKE, TWO_PATHS, finding, one_sided

RESET = f"""{HANDSHAKE}
    0.100 0.1 > SYN join => lost
    0.120 0.1 < RST injected
"""


def test_a_reset_that_the_server_never_sent_is_the_boxs() -> None:
    found = finding(detect, RESET)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert (found.subflow, found.measures) == (1, {"subflows_count": 1})
    assert len(found.evidence) == 2


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(TWO_PATHS, State.NOT_SEEN, id="a join that works"),
        pytest.param(HANDSHAKE, State.NOT_MEASURED, id="one path"),
        pytest.param(
            f"{HANDSHAKE}\n0.100 0.1 > SYN join\n0.120 0.1 < RST",
            State.NOT_SEEN,
            id="the server refused it, as it does while the connection closes",
        ),
        pytest.param(
            f"{TWO_PATHS}\n0.400 0.1 < RST injected", State.NOT_SEEN, id="a reset later on"
        ),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_one_capture_cannot_tell_who_refused() -> None:
    assert one_sided(detect, RESET).state is State.NOT_MEASURED
