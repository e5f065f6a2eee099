import pytest

from mptcp_check.analysis.detectors.mp_join_removed import ID, detect
from mptcp_check.model import Confidence, Direction, State
from traces import TWO_PATHS, Path, finding, one_sided


def changed(step: str, change: str) -> str:
    """Return the clean trace with a change to one step of the join."""
    assert step in TWO_PATHS
    return TWO_PATHS.replace(step, f"{step} => {change}")


SYN, SYN_ACK, ACK = "0.1 > SYN join", "0.1 < SYN/ACK join", "0.1 > ACK join"


@pytest.mark.parametrize(
    ("step", "number", "direction"),
    [(SYN, 1, Direction.C2S), (SYN_ACK, 2, Direction.S2C), (ACK, 3, Direction.C2S)],
)
@pytest.mark.parametrize("change", ["-join", "-join nop=12"])
def test_each_step_of_a_join_may_lose_it(
    step: str, number: int, direction: Direction, change: str
) -> None:
    found = finding(detect, changed(step, change))

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, direction)
    assert found.measures["handshake_step"] == number
    assert (found.subflow, found.confidence) == (1, Confidence.CONFIRMED)
    assert len(found.evidence) == 2


def test_a_join_that_became_a_connection_of_its_own_still_belongs_to_the_first() -> None:
    path = Path(seen_by_server={"0.1": ("198.51.100.7", 61_000)})

    assert finding(detect, changed(SYN, "-join nop=12"), path).state is State.SEEN


def test_the_join_that_lost_it_is_named_among_others() -> None:
    second = (
        TWO_PATHS
        + """
        0.200 0.2 > SYN join => -join
        0.220 0.2 < SYN/ACK
        0.240 0.2 > RST
    """
    )

    found = finding(detect, second)

    assert (found.state, found.subflow) == (State.SEEN, 2)
    assert found.measures["subflows_count"] == 1


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(TWO_PATHS, State.NOT_SEEN, id="both paths work"),
        pytest.param(
            TWO_PATHS.partition("0.100")[0] + "0.100 0.1 > SYN join => lost",
            State.NOT_MEASURED,
            id="the syn was lost",
        ),
        pytest.param(changed(ACK, "lost"), State.NOT_SEEN, id="the third ack was lost"),
        pytest.param(
            """0.000 > SYN mpc
            0.020 < SYN/ACK mpc
            0.040 > ACK mpc
            0.050 0.1 > SYN join
            0.070 0.1 < RST""",
            State.NOT_SEEN,
            id="refused by the server, the option was there",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc\n0.040 > ACK mpc",
            State.NOT_MEASURED,
            id="one path",
        ),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


@pytest.mark.parametrize("fields", ["nots", "nots id=7", "tsval=9 id=0", "tsval=9 id=99"])
def test_a_lost_third_ack_is_not_matched_with_another_bare_one(fields: str) -> None:
    # the third ACK was lost by the path, the next one by the client's capture
    lost = TWO_PATHS.replace(ACK, f"{ACK} {fields.replace('id=7', 'id=8')} => lost").replace(
        "0.190 0.1 > ACK dss", f"0.190 0.1 > ACK dss injected {fields} tsval=77"
    )

    assert finding(detect, lost).state is not State.SEEN


def test_one_capture_believes_a_whole_handshake_and_nothing_less() -> None:
    whole = one_sided(detect, TWO_PATHS)
    refused = one_sided(detect, TWO_PATHS.replace(SYN_ACK, "0.1 < RST").replace(ACK, "> ACK dss"))

    assert (whole.state, whole.confidence) == (State.NOT_SEEN, Confidence.ONE_SIDED)
    assert refused.state is State.NOT_MEASURED
    assert "cannot tell" in refused.because
