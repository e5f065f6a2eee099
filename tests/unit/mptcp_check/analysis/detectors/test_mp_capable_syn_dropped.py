import pytest

from mptcp_check.analysis.detectors.mp_capable_syn_dropped import ID, detect
from mptcp_check.model import Confidence, Direction, Evidence, Side, State
from traces import finding, one_sided

BLACK_HOLE = """
    0.000 > SYN mpc => lost
    1.000 > SYN mpc => lost
    3.000 > SYN mpc => lost
    7.000 > SYN
    7.020 < SYN/ACK
    7.040 > ACK
    7.041 > PSH data=100
"""


def test_only_the_plain_syn_arriving_is_a_black_hole() -> None:
    found = finding(detect, BLACK_HOLE)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.C2S)
    assert found.confidence is Confidence.CONFIRMED
    assert found.measures == {"unanswered_syns": 3, "setup_delay_ns": 7_000_000_000}
    assert found.evidence == (
        *(Evidence(side=Side.CLIENT, frame=n) for n in (1, 2, 3, 4)),
        Evidence(side=Side.SERVER, frame=1),
    )


def test_two_lost_syns_are_likely_and_one_is_no_proof() -> None:
    two = BLACK_HOLE.replace("1.000 > SYN mpc => lost", "")
    one = two.replace("3.000 > SYN mpc => lost", "")

    assert finding(detect, two).confidence is Confidence.LIKELY
    assert finding(detect, two).state is State.SEEN
    assert finding(detect, one).state is State.NOT_MEASURED
    assert "by chance" in finding(detect, one).because


def test_a_plain_syn_that_only_the_clocks_recognise_makes_it_likely() -> None:
    alike = BLACK_HOLE.replace("> SYN", "> SYN nots id=7")

    found = finding(detect, alike)

    assert (found.state, found.confidence) == (State.SEEN, Confidence.LIKELY)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc\n0.040 > ACK mpc",
            State.NOT_SEEN,
            id="mptcp works",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK\n0.040 > ACK", State.NOT_SEEN, id="server speaks tcp"
        ),
        pytest.param(
            BLACK_HOLE.replace("3.000 > SYN mpc => lost", "3.000 > SYN mpc => -mpc"),
            State.NOT_SEEN,
            id="one arrived without the option",
        ),
        pytest.param(
            """0.000 > SYN mpc => lost
            1.000 > SYN mpc => lost
            3.000 > SYN mpc delay=4500
            7.000 > SYN
            7.520 < SYN/ACK mpc
            7.540 > ACK""",
            State.NOT_SEEN,
            id="late, overtaken by the plain one",
        ),
        pytest.param(
            "0.000 > SYN mpc => lost\n1.000 > SYN mpc => lost\n3.000 > SYN => lost",
            State.NOT_MEASURED,
            id="host is down",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc => lost\n1.020 < SYN/ACK mpc => lost",
            State.NOT_SEEN,
            id="the answers are dropped, not the syns",
        ),
        pytest.param("0.000 > SYN\n0.020 < SYN/ACK", State.NOT_MEASURED, id="mptcp is off"),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_syns_that_the_servers_capture_lost_are_known_by_their_answer() -> None:
    found = finding(
        detect,
        """
        0.000 > SYN mpc => lost
        0.020 < SYN/ACK mpc
        0.040 > ACK mpc
        0.041 > PSH data=100 mpc
        """,
    )

    assert found.state is State.NOT_SEEN


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(BLACK_HOLE, State.SEEN, id="an answer only to the plain syn"),
        pytest.param("0.000 > SYN mpc\n0.020 < SYN/ACK", State.NOT_SEEN, id="server speaks tcp"),
        pytest.param(
            "0.000 > SYN mpc\n1.000 > SYN mpc\n3.000 > SYN\n3.001 < SYN/ACK mpc",
            State.NOT_SEEN,
            id="late answer to a first syn",
        ),
        pytest.param(
            "0.000 > SYN mpc\n1.000 > SYN mpc\n2.980 < SYN/ACK\n3.000 > SYN",
            State.NOT_SEEN,
            id="answered before the plain one was sent",
        ),
        pytest.param(
            "0.000 > SYN mpc\n1.000 > SYN\n1.020 < SYN/ACK", State.NOT_MEASURED, id="one lost syn"
        ),
        pytest.param("0.000 > SYN mpc\n1.000 > SYN", State.NOT_MEASURED, id="host is down"),
        pytest.param("0.000 > SYN\n0.020 < SYN/ACK", State.NOT_MEASURED, id="mptcp is off"),
    ],
)
def test_one_capture_judges_by_what_was_answered(text: str, state: State) -> None:
    found = one_sided(detect, text)

    assert (found.state, found.confidence) == (state, Confidence.ONE_SIDED)
