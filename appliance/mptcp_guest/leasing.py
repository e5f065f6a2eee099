"""Addresses from the network for the lab's interfaces, and their return at its end."""

import ipaddress
from pathlib import Path
from subprocess import Popen

from mptcp_guest import dhcp, messages
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

    def lease(
        self, interfaces: list[messages.Interface], until: Deadline
    ) -> list[messages.Interface]:
        """Return the interfaces with what the network gave them.

        A second card on a network that gives one address only is left out, with a note.

        Raises:
            RefusalError: A network gives none, or there is no DHCP client.
        """
        self.notes.clear()
        wanted = [i["name"] for i in interfaces if i.get("dhcp")]
        for name in wanted:
            self._ask(name)
        leases: dict[str, dhcp.Lease | None] = {}

        def all_there() -> bool:
            leases.update({name: self._read(name) for name in wanted})
            return all(leases.values())

        self._lab.stop.wait_until(all_there, until.earlier(dhcp.LEASE_S))
        served = {parent_of(i) for i in interfaces if leases.get(i["name"])}
        given = []
        for interface in interfaces:
            name, parent = interface["name"], parent_of(interface)
            lease = leases.get(name)
            if name in wanted and lease is None:
                if parent not in served:
                    raise RefusalError(
                        "failed", f"{parent}: no DHCP server gave an address in {dhcp.LEASE_S:g} s"
                    )
                self.notes.append(f"{parent} gave one address and no second one")
                self._lab.succeed(self._lab.ip("link", "del", "dev", name), until)
                continue
            given.append(interface if lease is None else _with(interface, lease))
        return given

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


def _with(interface: messages.Interface, lease: dhcp.Lease) -> messages.Interface:
    fixed = [a for a in interface["addresses"] if ipaddress.ip_interface(a).version != 4]  # noqa: PLR2004
    hops = [g for g in interface["gateways"] if ipaddress.ip_address(g).version != 4]  # noqa: PLR2004
    return {
        **interface,
        "addresses": [lease.address, *fixed],
        "gateways": [*([lease.gateway] if lease.gateway else []), *hops],
    }
