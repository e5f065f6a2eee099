"""What ip and ss say of a machine's own network."""

import json

import pytest

from mptcp_guest.refusal import RefusalError
from mptcp_guest.survey import found, taken_ports

LINKS = json.dumps(
    [
        {"ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "addr_info": []},
        {
            "ifname": "eth0",
            "flags": ["UP", "LOWER_UP"],
            "addr_info": [
                {"local": "10.0.0.5", "prefixlen": 24, "scope": "global"},
                {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
                {"local": "2001:db8::9", "prefixlen": 64, "scope": "global", "temporary": True},
            ],
        },
        {"ifname": "wlan0", "flags": ["UP", "NO-CARRIER"], "addr_info": []},
        {},
    ]
)
ROUTES = [
    json.dumps(
        [{"dst": "default", "gateway": "10.1.0.1", "dev": "wlan0"},
         {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "metric": 100}]
    ),
    "",
]  # fmt: skip


def test_the_interface_of_the_preferred_default_route_comes_first() -> None:
    wlan, eth = found(LINKS, ROUTES)

    assert (wlan["name"], wlan["gateways"], wlan["carrier"]) == ("wlan0", ["10.1.0.1"], False)
    assert (eth["name"], eth["addresses"], eth["carrier"]) == ("eth0", ["10.0.0.5/24"], True)


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"ifname": "e", "addr_info": [1]}]'])
def test_what_is_no_answer_of_ips_is_refused(text: str) -> None:
    with pytest.raises(RefusalError):
        found(text, ["[]"])


def test_each_port_that_is_listened_on_is_told_once() -> None:
    text = (
        "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 128 [::]:22 [::]:*\n"
        "LISTEN 0 5 127.0.0.1%lo:631 0.0.0.0:*\nnonsense\n"
    )
    assert taken_ports(text) == [22, 631]
