import pytest

from mptcp_guest.messages import ConfigureArguments, Endpoint, Interface
from mptcp_guest.network import (
    ADDRESS_BEGINS,
    address_commands,
    mptcp_commands,
    own_undo,
    up_commands,
)
from mptcp_guest.refusal import RefusalError

CLIENT = [
    Interface(name="eth0", addresses=["10.77.0.1/24", "fd77::1/64"], gateways=[]),
    Interface(
        name="eth1",
        addresses=["10.77.1.1/24", "fd77:1::1/64"],
        gateways=["10.77.1.2", "fd77:1::2"],
    ),
]


def text(commands: object) -> list[str]:
    assert hasattr(commands, "__iter__")
    return [" ".join(command) for command in commands]


def test_what_leaves_from_an_address_leaves_by_its_interface() -> None:
    assert text(address_commands(CLIENT, 4)) == [
        "address add 10.77.0.1/24 dev eth0",
        "rule add from 10.77.0.1 table 100 preference 100",
        "route replace 10.77.0.0/24 dev eth0 table 100",
        "address add 10.77.1.1/24 dev eth1",
        "rule add from 10.77.1.1 table 101 preference 101",
        "route replace 10.77.1.0/24 dev eth1 table 101",
        "route replace 0.0.0.0/0 via 10.77.1.2 dev eth1 table 101",
        "route replace 0.0.0.0/0 via 10.77.1.2 dev eth1 metric 101",
    ]


def test_ipv6_addresses_are_used_at_once() -> None:
    commands = text(address_commands(CLIENT, 6))
    assert "address add fd77::1/64 dev eth0 nodad" in commands
    assert "route replace ::/0 via fd77:1::2 dev eth1 table 101" in commands
    assert not any("10.77" in command for command in commands)


def test_the_loopback_comes_up_too() -> None:
    assert text(up_commands(CLIENT)) == [
        "link set dev lo up",
        "link set dev eth0 up",
        "link set dev eth1 up",
    ]


def test_the_path_manager_never_takes_addresses_from_a_peer() -> None:
    arguments = ConfigureArguments(
        checksum=True,
        extra_subflows=1,
        endpoints=[Endpoint(address="10.77.1.1", interface="eth1")],
    )
    assert text(mptcp_commands(arguments)) == [
        "mptcp endpoint flush",
        "mptcp limits set subflow 1 add_addr_accepted 0",
        "mptcp endpoint add 10.77.1.1 dev eth1 subflow",
        "mptcp limits show",
        "mptcp endpoint show",
    ]


@pytest.mark.parametrize(
    ("extra", "endpoint"),
    [
        (-1, Endpoint(address="10.77.1.1", interface="eth1")),
        (9, Endpoint(address="10.77.1.1", interface="eth1")),
        (1, Endpoint(address="10.77.1.1\nlink del eth0", interface="eth1")),
        (1, Endpoint(address="10.77.1.1", interface="eth1\nlink del eth0")),
    ],
)
def test_what_is_no_address_name_or_limit_never_becomes_a_command(
    extra: int, endpoint: Endpoint
) -> None:
    arguments = ConfigureArguments(checksum=False, extra_subflows=extra, endpoints=[endpoint])
    with pytest.raises(RefusalError):
        list(mptcp_commands(arguments))


def test_limits_and_endpoints_are_told_apart_by_their_beginnings() -> None:
    assert "10.77.1.1 id 1 subflow dev eth1".startswith(ADDRESS_BEGINS)
    assert "fd77:1::1 id 2 subflow dev eth1".startswith(ADDRESS_BEGINS)
    assert not "subflows 1".startswith(ADDRESS_BEGINS)


def test_a_machines_own_settings_come_back_in_the_order_that_works() -> None:
    commands = list(
        own_undo(
            {"net.mptcp.checksum_enabled": "0"},
            ["10.0.0.5 id 1 subflow dev eth0 "],
            "add_addr_accepted 1 subflows 3 ",
        )
    )
    # the last runs first: what the run added is flushed before the machine's own comes back
    assert [" ".join(c) for c in reversed(commands)] == [
        "sysctl -qw net.mptcp.checksum_enabled=0",
        "ip mptcp limits set add_addr_accepted 1 subflows 3",
        "ip mptcp endpoint flush",
        "ip mptcp endpoint add 10.0.0.5 id 1 subflow dev eth0",
    ]
