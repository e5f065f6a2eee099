import pytest

from mptcp_check.analysis.detectors.address_translated import ID, detect
from mptcp_check.model import Confidence, Direction, Evidence, Side, State
from traces import TWO_PATHS, Path, finding, one_sided

ELSEWHERE = ("198.51.100.7", 61_000)


def test_another_source_at_the_server_is_a_translation() -> None:
    found = finding(detect, TWO_PATHS, Path(seen_by_server={"0": ELSEWHERE}))

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.BOTH)
    assert found.confidence is Confidence.CONFIRMED
    assert found.evidence == (
        Evidence(side=Side.CLIENT, frame=1),
        Evidence(side=Side.SERVER, frame=1),
    )
    assert found.measures == {
        "source_address_changed": 1,
        "source_port_changed": 1,
        "destination_address_changed": 0,
        "destination_port_changed": 0,
        "subflows_count": 1,
    }
    assert "198.51.100.7:61000" in found.because


@pytest.mark.parametrize(
    ("seen", "address", "port"),
    [
        (("198.51.100.7", 40_000), 1, 0),
        (("10.77.0.1", 61_000), 0, 1),
    ],
)
def test_address_and_port_are_told_apart(seen: tuple[str, int], address: int, port: int) -> None:
    found = finding(detect, TWO_PATHS, Path(seen_by_server={"0": seen}))

    assert found.measures["source_address_changed"] == address
    assert found.measures["source_port_changed"] == port


def test_a_nat_on_the_second_path_only_names_that_subflow() -> None:
    found = finding(detect, TWO_PATHS, Path(seen_by_server={"0.1": ELSEWHERE}))

    assert (found.state, found.subflow) == (State.SEEN, 1)


def test_a_nat_on_both_paths_is_counted_twice() -> None:
    path = Path(seen_by_server={"0": ELSEWHERE, "0.1": ("198.51.100.8", 40_001)})

    assert finding(detect, TWO_PATHS, path).measures["subflows_count"] == 2


def test_a_nat_that_rewrites_sequence_numbers_is_known_by_the_keys() -> None:
    path = Path(seen_by_server={"0": ELSEWHERE}, isn_shift={"0": (1_000, 2_000)})

    assert finding(detect, TWO_PATHS, path).state is State.SEEN


def test_where_all_that_the_ends_make_differs_it_may_be_a_proxy() -> None:
    proxied = """
        0.000 > SYN mpc => -mpc tsval=9
        0.020 < SYN/ACK
        0.040 > ACK
        0.041 > PSH data=900
        0.060 < PSH data=900
    """
    path = Path(seen_by_server={"0": ELSEWHERE}, isn_shift={"0": (1_000, 2_000)})

    found = finding(detect, proxied, path)

    assert found.state is State.NOT_MEASURED
    assert "connection_proxied" in found.because


def test_equal_addresses_are_no_translation() -> None:
    assert finding(detect, TWO_PATHS).state is State.NOT_SEEN


def test_one_capture_says_nothing() -> None:
    found = one_sided(detect, TWO_PATHS)

    assert (found.state, found.confidence) == (State.NOT_MEASURED, Confidence.ONE_SIDED)


def test_a_connection_that_one_capture_does_not_hold_says_nothing() -> None:
    assert finding(detect, "0.000 > SYN mpc => lost").state is State.NOT_MEASURED
