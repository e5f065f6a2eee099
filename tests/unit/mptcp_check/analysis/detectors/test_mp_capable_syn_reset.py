import pytest

from mptcp_check.analysis.detectors.mp_capable_syn_reset import ID, detect
from mptcp_check.model import Direction, State
from traces import HANDSHAKE, finding, one_sided

RESET = """
    0.000 > SYN mpc => lost
    0.020 < RST injected
"""
ELSEWHERE = "\n0.500 1 > SYN\n0.520 1 < SYN/ACK\n0.540 1 > ACK\n"


def test_a_reset_that_the_server_never_sent_is_the_boxs() -> None:
    found = finding(detect, RESET + ELSEWHERE)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.S2C)
    assert found.measures["syns_arrived"] == 0
    assert [e.side.value for e in found.evidence] == ["client", "client"]


def test_the_syn_may_have_got_through_as_well() -> None:
    found = finding(detect, "0.000 > SYN mpc\n0.020 < RST injected\n0.021 < SYN/ACK mpc")

    assert (found.state, found.measures["syns_arrived"]) == (State.SEEN, 1)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(HANDSHAKE, State.NOT_SEEN, id="a handshake"),
        pytest.param("0.000 > SYN mpc\n0.020 < RST", State.NOT_SEEN, id="a closed port"),
        pytest.param(f"{HANDSHAKE}\n0.060 < RST injected", State.NOT_SEEN, id="a later reset"),
        pytest.param("0.000 > SYN\n0.020 < RST injected", State.NOT_MEASURED, id="a plain SYN"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_one_capture_cannot_tell_who_refused() -> None:
    found = one_sided(detect, RESET)

    assert found.state is State.NOT_MEASURED
    assert "cannot tell" in found.because
