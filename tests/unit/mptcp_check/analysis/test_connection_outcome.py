import pytest

from mptcp_check.analysis.connection_outcome import ConnectionOutcome, connection_outcome
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Outcome
from traces import HANDSHAKE, TWO_PATHS, captures

DATA = f"""{HANDSHAKE}
    0.041 > PSH data=100 mpc
    0.060 < PSH data=900 dss
"""
LONG_AFTER = "5.000 > PSH data=100 dss\n5.020 < PSH data=100 dss\n"


def judged(text: str) -> ConnectionOutcome:
    return connection_outcome(pair(*captures(text))[0])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        pytest.param(TWO_PATHS, Outcome.MPTCP, id="two paths"),
        pytest.param(DATA, Outcome.MPTCP, id="one path"),
        pytest.param("0.0 > SYN\n0.02 < SYN/ACK\n0.04 > ACK", Outcome.TCP, id="plain TCP"),
        pytest.param(
            "0.0 > SYN mpc\n0.02 < SYN/ACK\n0.04 > ACK", Outcome.FELL_BACK_AT_HANDSHAKE, id="no key"
        ),
        pytest.param("0.0 > SYN mpc\n0.02 < RST", Outcome.REFUSED, id="RST for an answer"),
        pytest.param("0.0 > SYN mpc => lost\n1.0 > SYN", Outcome.TIMED_OUT, id="no answer"),
        pytest.param(
            f"{HANDSHAKE}\n0.041 > PSH data=100\n0.060 < PSH data=900",
            Outcome.FELL_BACK_AT_FIRST_DATA,
            id="no mapping at all",
        ),
        pytest.param(
            f"{HANDSHAKE}\n0.041 > PSH data=100 mpc\n0.060 < PSH data=900",
            Outcome.FELL_BACK_AT_FIRST_DATA,
            id="no mapping in the answer",
        ),
        pytest.param(
            f"{DATA}\n0.070 < PSH data=900", Outcome.FELL_BACK_MIDSTREAM, id="mappings end"
        ),
        pytest.param(
            f"{DATA}\n0.070 < PSH data=1", Outcome.FELL_BACK_MIDSTREAM, id="one byte unmapped"
        ),
        pytest.param(
            f"{DATA}\n0.070 < PSH data=900 infinite",
            Outcome.FELL_BACK_MIDSTREAM,
            id="infinite mapping",
        ),
        pytest.param(
            TWO_PATHS.replace("0.1 < SYN/ACK join", "0.1 < SYN/ACK join => -join"),
            Outcome.MPTCP_DEGRADED,
            id="a join answered by a stranger",
        ),
        pytest.param(
            f"{DATA}\n0.1 0.1 > SYN join => lost\n{LONG_AFTER}",
            Outcome.MPTCP_DEGRADED,
            id="a join without an answer",
        ),
        pytest.param(
            f"{DATA}\n0.1 0.1 > SYN join\n0.12 0.1 < RST\n{LONG_AFTER}",
            Outcome.MPTCP,
            id="a join that the machine itself refused",
        ),
        pytest.param(
            f"{DATA}\n0.1 0.1 > SYN join => lost\n0.12 0.1 < RST injected\n{LONG_AFTER}",
            Outcome.MPTCP_DEGRADED,
            id="a join that something on the way refused",
        ),
        pytest.param(
            f"{DATA}\n0.1 0.1 > SYN join => -join nop=12\n0.12 0.1 < RST\n{LONG_AFTER}",
            Outcome.MPTCP_DEGRADED,
            id="a join that was refused because it was changed on the way",
        ),
        pytest.param(
            f"{TWO_PATHS.partition('0.300')[0]}\n0.2 0.1 < RST\n{LONG_AFTER}",
            Outcome.MPTCP_DEGRADED,
            id="a subflow reset on the way",
        ),
        pytest.param(
            f"{DATA}\n0.1 > FIN\n0.11 0.1 > SYN join\n0.13 0.1 < RST",
            Outcome.MPTCP,
            id="a join that raced the end",
        ),
        pytest.param("0.0 > PSH data=9 dss", Outcome.NOT_MEASURED, id="the capture began late"),
        pytest.param(
            "0.0 > SYN mpc\n0.02 < SYN/ACK mpc", Outcome.NOT_MEASURED, id="no third ACK, no data"
        ),
    ],
)
def test_packets_say_what_became_of_a_connection(text: str, outcome: Outcome) -> None:
    found = judged(text)

    assert found.outcome is outcome
    assert found.because


def test_complete_subflows_are_counted_as_both_ends_saw_them() -> None:
    assert judged(TWO_PATHS).subflows_count == 2
    lost = judged(TWO_PATHS.replace("0.1 > ACK join", "0.1 > ACK join => lost"))
    assert lost.subflows_count == 1
