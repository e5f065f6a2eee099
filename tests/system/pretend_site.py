"""A pretend computer with networks, a router and a server with real MPTCP, in namespaces.

host   eth0 ─┐                         host: eth0 and eth1 as Ethernet, br0 with a port
       eth1 ─┼─ router ─── server      router: 10.9.N.1, fd09:N::1
       br0  ─┘                         server: 198.51.100.10, fd99::10
"""

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

SERVER = "198.51.100.10"
SERVER6 = "fd99::10"
PORT = 8080
"""Multipath TCP."""
PLAIN_PORT = 8081
"""Plain TCP."""
MPTCP = 262
"""IPPROTO_MPTCP."""
FLAGS = {4: "", 6: "nodad"}
ADDRESSED = {"port": "address f2:00:00:00:00:01"}
"""A card whose address is higher than most: that of its bridge is the first to give way."""

_sites = itertools.count()

LISTEN = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_STREAM, int(sys.argv[2])) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", int(sys.argv[1])))
    listener.listen(64)
    print("listening", flush=True)
    while True:
        connection = listener.accept()[0]
        connection.sendall(b"hello")
        connection.close()
"""


def gateway(link: int, version: int = 4) -> str:
    return f"10.9.{link}.1" if version == 4 else f"fd09:{link}::1"


def address(link: int, host: int, version: int = 4) -> str:
    """An address on a link's network, with its prefix length."""
    return f"10.9.{link}.{host}/24" if version == 4 else f"fd09:{link}::{host:x}/64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    host: str
    router: str
    server: str

    def run(self, namespace: str, *command: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run a command that has to succeed, or end with another allowed exit code."""
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, *command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in allowed, f"{command}: {done.stderr}"
        return done.stdout

    def state(self) -> str:
        """All of the host's network that a run may change, as text to compare."""
        commands = (
            ["ip", "-o", "link"],
            ["ip", "rule"],
            ["ip", "-6", "rule"],
            ["ip", "route", "show", "table", "all"],
            ["nft", "list", "ruleset"],
            ["sysctl", "-a", "-r", r"net.ipv[46].conf.*(forwarding|rp_filter|accept_ra)"],
        )
        said = "\n".join(self.run(self.host, *command) for command in commands)
        # the kernel's own addresses come a second after their interfaces
        return "\n".join(line for line in said.splitlines() if "proto kernel" not in line)


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Build the site; nothing of it is left afterwards."""
    stem = f"mca{os.getpid()}{'abcdefghij'[next(_sites) % 10]}"
    made = Site(host=f"{stem}h", router=f"{stem}r", server=f"{stem}s")
    namespaces = (made.host, made.router, made.server)
    try:
        for namespace in namespaces:
            subprocess.run(["ip", "netns", "add", namespace], check=True)
        _wire(made)
        forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        made.run(made.router, "sysctl", "-qw", *forwarding)
        made.run(made.server, "sysctl", "-qw", "net.mptcp.enabled=1")
        with _listening(made.server, PORT, MPTCP), _listening(made.server, PLAIN_PORT, 0):
            yield made
    finally:
        for namespace in namespaces:
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def _wire(made: Site) -> None:
    def ip(namespace: str, *lines: str) -> None:
        text = "\n".join((*lines, ""))
        subprocess.run(["ip", "-n", namespace, "-batch", "-"], input=text, text=True, check=True)

    ip(made.host, "link set lo up", "link add br0 type bridge forward_delay 0 mcast_snooping 0")
    for link, (port, name) in enumerate((("eth0", "eth0"), ("eth1", "eth1"), ("port", "br0"))):
        joined = [f"link set dev {port} master br0"] if port != name else []
        ip(
            made.host,
            f"link add {port} {ADDRESSED.get(port, '')} type veth "
            f"peer name lan{link} netns {made.router}",
            *joined,
            *(f"address add {address(link, 2, v)} dev {name} {FLAGS[v]}" for v in (4, 6)),
            f"link set dev {port} up",
            f"link set dev {name} up",
        )
        ip(
            made.router,
            *(f"address add {address(link, 1, v)} dev lan{link} {FLAGS[v]}" for v in (4, 6)),
            f"link set lan{link} up",
        )
        for version in (4, 6):
            way = f"default via {gateway(link, version)} dev {name} metric {100 + link}"
            subprocess.run(
                ["ip", "-n", made.host, f"-{version}", "route", "add", *way.split()], check=True
            )
    ip(
        made.router,
        f"link add wan type veth peer name eth0 netns {made.server}",
        "address add 198.51.100.1/24 dev wan",
        "address add fd99::1/64 dev wan nodad",
        "link set wan up",
    )
    ip(
        made.server,
        f"address add {SERVER}/24 dev eth0",
        f"address add {SERVER6}/64 dev eth0 nodad",
        "link set lo up",
        "link set eth0 up",
        "route add default via 198.51.100.1",
        "route add default via fd99::1",
    )


@contextlib.contextmanager
def _listening(namespace: str, port: int, protocol: int) -> Iterator[None]:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", LISTEN]
    command += [str(port), str(protocol)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"listening\n"
            yield
        finally:
            server.kill()
