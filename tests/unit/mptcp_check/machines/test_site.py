"""What is made of a user's interfaces, and how its end is noticed."""

import pytest

from mptcp_check.errors import MachineError, PreflightError, ServerError, UsageError
from mptcp_check.machines.measurement_server import server_place
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind
from mptcp_check.machines.site import (
    hearing,
    named,
    namespace_on,
    own_network,
    require_there,
    will_do,
)
from mptcp_check.machines.wishes import InterfaceWish, SshHost, server_wish
from mptcp_check.model import Family
from mptcp_guest.messages import Found, SurveyResult


def found(name: str, *addresses: str, gateway: str = "", carrier: bool = True) -> Found:
    hops = [gateway] if gateway else []
    return Found(
        name=name, addresses=list(addresses), gateways=hops, wireless=False, carrier=carrier
    )


def interface(name: str, kind: InterfaceKind, *, master: str = "") -> HostInterface:
    return HostInterface(name=name, kind=kind, up=True, index=2, mac="", master=master)


ETHERNET = interface("eth0", InterfaceKind.ETHERNET)
WIFI = interface("wlan0", InterfaceKind.WIFI)


def test_one_network_gets_two_cards_so_that_a_second_subflow_has_an_address() -> None:
    lab = namespace_on([InterfaceWish(name="eth0")], [ETHERNET])
    cards = [(i["name"], i["attach"], i["parent"], i["dhcp"]) for i in lab["interfaces"]]
    assert cards == [("path0", "macvlan", "eth0", True), ("path1", "macvlan", "eth0", True)]


def test_two_networks_get_a_card_each_and_wifi_a_way_through_the_kernel() -> None:
    wishes = [InterfaceWish(name="eth0"), InterfaceWish(name="wlan0")]
    lab = namespace_on(wishes, [ETHERNET, WIFI])

    assert [i["attach"] for i in lab["interfaces"]] == ["macvlan", "routed"]
    assert [i["dhcp"] for i in lab["interfaces"]] == [True, False]
    said = will_do(lab, where="this computer")
    assert "macvlan) on eth0" in said
    assert "address translation, on wlan0" in said


def test_an_interface_of_a_bridge_is_routed() -> None:
    port = interface("eth0", InterfaceKind.ETHERNET, master="br0")
    lab = namespace_on([InterfaceWish(name="eth0")], [port])
    assert {i["attach"] for i in lab["interfaces"]} == {"routed"}


def test_the_users_own_addresses_make_a_card_each() -> None:
    wish = InterfaceWish(
        name="eth0",
        addresses=("10.0.0.5/24", "10.0.0.6/24", "2001:db8::5/64"),
        gateways=("10.0.0.1", "2001:db8::1"),
    )
    first, second = namespace_on([wish], [ETHERNET])["interfaces"]

    assert first["addresses"] == ["10.0.0.5/24", "2001:db8::5/64"]
    assert first["gateways"] == ["10.0.0.1", "2001:db8::1"]
    assert (second["addresses"], second["gateways"]) == (["10.0.0.6/24"], ["10.0.0.1"])
    assert not first["dhcp"]


def test_a_boxs_own_network_is_what_leads_to_the_server() -> None:
    interfaces = [
        found("eth0", "10.0.0.5/24", gateway="10.0.0.1"),
        found("eth1", "198.51.100.7/24"),
        found("docker0", "172.17.0.1/16"),
    ]
    lab = own_network(interfaces, ["198.51.100.10"], name="box")

    assert lab["namespace"] is None
    assert [i["name"] for i in lab["interfaces"]] == ["eth0", "eth1"]
    assert "put back" in will_do(lab, where="box")
    with pytest.raises(PreflightError, match="no interface of box leads to"):
        own_network(interfaces[2:], ["198.51.100.10"], name="box")


def test_an_interface_that_a_box_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(UsageError) as refused:
        named([InterfaceWish(name="eth7")], [found("eth0")], name="box")
    assert "eth7" in refused.value.message
    assert "eth0" in refused.value.hint


def test_an_interface_that_went_away_or_lost_its_link_is_named() -> None:
    require_there(["eth0"], [found("eth0")], "box")
    with pytest.raises(MachineError, match="eth1 of box went away"):
        require_there(["eth0", "eth1"], [found("eth0")], "box")
    with pytest.raises(MachineError, match="eth0 of box lost its link"):
        require_there(["eth0"], [found("eth0", carrier=False)], "box")


SURVEY = SurveyResult(
    interfaces=[found("ens3", "10.9.0.2/24", gateway="10.9.0.1")], taken_ports=[22]
)


def test_a_server_listens_where_ssh_reached_it() -> None:
    place = server_place(
        server_wish("ssh:box"), SURVEY, reached_at="10.9.0.2", name=str(SshHost(host="box"))
    )
    assert place.addresses == place.bound == {Family.IPV4: "10.9.0.2"}
    assert place.interfaces == ("ens3",)


def test_a_server_behind_a_translator_listens_anywhere() -> None:
    wish = server_wish("ssh:box,address=203.0.113.9")
    place = server_place(wish, SURVEY, reached_at="203.0.113.9", name="box")

    assert place.addresses == {Family.IPV4: "203.0.113.9"}
    assert place.bound == {Family.IPV4: "0.0.0.0"}  # noqa: S104 - what is asserted
    assert place.interfaces == ("ens3",)


@pytest.mark.parametrize("reached_at", ["127.0.0.1", "::1", ""])
def test_a_server_that_only_this_computer_reaches_is_refused(reached_at: str) -> None:
    with pytest.raises(ServerError, match="no client can reach it"):
        server_place(server_wish("ssh:box"), SURVEY, reached_at=reached_at, name="box")


def test_routers_are_listened_to_where_the_server_has_ipv6_and_nobody_gave_an_address() -> None:
    wishes = [InterfaceWish(name="eth0"), InterfaceWish(name="eth0", addresses=("10.0.0.9/24",))]
    lab = namespace_on(wishes, [ETHERNET, ETHERNET])
    assert hearing(lab, ["192.0.2.1"]) == lab
    listening = hearing(lab, ["192.0.2.1", "2001:db8::1"])["interfaces"]
    assert [(i["dhcp"], i.get("advertised", False)) for i in listening] == [
        (True, True),
        (False, False),
    ]
