"""How a routed interface is made and unmade."""

import json
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.attaching import (
    POOL,
    Route,
    free_network,
    free_number,
    merging,
    routed_commands,
    undo_commands,
)
from mptcp_guest.refusal import RefusalError

ROUTE = Route(
    number=7700,
    network=IPv4Network("100.100.64.0/30"),
    parent="wlan0",
    next_hop="192.168.1.1",
    subnets=("192.168.1.0/24",),
)


def test_what_leaves_is_translated_and_goes_by_the_chosen_interface_only() -> None:
    commands = [" ".join(command) for command in routed_commands(ROUTE)]

    assert "ip address add 100.100.64.1/30 dev mcr7700" in commands
    assert "ip route add default via 192.168.1.1 dev wlan0 table 7700" in commands
    assert "ip rule add from 100.100.64.0/30 table 7700 preference 7700" in commands
    assert commands[-1].endswith('ip saddr 100.100.64.0/30 oifname "wlan0" masquerade')


def test_all_that_is_made_is_unmade() -> None:
    undone = [" ".join(c) for c in undo_commands(ROUTE, {"forwarding": "0", "rp_filter": "2"})]

    assert undone == [
        "ip link del mcr7700",
        "ip route flush table 7700",
        "ip rule del preference 7700",
        "sysctl -qw net/ipv4/conf/wlan0/forwarding=0",
        "sysctl -qw net/ipv4/conf/wlan0/rp_filter=2",
        "nft delete table ip mptcp_check_7700",
    ]


def test_rules_and_networks_of_others_are_stepped_over() -> None:
    assert free_number('[{"priority": 0}, {"priority": 7700}, {}]') == 7701
    routes = json.dumps(
        [{"dst": "default"}, {"dst": "0.0.0.0/0"}, {"dst": "100.100.64.0/29"}, {"dst": "10.0.0.1"}]
    )
    assert free_network(routes) == IPv4Network("100.100.64.8/30")


def test_a_computer_that_uses_the_whole_pool_is_told_so() -> None:
    with pytest.raises(RefusalError, match="in use"):
        free_network('[{"dst": "100.64.0.0/10"}]')


@given(st.lists(st.integers(0, POOL.num_addresses - 1), max_size=20))
def test_a_network_that_is_chosen_touches_no_other(used: list[int]) -> None:
    others = [IPv4Network((int(POOL.network_address) + n, 32)) for n in used]
    chosen = free_network(json.dumps([{"dst": str(other)} for other in others]))
    assert not any(chosen.overlaps(other) for other in others)


def test_what_merges_on_reception_and_can_be_switched_off_is_switched_off() -> None:
    features = "generic-receive-offload: on\nlarge-receive-offload: on [fixed]\n"
    assert merging(features) == ["gro"]
    assert merging("generic-receive-offload: off\n") == []
