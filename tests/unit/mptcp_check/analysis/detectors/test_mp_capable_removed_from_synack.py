import pytest

from mptcp_check.analysis.detectors.mp_capable_removed_from_synack import ID, detect
from mptcp_check.model import Confidence, Direction, Evidence, Side, State
from traces import finding, one_sided

REMOVED = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc   => -mpc nop=12
    0.040 > ACK
    0.041 > PSH data=100
    0.060 < PSH data=200
"""


def test_a_synack_that_lost_the_key_on_the_way_is_seen_at_both_ends() -> None:
    found = finding(detect, REMOVED)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert found.confidence is Confidence.CONFIRMED
    assert found.evidence == (
        Evidence(side=Side.SERVER, frame=2),
        Evidence(side=Side.CLIENT, frame=2),
    )
    assert found.measures["nop_bytes"] == 12


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc\n0.040 > ACK mpc",
            State.NOT_SEEN,
            id="mptcp works",
        ),
        pytest.param(
            "0.000 > SYN mpc => -mpc\n0.020 < SYN/ACK\n0.040 > ACK",
            State.NOT_MEASURED,
            id="a plain answer to a plain syn is right",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc => lost\n1.020 < SYN/ACK mpc\n1.040 > ACK mpc",
            State.NOT_SEEN,
            id="lost and sent again",
        ),
        pytest.param("0.000 > SYN mpc\n0.020 < SYN/ACK mpc => lost", State.NOT_MEASURED, id="lost"),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc => mss=1200\n0.040 > ACK mpc",
            State.NOT_SEEN,
            id="another option was changed",
        ),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("0.000 > SYN mpc\n0.020 < SYN/ACK mpc", State.NOT_SEEN, "arrived with"),
        ("0.000 > SYN mpc\n0.020 < SYN/ACK", State.NOT_MEASURED, "cannot tell"),
        ("0.000 > SYN\n0.020 < SYN/ACK", State.NOT_MEASURED, "sent no SYN"),
        ("0.000 > SYN mpc", State.NOT_MEASURED, "no SYN/ACK"),
    ],
)
def test_one_capture_says_only_what_it_can(text: str, state: State, words: str) -> None:
    found = one_sided(detect, text)

    assert (found.state, found.confidence) == (state, Confidence.ONE_SIDED)
    assert words in found.because
