"""Who is where on a real network."""

from typing import Literal

import pytest

from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines.site_addresses import (
    ActiveControl,
    ServerPlace,
    SiteAddressing,
    choose_ports,
)
from mptcp_check.model import Family, Side, Transport
from mptcp_guest.messages import InterfaceState

PORTS = {"http": 8080, "ftp": 2121, ActiveControl: 8000}


def state(
    name: str, *addresses: str, attached: Literal["macvlan", "routed"] = "macvlan"
) -> InterfaceState:
    return InterfaceState(
        name=name,
        mac="",
        mtu=1500,
        offloads_on=[],
        addresses=list(addresses),
        gateways=[],
        attached=attached,
        parent="eth0",
    )


def addressing(*client: InterfaceState, **addresses: str) -> SiteAddressing:
    where = {Family(name): text for name, text in addresses.items()}
    place = ServerPlace(
        addresses=where, bound=where, ports=PORTS, interfaces=("ens3",), alone=False
    )
    return SiteAddressing(client=client, server=place)


TWO = addressing(state("path0", "10.0.0.5/24"), state("path1", "10.1.0.5/24"), ipv4="198.51.100.10")


def test_a_plan_gets_the_servers_ports_and_loses_the_family_that_is_not_there() -> None:
    found = TWO.fitting(plan(None, Depth.FULL))

    assert {e.family for e in found} == {Family.IPV4}
    assert [e.id for e in found] == list(range(len(found)))
    for e in found:
        plain = e.transport is Transport.TCP and e.mode == "active"
        assert e.port == PORTS[ActiveControl if plain else e.app]


def test_a_client_with_one_address_runs_each_exchange_once() -> None:
    one = addressing(state("path0", "10.0.0.5/24"), ipv4="198.51.100.10")
    found = one.fitting(plan())

    assert {e.paths for e in found} == {1}
    assert len(found) == 18
    assert one.endpoints(found[0], Side.CLIENT) == []


def test_a_routed_client_runs_no_active_ftp() -> None:
    routed = addressing(state("path0", "100.100.64.2/30", attached="routed"), ipv4="198.51.100.10")
    assert {e.mode for e in routed.fitting(plan())} == {None, "passive"}


def test_ends_without_a_common_family_are_refused() -> None:
    with pytest.raises(PreflightError, match="no address family in common"):
        addressing(state("path0", "10.0.0.5/24"), ipv6="2001:db8::1").fitting(plan())


def test_the_servers_listener_answers_the_control_at_the_same_port_but_for_active_ftp() -> None:
    listeners = {
        (w["service"], w["transport"], w["port"]) for w in map(TWO.listener, TWO.fitting(plan()))
    }
    assert listeners == {("http", "mptcp", 8080), ("ftp", "mptcp", 2121), ("ftp", "tcp", 8000)}


def test_further_subflows_start_at_the_clients_other_addresses() -> None:
    exchange = TWO.fitting(plan())[0]

    assert TWO.endpoints(exchange, Side.SERVER) == []
    assert TWO.endpoints(exchange, Side.CLIENT) == [{"address": "10.1.0.5", "interface": "path1"}]


def test_the_captures_hold_the_exchanges_ports_only() -> None:
    for side in Side:
        expression = TWO.capture_filter(side)
        for port in (8080, 2121, 2120, 8000, 7999):
            assert f"port {port}" in expression
        assert "portrange 50000-50099" in expression
        assert ("host 198.51.100.10" in expression) == (side is Side.CLIENT)
        assert "port 22 " not in expression


def test_an_application_has_its_own_port_or_a_free_one() -> None:
    assert choose_ports({}, [])["http"] == 80
    assert choose_ports({"http": 8443}, [])["http"] == 8443
    chosen = choose_ports({}, [80, 21, 8000])
    services = {app.service for app in APPLICATIONS.values()}
    assert len(set(chosen.values())) == len(services) + 1
    assert not {80, 21, 8000} & set(chosen.values())


def test_applications_of_one_server_share_its_port() -> None:
    chosen = choose_ports({"ftp": 2121}, [22])
    assert chosen["ftps"] == 2121
    assert chosen["sftp"] == chosen["scp"] == chosen["ssh"] not in {22, 2121}
    assert choose_ports({"ftp": 2121, "ftps": 990}, [])["ftps"] == 990


def test_what_does_not_run_has_no_port() -> None:
    assert set(choose_ports({}, [], ["https", "ftp"])) == {"https", "ftp", ActiveControl}


def test_active_ftps_data_port_is_left_free_as_well() -> None:
    chosen = choose_ports({"ftp": 8001}, [])
    used = [port - one for port in set(chosen.values()) for one in (0, 1)]
    assert len(set(used)) == len(used)


def test_a_port_of_the_users_own_that_is_taken_is_named() -> None:
    with pytest.raises(MachineError, match="port 8080 for http is taken"):
        choose_ports({"http": 8080}, [22, 8080])
