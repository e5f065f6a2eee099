"""What a handover tells ip to do; doing it needs a kernel (tests/lab/test_handover.py)."""

import pytest

from mptcp_guest.handover import acting, giving_back, octets, removing
from mptcp_guest.lab import Lab
from mptcp_guest.messages import HandoverWanted
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Stop

NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:    900       9    0    0    0     0          0         0      900       9    0
  eth0: 1000       9    0    0    0     0          0         0      200       9    0
  eth1:   30       1    0    0    0     0          0         0        4       1    0
"""
SHOWN = [
    {
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "10.77.0.1", "prefixlen": 24, "scope": "global"},
            {"family": "inet6", "local": "fd77::1", "prefixlen": 64, "scope": "global"},
            {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    }
]
ROUTES = [
    {"dst": "10.77.0.0/24", "table": "100", "scope": "link"},
    {"dst": "default", "gateway": "10.77.0.2", "metric": 100},
    {"dst": "default", "gateway": "fd77::2", "table": "100"},
    {"dst": "10.77.0.0/24", "prefsrc": "10.77.0.1", "protocol": "kernel"},
    {"type": "local", "dst": "10.77.0.1", "table": "local"},
    {"type": "multicast", "dst": "ff00::/8", "table": "local"},
]


def test_what_crossed_is_counted_without_the_loopback() -> None:
    assert octets(NET_DEV) == 1000 + 200 + 30 + 4
    assert octets("") == 0


def test_the_peer_is_told_before_the_address_goes() -> None:
    assert list(removing("10.77.0.1", "eth0", SHOWN)) == [
        ["mptcp", "endpoint", "delete", "id", "0", "10.77.0.1"],
        ["address", "delete", "10.77.0.1/24", "dev", "eth0"],
    ]


def test_an_address_of_nobody_is_refused() -> None:
    with pytest.raises(RefusalError, match=r"eth0 has no address 10\.77\.9\.9"):
        list(removing("10.77.9.9", "eth0", SHOWN))


def test_everything_that_goes_with_an_interface_is_given_back() -> None:
    commands = [" ".join(c) for c in giving_back("eth0", SHOWN, ROUTES)]

    assert commands == [
        "link set dev eth0 up",
        "address replace 10.77.0.1/24 dev eth0",
        "address replace fd77::1/64 dev eth0 nodad",
        "route replace 10.77.0.0/24 dev eth0 table 100",
        "route replace 0.0.0.0/0 via 10.77.0.2 dev eth0 metric 100",
        "route replace ::/0 via fd77::2 dev eth0 table 100",
        "route replace 10.77.0.0/24 dev eth0 src 10.77.0.1",
    ]


def test_a_machines_own_card_is_never_taken_away(tmp_path: object) -> None:
    lab = Lab(work_directory=tmp_path, stop=Stop(), own_network=True)  # type: ignore[arg-type]
    wanted = HandoverWanted(
        upset="interface_down", interface="eth0", address="10.0.0.5", after_bytes=1, lasts_ms=1
    )
    with pytest.raises(RefusalError, match="not the lab's"), acting(lab, wanted):
        pytest.fail("it acted")


def test_without_a_handover_nothing_is_done(tmp_path: object) -> None:
    lab = Lab(work_directory=tmp_path, stop=Stop())  # type: ignore[arg-type]
    with acting(lab, None) as act:
        assert act is None
