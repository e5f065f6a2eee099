"""Two network namespaces with two interfaces each, and a third that holds the middle of the wires.

The addresses are those of the embedded network, so that captures of the quick lab and of a real
run look alike.  Names carry the process id: what a killed predecessor left is found and removed.
"""

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.machines.namespace import entered
from mptcp_check.model import Side

PREFIX = "mptcplab"
LINKS = (0, 1)
SERVER_IPV4 = "10.77.0.2"
SERVER_IPV6 = "fd77:0::2"

_OFFLOADS = ("tx", "sg", "tso", "gso", "gro")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """Names as ``ip netns`` lists them."""

    client: str
    server: str
    wire: str
    """Holds interfaces ``cN`` and ``sN``, the peers of ``ethN`` of client and server."""

    def of(self, side: Side) -> str:
        return self.client if side is Side.CLIENT else self.server


@contextlib.contextmanager
def namespaces(*, checksum: bool, paths: int) -> Iterator[Namespaces]:
    """Make the three namespaces with addresses, routes and MPTCP settings; remove them after."""
    remove_remains()
    stem = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
    made = Namespaces(client=f"{stem}-client", server=f"{stem}-server", wire=f"{stem}-wire")
    names = (made.wire, made.client, made.server)
    try:
        for name in names:
            _ip("netns", "add", name)
        _settings(made, checksum=checksum)
        _links(made)
        _addresses(made)
        _endpoints(made, paths=paths)
        yield made
    finally:
        for name in names:
            _remove(name)


def remove_remains() -> None:
    """Remove namespaces of this lab whose process is gone, and what still runs in them."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        prefix, _, rest = name.partition("-")
        owner = rest.partition("-")[0]
        if prefix == PREFIX and owner.isdigit() and not Path("/proc", owner).exists():
            _remove(name)


def _remove(name: str) -> None:
    if not Path("/run/netns", name).exists():
        return
    for process in _ip("netns", "pids", name).split():  # ours: nobody else enters these names
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
    _ip("netns", "del", name)


def _settings(made: Namespaces, *, checksum: bool) -> None:
    quiet = {"net/ipv6/conf/all/disable_ipv6": 1, "net/ipv6/conf/default/disable_ipv6": 1}
    host = {
        "net/ipv4/conf/all/rp_filter": 0,
        "net/ipv4/conf/default/rp_filter": 0,
        "net/ipv4/conf/all/arp_ignore": 1,
        "net/ipv4/conf/all/arp_announce": 2,
        "net/ipv6/conf/default/accept_dad": 0,
        "net/ipv6/conf/default/router_solicitations": 0,
        "net/mptcp/enabled": 1,
        "net/mptcp/checksum_enabled": int(checksum),
        # One dropped SYN would switch Multipath TCP off for an hour.
        "net/mptcp/blackhole_timeout": 0,
        "net/mptcp/close_timeout": 2,
    }
    for name, values in ((made.wire, quiet), (made.client, host), (made.server, host)):
        with entered(name):
            for key, value in values.items():
                Path("/proc/sys", key).write_text(f"{value}\n")


def _links(made: Namespaces) -> None:
    """Join the namespaces by veth pairs, every offload off."""
    _batch(
        made.wire,
        *(
            f"link add {side[0]}{link} type veth peer name eth{link} netns {name}"
            for link in LINKS
            for side, name in (("client", made.client), ("server", made.server))
        ),
        *(f"link set {side}{link} up" for link in LINKS for side in "cs"),
    )
    for name in (made.client, made.server):
        _batch(name, "link set lo up", *(f"link set eth{link} up" for link in LINKS))
    off = [word for offload in _OFFLOADS for word in (offload, "off")]
    interfaces = {
        made.wire: [f"{side}{link}" for link in LINKS for side in "cs"],
        made.client: [f"eth{link}" for link in LINKS],
        made.server: [f"eth{link}" for link in LINKS],
    }
    for name, devices in interfaces.items():
        for device in devices:
            subprocess.run(
                ["ip", "netns", "exec", name, "ethtool", "-K", device, *off],
                check=True,
                capture_output=True,
            )


def _addresses(made: Namespaces) -> None:
    for name, hosts in ((made.client, (1,)), (made.server, (2, 3))):
        _batch(
            name,
            *(
                line
                for link in LINKS
                for host in (hosts if link == 0 else hosts[:1])
                for line in (
                    f"addr add 10.77.{link}.{host}/24 dev eth{link}",
                    f"-6 addr add fd77:{link}::{host}/64 dev eth{link} nodad",
                )
            ),
        )
    # The second interface reaches the server's first address over its own link.
    _batch(
        made.client,
        "rule add from 10.77.1.1 lookup 101 pref 101",
        "route add 10.77.1.0/24 dev eth1 src 10.77.1.1 table 101",
        "route add default via 10.77.1.2 dev eth1 table 101",
        "-6 rule add from fd77:1::1 lookup 101 pref 101",
        "-6 route add fd77:1::/64 dev eth1 table 101",
        "-6 route add default via fd77:1::2 dev eth1 table 101",
    )


def _endpoints(made: Namespaces, *, paths: int) -> None:
    _batch(made.server, "mptcp limits set subflow 4 add_addr_accepted 0")
    _batch(made.client, "mptcp limits set subflow 4 add_addr_accepted 0")
    if paths > 1:
        _batch(
            made.client,
            "mptcp endpoint add 10.77.1.1 dev eth1 subflow",
            "mptcp endpoint add fd77:1::1 dev eth1 subflow",
        )


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def _batch(namespace: str, *lines: str) -> None:
    # Not "ip -batch": options of the command ("-6") stand before the object there as well.
    for line in lines:
        _ip("-n", namespace, *line.split())
