"""Scan the ports of a machine from a neighbour, and know that it has seen every probe.

A packet may be lost on the way into a busy machine, and a lost probe proves nothing.  So a table in
the machine's lab, in front of the firewall, notes the port of each probe that arrives; what is
missing is probed again.
"""

import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from system.attached import Attached
from system.pretend_site import Site

PROGRAM = Path(__file__).with_name("port_scan.py")
ROUNDS = 20
"""How often what has not arrived is probed again."""

NOTES = """
table inet scanned {
 set ports { type inet_service; size 65536; flags dynamic; }
 chain arriving {
  type filter hook prerouting priority -500;
  %(kind)s sport %(source_port)s add @ports { %(kind)s dport }
 }
}
"""

_source_ports = itertools.count(33333)
"""Each scanner has its own: a flow that an unlocked port answered is known to the firewall."""

ANSWER = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.create_server((address, port), family=family)
with socket.socket(family, socket.SOCK_DGRAM) as echo:
    echo.bind((address, port))
    print("up", flush=True)
    while True:
        said, sender = echo.recvfrom(2048)
        echo.sendto(said, sender)
"""
"""Answers SYNs by its backlog, and datagrams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scanner at work in a neighbour's namespace."""

    machine: Attached
    kind: str
    process: subprocess.Popen[str]

    def probe(self, ports: Collection[int]) -> dict[str, list[int]]:
        """Probe ports and return who has answered since the scanner started."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(sorted(ports)) + "\n")
        self.process.stdin.flush()
        found: dict[str, list[int]] = json.loads(self.process.stdout.readline())
        return found

    def probe_until_all_arrived(self, ports: Collection[int]) -> dict[str, list[int]]:
        """Probe ports until the machine has seen a probe of each."""
        missing = set(ports)
        for _ in range(ROUNDS):
            found = self.probe(missing)
            missing -= self.arrived()
            if not missing:
                return found
        raise AssertionError(f"the machine did not see {len(missing)} probes of {self.kind}")

    def arrived(self) -> set[int]:
        listed = nft(self.machine, "list set inet scanned ports")
        return set(next(e["set"] for e in listed if "set" in e).get("elem", ()))


@contextlib.contextmanager
def scanning(site: Site, machine: Attached, kind: str, target: str) -> Iterator[Scan]:
    """Start a scanner on the machine's network, and notes of what arrives in the machine."""
    source_port = next(_source_ports)
    notes = NOTES % {"kind": kind, "source_port": source_port}
    machine.run(f"ip netns exec lab nft -f - <<'END'\n{notes}\nEND")
    command = ["ip", "netns", "exec", site.router, sys.executable, str(PROGRAM)]
    command += [kind, target, str(source_port)]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Scan(machine=machine, kind=kind, process=process)
            finally:
                process.kill()
    finally:
        machine.run("ip netns exec lab nft delete table inet scanned")


@contextlib.contextmanager
def answering(machine: Attached, address: str, port: int) -> Iterator[None]:
    """Have a program in the machine's lab that answers on a port, TCP and UDP."""
    machine.run(f"cat >/run/answer.py <<'END'\n{ANSWER}\nEND")
    started = f"ip netns exec lab python3 /run/answer.py {address} {port}"
    machine.run(f"{started} >/run/answer 2>&1 </dev/null & echo $! >/run/answer.pid")
    machine.run(
        "until grep -q up /run/answer; do kill -0 $(cat /run/answer.pid) || exit; sleep 0.1; done"
    )
    try:
        yield
    finally:
        machine.run("kill $(cat /run/answer.pid)")


@contextlib.contextmanager
def unlocked(machine: Attached, port: int | None = None) -> Iterator[None]:
    """Open the firewall for one port, or take it away; afterwards it is as it was."""
    if port is None:
        machine.run("ip netns exec lab nft delete table inet mptcp_check")
    else:
        for chain, end in (("inbound", "dport"), ("outbound", "sport")):
            rule = f"meta l4proto {{ tcp, udp }} th {end} {port} accept"
            machine.run(f"ip netns exec lab nft 'insert rule inet mptcp_check {chain} {rule}'")
    try:
        yield
    finally:
        # a file is one transaction: there is no moment without the table
        machine.run(
            "cd /run/mptcp-check && "
            "(echo 'table inet mptcp_check {}; delete table inet mptcp_check'; cat firewall.nft) | "
            "ip netns exec lab nft -f -"
        )


def refused_count(machine: Attached) -> int:
    """Return how many packets the firewall has refused."""
    listed = nft(machine, "list chain inet mptcp_check inbound")
    rules = [entry["rule"] for entry in listed if "rule" in entry]
    return int(next(r["expr"][0]["counter"]["packets"] for r in rules if r.get("comment")))


def nft(machine: Attached, words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(machine.run(f"ip netns exec lab nft -j {words}"))[
        "nftables"
    ]
    return listed
