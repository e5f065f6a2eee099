import pytest

from mptcp_check.analysis.detectors.mptcp_option_echoed import ID, detect
from mptcp_check.model import Confidence, Direction, State
from traces import HANDSHAKE, finding, one_sided

STRIPPED_AND_ECHOED = """
    0.000 > SYN mpc => -mpc nop=4
    0.020 < SYN/ACK => mpc own
    0.040 > ACK
"""
REPLACED = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc => own
    0.040 > ACK
"""


@pytest.mark.parametrize("text", [STRIPPED_AND_ECHOED, REPLACED])
def test_the_openers_own_bytes_that_the_server_did_not_send_are_an_echo(text: str) -> None:
    found = finding(detect, text)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert found.confidence is Confidence.CONFIRMED
    assert found.measures["option_bytes"] == 4
    assert len(found.evidence) == 2


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(HANDSHAKE, State.NOT_SEEN, id="a key of its own"),
        pytest.param("0.0 > SYN mpc\n0.02 < SYN/ACK", State.NOT_SEEN, id="a plain server"),
        pytest.param("0.0 > SYN mpc\n0.02 < SYN/ACK mpc own", State.NOT_SEEN, id="server's echo"),
        pytest.param("0.0 > SYN\n0.02 < SYN/ACK", State.NOT_MEASURED, id="plain TCP"),
        pytest.param("0.0 > SYN mpc\n0.02 < SYN/ACK => lost", State.NOT_MEASURED, id="no answer"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_one_capture_sees_the_echo_and_says_that_it_stands_alone() -> None:
    found = one_sided(detect, STRIPPED_AND_ECHOED)

    assert (found.state, found.confidence) == (State.SEEN, Confidence.ONE_SIDED)
    assert "did not send" not in found.because
