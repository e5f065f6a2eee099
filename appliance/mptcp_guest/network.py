"""The lab's network: measurement interfaces in a namespace of their own, nothing else in it.

Counters, routes, sysctls, the path manager and captures are per namespace, so they hold the
traffic under test only; deleting the namespace sets every counter to zero.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mptcp_guest import firewall, messages, offloads, sysctls
from mptcp_guest.attaching import attach, parent_of
from mptcp_guest.join_listening import JoinListeners
from mptcp_guest.lab import Lab
from mptcp_guest.leasing import Leasing
from mptcp_guest.monitor import Monitor
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.survey import gateways, global_addresses
from mptcp_guest.waiting import Deadline

SYSCTLS: Mapping[str, str] = {
    "net.mptcp.enabled": "1",
    # one lost SYN would switch MPTCP off for an hour (behaviours.md, rule 1)
    "net.mptcp.blackhole_timeout": "0",
    # a hang is a result, a minute of it is not: 60 by default
    "net.mptcp.close_timeout": "3",
    # replies to a further subflow leave by another interface than the route to its peer
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # an interface answers for its own addresses only, or both links see both hosts' ARP
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    # no exchange starts with the congestion window of the one before
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.accept_dad": "0",
}
"""What a lab sets, and why; the rest is the kernel's default and only read."""

REPORTED_SYSCTLS = (
    "net.mptcp.checksum_enabled",
    "net.mptcp.syn_retrans_before_tcp_fallback",
    "net.mptcp.pm_type",
    "net.mptcp.scheduler",
    "net.mptcp.stale_loss_cnt",
    "net.mptcp.allow_join_initial_addr_port",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_syn_linear_timeouts",
    "net.ipv4.tcp_ecn",
)

OWN_SETTINGS = ("enabled", "blackhole_timeout", "close_timeout", "checksum_enabled")
"""Of ``net.mptcp``: what is set, and put back, where the lab is the machine's own network."""

SEGMENTING = ("scatter-gather", "tcp-segmentation-offload", "generic-segmentation-offload")
"""What does nothing where TCP may give one segment at a time only."""

LINK_HEADER_BYTES = 64
"""More than Ethernet with any number of VLAN tags has in front of a packet."""

MAX_EXTRA_SUBFLOWS = 8
"""MPTCP_PM_ADDR_MAX in the kernel's protocol.h."""

ADDRESS_BEGINS = tuple("0123456789abcdef:")
"""How ``ip mptcp endpoint show`` begins a line; ``limits show`` begins with add_addr_accepted."""

IpInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

FAMILIES = (4, 6)

FIRST_TABLE = 100
"""Routing table of the first interface; its rules have the same number as preference."""


class Network:
    """Makes and unmakes the lab's network, and sets MPTCP up for each exchange."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._leasing = Leasing(lab)
        self.monitor = Monitor(lab)
        self._joined = JoinListeners(lab)

    def up(self, arguments: messages.LabUpArguments, until: Deadline) -> messages.LabUpResult:
        """Make a namespace with the interfaces in it, or take the machine's own network."""
        if self._lab.namespace is not None or self._lab.own_network:
            there = self._lab.namespace or "the machine's own network"
            raise RefusalError("bad_arguments", f"there is a lab already: {there}")
        if not arguments["interfaces"]:
            raise RefusalError("bad_arguments", "a lab without interfaces measures nothing")
        name = arguments["namespace"]
        try:
            if name is None:
                self._lab.own_network = True
                interfaces = self._take_own(arguments["interfaces"], until)
            else:
                interfaces = self._make(name, arguments, until)
            self.monitor.start()
            states = self._states(interfaces, until)
            read = self._lab.within(lambda: sysctls.read((*SYSCTLS, *REPORTED_SYSCTLS)))
            return messages.LabUpResult(
                interfaces=states,
                sysctls=read,
                missing_sysctls=sorted(set(SYSCTLS) - set(read)),
                notes=list(self._leasing.notes),
            )
        except (RefusalError, OSError):
            self.down(Deadline.after(5))
            raise

    def down(self, until: Deadline) -> None:
        """Remove the namespace; physical interfaces fall back to the machine's own."""
        self.monitor.end()
        self._leasing.end()
        self._joined.close()
        name, self._lab.namespace = self._lab.namespace, None
        self._lab.own_network = False
        try:
            if name is not None:
                self._lab.succeed(["ip", "netns", "del", name], until)
        finally:
            self._lab.undo.all()

    def _make(
        self, name: str, arguments: messages.LabUpArguments, until: Deadline
    ) -> list[messages.Interface]:
        """Make the namespace and what is in it; return the interfaces with their addresses."""
        wanted = arguments["interfaces"]
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise RefusalError("bad_arguments", f"{name!r} is not a name for a namespace")
        for version in FAMILIES:  # what cannot be is refused before anything is made
            list(address_commands(wanted, version))
        self._lab.succeed(["ip", "netns", "add", name], until)
        self._lab.namespace = name
        self._set_sysctls({})
        if "firewall" in arguments:  # while no interface is there to speak or to hear
            firewall.lock(self._lab, arguments["firewall"], until)
        interfaces = attach(self._lab, wanted, until)
        self._lab.within(lambda: [offloads.switch_off(i["name"]) for i in interfaces])
        up = list(up_commands(interfaces))
        self._leasing.listen(interfaces)
        if any("dhcp" in interface for interface in interfaces):
            self._ip(up, until)
            interfaces, up = self._leasing.lease(interfaces, until), []
        for version in FAMILIES:
            self._ip([*up, *address_commands(interfaces, version)], until, family=f"-{version}")
            up = []
        return interfaces

    def _take_own(
        self, wanted: list[messages.Interface], until: Deadline
    ) -> list[messages.Interface]:
        """Note how the machine is, so that it can be put back, and switch offloads off."""
        before = sysctls.read(f"net.mptcp.{setting}" for setting in OWN_SETTINGS)
        endpoints = self._ip([["mptcp", "endpoint", "show"]], until).splitlines()
        limits = self._ip([["mptcp", "limits", "show"]], until)
        self._lab.undo.add(*own_undo(before, endpoints, limits))
        for interface in wanted:
            name = checked_name(interface["name"])
            shorts = [offloads.OFFLOADS[long].short for long in offloads.on(name)]
            self._lab.undo.add(*(["ethtool", "-K", name, short, "on"] for short in shorts))
            offloads.switch_off(name)
        return wanted

    def configure(
        self, arguments: messages.ConfigureArguments, until: Deadline
    ) -> messages.ConfigureResult:
        """Set checksums, limits and endpoints for the next exchange."""
        checksum = {"net.mptcp.checksum_enabled": str(int(arguments["checksum"]))}
        told = self._ip(mptcp_commands(arguments), until).splitlines()
        self._joined.listen(arguments)
        return messages.ConfigureResult(
            sysctls=self._set_sysctls(checksum),
            limits=" ".join(line.strip() for line in told if not line.startswith(ADDRESS_BEGINS)),
            endpoints=[line.strip() for line in told if line.startswith(ADDRESS_BEGINS)],
        )

    def _ip(self, commands: Iterable[list[str]], until: Deadline, *, family: str = "-0") -> str:
        return self._lab.ip_batch(self._lab.ip(family), commands, until)

    def _states(
        self, interfaces: list[messages.Interface], until: Deadline
    ) -> list[messages.InterfaceState]:
        shown = self._lab.succeed(self._lab.ip("-j", "-d", "address", "show"), until)
        links = {link.get("ifname"): link for link in json.loads(shown)}
        routes = [
            self._lab.succeed(self._lab.ip("-j", f"-{version}", "route", "show", "default"), until)
            for version in FAMILIES
            if self._lab.own_network or has_gateway(interfaces, version)
        ]
        on = self._lab.within(lambda: {i["name"]: offloads.on(i["name"]) for i in interfaces})
        return [self._state(i, links.get(i["name"], {}), routes, on[i["name"]]) for i in interfaces]

    def _state(
        self,
        interface: messages.Interface,
        link: dict[str, Any],
        routes: list[str],
        on: list[str],
    ) -> messages.InterfaceState:
        name = interface["name"]
        if link.get("gso_max_segs") == 1:
            on = [one for one in on if one not in SEGMENTING]
        if not {"generic-receive-offload", *SEGMENTING} & set(on):
            self._lab.frame_bytes[name] = int(link.get("mtu", 0)) + LINK_HEADER_BYTES
        own = "own" if self._lab.own_network else "moved"
        return messages.InterfaceState(
            name=name,
            mac=str(link.get("address", "")),
            mtu=int(link.get("mtu", 0)),
            offloads_on=on,
            addresses=global_addresses(link),
            gateways=gateways(routes, name),
            attached=interface.get("attach", own),
            parent=parent_of(interface),
        )

    def _set_sysctls(self, more: Mapping[str, str]) -> dict[str, str]:
        wanted = {**SYSCTLS, **more}
        if self._lab.own_network:
            wanted = {
                f"net.mptcp.{name}": wanted[f"net.mptcp.{name}"]
                for name in OWN_SETTINGS
                if f"net.mptcp.{name}" in wanted
            }
        return self._lab.within(lambda: sysctls.write(wanted))


def up_commands(interfaces: Iterable[messages.Interface]) -> Iterator[list[str]]:
    """Give the ip commands that bring the interfaces up; PURE."""
    for name in ("lo", *(interface["name"] for interface in interfaces)):
        yield ["link", "set", "dev", checked_name(name), "up"]


def address_commands(interfaces: Iterable[messages.Interface], version: int) -> Iterator[list[str]]:
    """Give the ip commands that address and route the interfaces in one family; PURE.

    Each interface has a routing table for what leaves from its addresses: a further subflow goes
    to the server's first address by its own link, whatever the main table says.

    Args:
        interfaces: In the order of their links.
        version: 4 or 6; ``ip rule`` needs to be told the family, so each has its own batch.

    Raises:
        RefusalError: An address is none.
    """
    everywhere, flags = {4: ("0.0.0.0/0", []), 6: ("::/0", ["nodad"])}[version]
    for index, interface in enumerate(interfaces):
        device = ["dev", checked_name(interface["name"])]
        number = str(FIRST_TABLE + index)
        for address in _of_version(interface["addresses"], version):
            yield ["address", "add", str(address), *device, *flags]
            yield ["rule", "add", "from", str(address.ip), "table", number, "preference", number]
            yield ["route", "replace", str(address.network), *device, "table", number]
        for gateway in _of_version(interface["gateways"], version):
            via = ["route", "replace", everywhere, "via", str(gateway.ip), *device]
            yield [*via, "table", number]
            yield [*via, "metric", number]


def has_gateway(interfaces: Iterable[messages.Interface], version: int) -> bool:
    """Say whether a namespace with these interfaces has a default route in a family; PURE.

    It has none but those that were made: routers' advertisements are not listened to.
    """
    return any(_of_version(interface["gateways"], version) for interface in interfaces)


def mptcp_commands(arguments: messages.ConfigureArguments) -> Iterator[list[str]]:
    """Give the ip commands that set the path manager up; PURE.

    Raises:
        RefusalError: An address is none, or a limit cannot be.
    """
    limit = arguments["extra_subflows"]
    if not 0 <= limit <= MAX_EXTRA_SUBFLOWS:
        raise RefusalError("bad_arguments", f"{limit} extra subflows: 0 to {MAX_EXTRA_SUBFLOWS}")
    yield ["mptcp", "endpoint", "flush"]
    # never an address of a peer's without being told: ADD_ADDR makes us connect wherever it says
    accepted = arguments.get("accepted_addresses", 0)
    if not 0 <= accepted <= limit:
        raise RefusalError("bad_arguments", f"{accepted} addresses for {limit} extra subflows")
    yield ["mptcp", "limits", "set", "subflow", str(limit), "add_addr_accepted", str(accepted)]
    for endpoint in arguments["endpoints"]:
        address, device = _address(endpoint["address"]).ip, checked_name(endpoint["interface"])
        flags = endpoint.get("flags", ["subflow"])
        yield ["mptcp", "endpoint", "add", str(address), "dev", device, *flags]
    yield ["mptcp", "limits", "show"]
    yield ["mptcp", "endpoint", "show"]


def own_undo(
    before: Mapping[str, str], endpoints: Iterable[str], limits: str
) -> Iterator[list[str]]:
    """Give the commands that put a machine's own MPTCP back, the last to run first; PURE.

    Args:
        before: Its settings.
        endpoints: Lines of ``ip mptcp endpoint show``, whose words its ``add`` understands.
        limits: What ``ip mptcp limits show`` wrote.
    """
    yield from (["ip", "mptcp", "endpoint", "add", *line.split()] for line in endpoints)
    yield ["ip", "mptcp", "endpoint", "flush"]
    said = dict(re.findall(r"(add_addr_accepted|subflows) (\d+)", limits))
    words = [word for name, value in said.items() for word in (name, value)]
    yield ["ip", "mptcp", "limits", "set", *words]
    yield from (["sysctl", "-qw", f"{name}={value}"] for name, value in before.items())


def _of_version(texts: Iterable[str], version: int) -> list[IpInterface]:
    return [address for address in map(_address, texts) if address.version == version]


def _address(text: str) -> IpInterface:
    try:
        return ipaddress.ip_interface(text)
    except ValueError as error:
        raise RefusalError("bad_arguments", f"{text!r} is not an address") from error
