"""A path that does nothing must leave no trace: without this no other result of the lab counts."""

import pytest

from lab.consequences import clean, consequences
from lab.network import Observation, lab
from lab.topology import SERVER_IPV4, SERVER_IPV6
from mptcp_check.analysis.capture import capture_file
from mptcp_check.model import Side, Transfer, Transport

pytestmark = pytest.mark.lab


def frame_counts(observation: Observation, side: Side) -> dict[str, int]:
    """Return how many packets each interface captured, and check that none was lost."""
    capture = capture_file.read(observation.pcapng(side))
    assert not capture.problems
    assert [interface.dropped_count for interface in capture.interfaces] == [0, 0]
    return {
        interface.name: int((capture.packets.interface == number).sum())
        for number, interface in enumerate(capture.interfaces)
    }


@pytest.mark.parametrize("direction", list(Transfer))
@pytest.mark.parametrize("paths", [1, 2])
@pytest.mark.parametrize(
    ("checksum", "address"),
    [
        pytest.param(False, SERVER_IPV4, id="ipv4"),
        pytest.param(True, SERVER_IPV4, id="ipv4-checksum"),
        pytest.param(True, SERVER_IPV6, id="ipv6-checksum"),
    ],
)
def test_mptcp_runs_on_every_path_and_both_ends_see_the_same_packets(
    *, checksum: bool, address: str, paths: int, direction: Transfer
) -> None:
    with lab(checksum=checksum, paths=paths) as network:
        seen = network.observe(address=address, direction=direction)

    assert seen.transferred.whole
    assert seen.transferred.errors == ()
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)
    assert seen.counters[Side.CLIENT].get("TcpInCsumErrors", 0) == 0
    assert frame_counts(seen, Side.CLIENT) == frame_counts(seen, Side.SERVER)
    assert (frame_counts(seen, Side.CLIENT)["eth1"] > 0) is (paths > 1)


def test_plain_tcp_runs_as_the_control() -> None:
    with lab() as network:
        seen = network.observe(transport=Transport.TCP)

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {"client": {}, "server": {}}


def test_exchanges_in_one_network_count_for_themselves() -> None:
    with lab() as network:
        first, second = network.observe(), network.observe()

    assert consequences(first) == consequences(second) == clean(paths=2)
