import pytest

from mptcp_check.analysis.detectors.mp_capable_key_altered import ID, detect
from mptcp_check.model import Confidence, Direction, State
from traces import HANDSHAKE, finding, one_sided

SYN_ACK, ACK = "0.020 < SYN/ACK mpc", "0.040 > ACK mpc"


@pytest.mark.parametrize(
    ("step", "number", "direction"),
    [(SYN_ACK, 2, Direction.S2C), (ACK, 3, Direction.C2S)],
)
def test_a_key_that_arrives_with_another_value_was_changed(
    step: str, number: int, direction: Direction
) -> None:
    found = finding(detect, HANDSHAKE.replace(step, f"{step} => badkey"))

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, direction)
    assert found.measures["handshake_step"] == number
    assert found.confidence is Confidence.CONFIRMED
    assert "0x" in found.because


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(HANDSHAKE, State.NOT_SEEN, id="as they were sent"),
        pytest.param(
            HANDSHAKE.replace(ACK, f"{ACK} badkey"), State.NOT_SEEN, id="a liar at an end"
        ),
        pytest.param(HANDSHAKE.replace(SYN_ACK, f"{SYN_ACK} => own"), State.NOT_SEEN, id="an echo"),
        pytest.param("0.0 > SYN mpc\n0.02 < SYN/ACK", State.NOT_MEASURED, id="a plain server"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_one_capture_shows_no_change() -> None:
    text = HANDSHAKE.replace(SYN_ACK, f"{SYN_ACK} => badkey")

    assert one_sided(detect, text).state is State.NOT_MEASURED
