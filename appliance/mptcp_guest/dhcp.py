"""An IPv4 address from the network, by the DHCP client that the machine has.

busybox's udhcpc comes first: it has no configuration that could get in, writes nothing but what
its script writes, and gives the lease back when it ends.  The script only notes what was offered;
addresses and routes are set as those that a user gives are.
"""

import ipaddress
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LEASE_S = 20.0
"""How long a network may take: dnsmasq alone probes an address for 3 s before it offers it."""

SCRIPT = """\
#!/bin/sh
# called by the DHCP client; writes what it was offered, changes nothing
case "${{reason:-$1}}" in
bound | renew | BOUND | RENEW | REBIND | REBOOT) env >'{lease}.new' && mv '{lease}.new' '{lease}' ;;
esac
"""
_ADDRESS = ("ip", "new_ip_address")
_MASK = ("subnet", "new_subnet_mask")
_ROUTERS = ("router", "new_routers")
"""udhcpc's and dhclient's names for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What the network gave."""

    address: str
    """With prefix length."""
    gateway: str
    """Empty when there is none."""


def _udhcpc(interface: str, directory: Path, script: Path) -> list[str]:
    del directory
    return ["-f", "-R", "-t", "20", "-T", "1", "-A", "1", "-i", interface, "-s", str(script)]


def _dhclient(interface: str, directory: Path, script: Path) -> list[str]:
    own = [f"{directory}/{interface}.dhclient.{kind}" for kind in ("leases", "pid")]
    files = ["-lf", own[0], "-pf", own[1], "-cf", "/dev/null"]
    return ["-4", "-d", "-1", *files, "-sf", str(script), interface]


CLIENTS: Mapping[tuple[str, ...], Callable[[str, Path, Path], list[str]]] = {
    ("udhcpc",): _udhcpc,
    ("busybox", "udhcpc"): _udhcpc,
    ("dhclient",): _dhclient,
}
"""In the order in which they are looked for."""


def command(interface: str, directory: Path, script: Path, path: str) -> list[str] | None:
    """Return how the first client that is there asks for one interface; none when none is.

    Args:
        interface: In the namespace, up.
        directory: For the client's own files.
        script: From `SCRIPT`.
        path: Where programs are.
    """
    for program, arguments in CLIENTS.items():
        if shutil.which(program[0], path=path) is not None:
            return [*program, *arguments(interface, directory, script)]
    return None


def parse_lease(text: str) -> Lease | None:
    """Return the lease that a script's environment tells of, or none; PURE."""
    lines = (line.partition("=") for line in text.splitlines())
    said = {name: value.strip() for name, _, value in lines}
    address, mask, routers = (
        next((said[name] for name in names if said.get(name)), "")
        for names in (_ADDRESS, _MASK, _ROUTERS)
    )
    try:
        interface = ipaddress.IPv4Interface(f"{address}/{mask}" if mask else address)
        gateway = str(ipaddress.IPv4Address(routers.split()[0])) if routers else ""
    except ValueError:
        return None
    return Lease(address=interface.with_prefixlen, gateway=gateway)
