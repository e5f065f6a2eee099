"""Two connections where the ends believe in one: proxies of several kinds, and what is none."""

import pytest

from mptcp_check.analysis.detectors.connection_proxied import ID, detect
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Confidence, Finding, State
from traces import TWO_PATHS, Path, captures, finding, one_sided

CLIENT_LEG = """
    0.000 > SYN mpc
    0.005 < SYN/ACK win=0 nobase
    0.010 > ACK
    0.041 > PSH data=100
    0.060 < ACK
    0.062 < PSH data=1000
    0.082 > ACK
"""
SERVER_LEG = """
    0.012 > SYN
    0.013 < SYN/ACK
    0.014 > ACK
    0.045 > PSH data=100
    0.046 < PSH data=600
    0.047 < PSH data=400
    0.049 > ACK
"""


def proxied(client: str, server: str, path: Path | None = None) -> Finding:
    """Put the client's leg of a proxy beside the server's: the streams are equal, the rest not."""
    here, _ = captures(client)
    _, there = captures(server, path or Path(isn_shift={"0": (123_456, 987_654_321)}))
    connections = pair(here, there)
    assert len(connections) == 1, [c.views for c in connections]
    return detect(connections[0])


def test_a_split_proxy_has_two_connections() -> None:
    path = Path(isn_shift={"0": (5_000, 9_000)}, seen_by_server={"0": ("192.0.2.9", 3128)})

    found = proxied(CLIENT_LEG, SERVER_LEG, path)

    assert (found.behaviour, found.state) == (ID, State.SEEN)
    assert found.confidence is Confidence.CONFIRMED
    assert {e.side.value for e in found.evidence} == {"client", "server"}


def test_a_proxy_that_keeps_addresses_is_one_all_the_same() -> None:
    assert proxied(CLIENT_LEG, SERVER_LEG).state is State.SEEN


@pytest.mark.parametrize(
    "path",
    [
        Path(),
        Path(isn_shift={"0": (5_000, 9_000), "0.1": (4, 4)}),
        Path(seen_by_server={"0": ("192.0.2.9", 3128)}),
        Path(isn_shift={"0": (5_000, 9_000)}, seen_by_server={"0": ("192.0.2.9", 3128)}),
    ],
    ids=["clean", "rewritten numbers", "NAT", "NAT with rewritten numbers"],
)
def test_nothing_less_is_a_proxy(path: Path) -> None:
    assert finding(detect, TWO_PATHS, path).state is not State.SEEN


def test_one_capture_shows_one_connection() -> None:
    assert one_sided(detect, CLIENT_LEG).state is State.NOT_MEASURED
