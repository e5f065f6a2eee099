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
    further_port,
)
from mptcp_check.model import ANNOUNCED, Family, Joining, Side, Transport, Upset
from mptcp_guest.messages import InterfaceState

OLDEST = ("http", "ftp")
PORTS = {"http": 8080, "ftp": 2121, ActiveControl: 8000}


def state(
    name: str, *addresses: str, attached: Literal["macvlan", "own", "routed"] = "macvlan"
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
    found = TWO.fitting(plan(OLDEST, Depth.FULL))

    assert {e.family for e in found} == {Family.IPV4}
    assert [e.id for e in found] == list(range(len(found)))
    for e in found:
        plain = e.transport is Transport.TCP and e.mode == "active"
        assert e.port == PORTS[ActiveControl if plain else e.app]


def test_a_client_with_one_address_runs_each_exchange_once() -> None:
    one = addressing(state("path0", "10.0.0.5/24"), ipv4="198.51.100.10")
    found = one.fitting(plan(OLDEST))

    assert {e.paths for e in found} == {1}
    assert len(found) == 18
    assert one.endpoints(found[0], Side.CLIENT) == []


def test_a_routed_client_runs_no_active_ftp() -> None:
    routed = addressing(state("path0", "100.100.64.2/30", attached="routed"), ipv4="198.51.100.10")
    assert {e.mode for e in routed.fitting(plan(OLDEST))} == {None, "passive"}


def test_ends_without_a_common_family_are_refused() -> None:
    with pytest.raises(PreflightError, match="no address family in common"):
        addressing(state("path0", "10.0.0.5/24"), ipv6="2001:db8::1").fitting(plan(OLDEST))


def test_the_servers_listener_answers_the_control_at_the_same_port_but_for_active_ftp() -> None:
    listeners = {
        (w["service"], w["transport"], w["port"])
        for w in map(TWO.listener, TWO.fitting(plan(OLDEST)))
    }
    assert listeners == {("http", "mptcp", 8080), ("ftp", "mptcp", 2121), ("ftp", "tcp", 8000)}


def test_further_subflows_start_at_the_clients_other_addresses() -> None:
    exchange = TWO.fitting(plan(OLDEST))[0]

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
    assert len(set(chosen.values())) == len(chosen)
    assert not {80, 21, 8000} & set(chosen.values())


def test_further_ports_are_tried_where_nothing_else_has_them() -> None:
    assert choose_ports({}, [8080])[further_port("http", 34343)] == 34343
    assert further_port("http", 8080) not in choose_ports({}, [8080])
    chosen = choose_ports({"http": 8080}, [])
    assert (chosen["http"], further_port("http", 8080) in chosen) == (8080, False)


def test_an_announced_address_is_the_servers_own_in_the_other_family() -> None:
    both = SiteAddressing(
        client=(state("path0", "10.0.0.5/24", "2001:db8::5/64"), state("path1", "10.1.0.5/24")),
        server=ServerPlace(
            addresses={Family.IPV4: "198.51.100.10", Family.IPV6: "2001:db8:1::10"},
            bound={Family.IPV4: "198.51.100.10", Family.IPV6: "2001:db8:1::10"},
            ports=PORTS,
            interfaces=("ens3",),
            alone=False,
            holders={Family.IPV4: "ens3", Family.IPV6: "ens3"},
        ),
    )
    found = [e for e in both.fitting(plan(["http"], Depth.FULL)) if e.joining in ANNOUNCED]

    assert {(e.joining, e.family) for e in found} == {(Joining.OTHER_FAMILY, Family.IPV6)}
    for e in found:
        assert both.endpoints(e, Side.SERVER) == [{"address": "198.51.100.10", "interface": "ens3"}]


def test_a_card_of_the_machines_own_is_never_taken_away() -> None:
    wanted = plan(["http"], Depth.FULL)
    own = addressing(
        state("eth0", "10.0.0.5/24", attached="own"),
        state("eth1", "10.1.0.5/24", attached="own"),
        ipv4="198.51.100.10",
    )
    assert not any(e.handover for e in own.fitting(wanted))
    upsets = {e.handover.upset for e in TWO.fitting(wanted) if e.handover}
    assert upsets == {Upset.INTERFACE_DOWN, Upset.ADDRESS_REMOVED}
    assert TWO.first_path(wanted[0]) == {"address": "10.0.0.5", "interface": "path0"}


def test_active_ftps_data_port_is_left_free_as_well() -> None:
    chosen = choose_ports({"ftp": 8001}, [])
    used = list(chosen.values())
    used += [port - 1 for name, port in chosen.items() if name.startswith("ftp")]
    assert len(set(used)) == len(used)


def test_every_application_has_its_usual_port_on_a_server_that_has_nothing_else() -> None:
    chosen = choose_ports({}, [])
    assert {name: chosen[name] for name in APPLICATIONS} == {
        name: application.port for name, application in APPLICATIONS.items()
    }


def test_a_port_of_the_users_own_that_is_taken_is_named() -> None:
    with pytest.raises(MachineError, match="port 8080 for http is taken"):
        choose_ports({"http": 8080}, [22, 8080])
