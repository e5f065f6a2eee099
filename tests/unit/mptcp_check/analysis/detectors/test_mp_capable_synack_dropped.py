import pytest

from mptcp_check.analysis.detectors.mp_capable_synack_dropped import ID, detect
from mptcp_check.model import Confidence, Direction, State
from traces import HANDSHAKE, finding, one_sided

IN_VAIN = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc => lost
    1.000 > SYN mpc
    1.020 < SYN/ACK mpc => lost
    2.000 > SYN mpc
    2.020 < SYN/ACK mpc => lost
    3.000 > SYN
    3.020 < SYN/ACK mpc => lost
"""


def test_no_synack_with_the_option_arrives_and_the_connection_never_opens() -> None:
    found = finding(detect, IN_VAIN)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert found.measures["synacks_lost"] == 4
    assert found.confidence is Confidence.LIKELY
    assert len(found.evidence) == 3


def test_a_plain_synack_that_arrives_makes_it_sure() -> None:
    found = finding(detect, IN_VAIN.replace("3.020 < SYN/ACK mpc => lost", "3.020 < SYN/ACK"))

    assert (found.state, found.confidence) == (State.SEEN, Confidence.CONFIRMED)
    assert "the plain SYN/ACK did" in found.because


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(HANDSHAKE, State.NOT_SEEN, id="it arrived"),
        pytest.param(
            IN_VAIN.replace("2.020 < SYN/ACK mpc => lost", "2.020 < SYN/ACK mpc => -mpc nop=12"),
            State.NOT_SEEN,
            id="one arrived, whatever it had then",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc => lost\n1.000 < SYN/ACK mpc => lost",
            State.NOT_MEASURED,
            id="two may be chance",
        ),
        pytest.param("0.000 > SYN mpc\n0.020 < SYN/ACK", State.NOT_MEASURED, id="a plain server"),
        pytest.param("0.000 > SYN mpc => lost", State.NOT_MEASURED, id="the SYN was lost"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_the_openers_capture_alone_accuses_nobody() -> None:
    assert one_sided(detect, IN_VAIN).state is State.NOT_MEASURED
    assert one_sided(detect, HANDSHAKE).state is State.NOT_SEEN
