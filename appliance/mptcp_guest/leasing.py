"""Addresses from the network for the lab's interfaces, and their return at its end.

IPv4 is asked for by DHCP; IPv6 is what routers advertise, where somebody wants it.
"""

import ipaddress
from pathlib import Path
from subprocess import Popen

from mptcp_guest import advertised, dhcp, messages, sysctls
from mptcp_guest.advertised import Advertised
from mptcp_guest.attaching import parent_of
from mptcp_guest.lab import ENVIRONMENT, Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline


class Leasing:
    """One DHCP client per interface that wants one, for as long as the lab stands."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._clients = list[Popen[bytes]]()
        self.notes: list[str] = []

    def listen(self, interfaces: list[messages.Interface]) -> None:
        """Let those interfaces hear routers that want IPv6 of them: before they are up."""
        wanted = [advertised.listening(name) for name in _hearing(interfaces)]
        self._lab.within(lambda: [sysctls.write(settings) for settings in wanted])

    def lease(
        self, interfaces: list[messages.Interface], until: Deadline
    ) -> list[messages.Interface]:
        """Return the interfaces, which are up, with what the network gave them.

        A second card on a network that gives one address only is left out, with a note.

        Raises:
            RefusalError: A network gives none, or there is no DHCP client.
        """
        self.notes.clear()
        wanted = [i["name"] for i in interfaces if i.get("dhcp")]
        for name in wanted:
            self._ask(name)
        leases: dict[str, dhcp.Lease | None] = {}
        hearing = _hearing(interfaces)
        heard: dict[str, Advertised | None] = {}
        heard_until = until.earlier(advertised.HEARD_S)

        def all_there() -> bool:
            leases.update({name: self._read(name) for name in wanted})
            heard.update(self._lab.within(lambda: advertised.read(hearing)) if hearing else {})
            return all(leases.values()) and (all(heard.values()) or not heard_until.left_s)

        self._lab.stop.wait_until(all_there, until.earlier(dhcp.LEASE_S))
        self._take_over(hearing, until)
        served = {parent_of(i) for i in interfaces if leases.get(i["name"])}
        given = []
        for interface in interfaces:
            name, parent = interface["name"], parent_of(interface)
            lease, six = leases.get(name), heard.get(name)
            if name in wanted and lease is None and six is None:
                if parent not in served:
                    raise RefusalError(
                        "failed", f"{parent}: no DHCP server gave an address in {dhcp.LEASE_S:g} s"
                    )
                self.notes.append(f"{parent} gave one address and no second one")
                self._lab.succeed(self._lab.ip("link", "del", "dev", name), until)
                continue
            if name in wanted and lease is None:
                self.notes.append(f"{parent} gave {name} an address of IPv6 and none of IPv4")
            given.append(_with(interface, lease, six))
        return given

    def _take_over(self, names: list[str], until: Deadline) -> None:
        """Forget what the kernel configured itself: what of it is used is given anew."""
        if names:
            silent = [advertised.deaf(name) for name in names]
            self._lab.within(lambda: [sysctls.write(settings) for settings in silent])
            self._lab.ip_batch(self._lab.ip("-6"), advertised.forgetting(names), until)

    def end(self) -> None:
        """Give the addresses back."""
        for client in self._clients:
            self._lab.end(client)
        self._clients.clear()

    def _ask(self, name: str) -> None:
        directory = self._lab.work_directory
        script = directory / f"{name}.dhcp"
        script.write_text(dhcp.SCRIPT.format(lease=self._lease_file(name)))
        script.chmod(0o755)
        command = dhcp.command(name, directory, script, ENVIRONMENT["PATH"])
        if command is None:
            raise RefusalError("failed", f"{name}: none of udhcpc, busybox, dhclient is installed")
        self._clients.append(self._lab.start(self._lab.inside(command)))

    def _read(self, name: str) -> dhcp.Lease | None:
        path = self._lease_file(name)
        return dhcp.parse_lease(path.read_text(errors="replace")) if path.exists() else None

    def _lease_file(self, name: str) -> Path:
        return self._lab.work_directory / f"{name}.lease"


def _hearing(interfaces: list[messages.Interface]) -> list[str]:
    return [i["name"] for i in interfaces if i.get("dhcp") and i.get("advertised")]


def _with(
    interface: messages.Interface, lease: dhcp.Lease | None, six: Advertised | None
) -> messages.Interface:
    """Return an interface with what it was given in place of what it had in that family."""
    addresses, hops = interface["addresses"], interface["gateways"]
    if lease is not None:
        addresses = [lease.address, *(a for a in addresses if not _is(a, 4))]
        hops = [*([lease.gateway] if lease.gateway else []), *(g for g in hops if not _is(g, 4))]
    if six is not None:
        addresses = [*(a for a in addresses if not _is(a, 6)), six.address]
        hops = [*(g for g in hops if not _is(g, 6)), six.gateway]
    return {**interface, "addresses": addresses, "gateways": hops}


def _is(text: str, version: int) -> bool:
    return ipaddress.ip_interface(text).version == version
