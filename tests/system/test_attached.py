"""A machine on (pretended) real networks: what it reaches, and who reaches it.

A site in network namespaces and machines of the real image under emulation; nothing leaves them.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from system.attached import PATIENCE_S, Attached, attached, eventually, runs
from system.pretend_site import (
    PLAIN_PORT,
    PORT,
    SERVER,
    SERVER6,
    Site,
    address,
    gateway,
    site,
)
from system.scanning import answering, refused_count, scanning, unlocked

pytestmark = pytest.mark.system

ANSWERING_PORT = 7777
MACHINE = 50
"""The machine's host number on the bridged networks."""
SLIRP_NIC, PASST_NIC, MACVTAP_NIC, BRIDGE_NIC, ROUTED_NIC = (f"eth{n}" for n in range(5))
ADDRESSES = {
    SLIRP_NIC: ["10.0.2.15/24", "fec0::15/64"],
    PASST_NIC: [address(0, 2), address(0, 2, 6)],  # passt gives the host's own
    MACVTAP_NIC: [address(0, MACHINE), address(0, MACHINE, 6)],
    BRIDGE_NIC: [address(2, MACHINE), address(2, MACHINE, 6)],
}
GATEWAYS = {
    SLIRP_NIC: ["10.0.2.2", "fec0::2"],
    PASST_NIC: [gateway(0), gateway(0, 6)],
    MACVTAP_NIC: [gateway(0), gateway(0, 6)],
    BRIDGE_NIC: [gateway(2), gateway(2, 6)],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A site, and a machine with its lab on it: user network, macvtap, bridge, routed."""

    site: Site
    machine: Attached
    addresses: dict[str, list[str]]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with site() as made:
        before = made.state()
        root = tmp_path_factory.mktemp("attached")
        with attached(made, root, bridged=("eth0", "br0"), routed=("eth1",)) as machine:
            assert "error" not in machine.first, machine.first
            routed = machine.first["attached"][2]
            addresses = {**ADDRESSES, ROUTED_NIC: routed["addresses"]}
            gateways = {**GATEWAYS, ROUTED_NIC: routed["gateways"]}
            interfaces = [
                {"name": nic, "addresses": addresses[nic], "gateways": gateways[nic]}
                for nic in addresses
            ]
            firewall = {
                "servers": [SERVER, SERVER6],
                "resolvers": [gateway(0)],
                "time_servers": [],
            }
            machine.call(
                "lab_up", {"namespace": "lab", "interfaces": interfaces, "firewall": firewall}
            )
            yield Up(site=made, machine=machine, addresses=addresses)
        assert not runs(machine.first["qemu_pid"])
        assert made.state() == before
        assert list(root.rglob("attached")) == []


def examine(up: Up, nic: str, server: str, port: int, *, look: bool) -> dict[str, Any]:
    return up.machine.ask(
        "examine", interface=nic, addresses=up.addresses[nic], server=[server, port], look=look
    )


@pytest.mark.parametrize("look", [False, True], ids=["from within", "with the uplink in view"])
@pytest.mark.parametrize("server", [SERVER, SERVER6])
@pytest.mark.parametrize("nic", [SLIRP_NIC, PASST_NIC], ids=["slirp", "passt"])
def test_a_user_mode_network_is_refused_with_the_way_out(
    up: Up,
    nic: str,
    server: str,
    look: bool,  # noqa: FBT001
) -> None:
    answer = examine(up, nic, server, PORT, look=look)

    assert answer["exit_code"] == 3
    assert "user-mode network" in answer["error"]
    assert ("another SYN" in answer["error"]) is look
    assert "bridge" in answer["hint"]


@pytest.mark.parametrize("server", [SERVER, SERVER6])
@pytest.mark.parametrize("nic", [MACVTAP_NIC, BRIDGE_NIC, ROUTED_NIC])
def test_multipath_tcp_passes_a_bridge_a_macvtap_and_the_kernels_routing(
    up: Up, nic: str, server: str
) -> None:
    result = examine(up, nic, server, PORT, look=False)["result"]

    assert result == {"ending": "passes", "reason": "the server answered with MP_CAPABLE"}


@pytest.mark.parametrize("nic", [MACVTAP_NIC, ROUTED_NIC])
def test_a_server_without_multipath_tcp_is_no_reason_to_refuse(up: Up, nic: str) -> None:
    within = examine(up, nic, SERVER, PLAIN_PORT, look=False)["result"]
    looked = examine(up, nic, SERVER, PLAIN_PORT, look=True)["result"]

    assert within["ending"] == looked["ending"] == "passes"
    assert "first hop is a router" in within["reason"]
    assert looked["reason"] == "this computer sent the machine's SYN on as it was"


def test_qemu_stays_in_its_sandbox_with_taps_and_open_files(up: Up) -> None:
    status = Path(f"/proc/{up.machine.first['qemu_pid']}/status").read_text()

    assert "Seccomp:\t2\n" in status  # SECCOMP_MODE_FILTER
    assert up.machine.first["attached"][0]["descriptor"] is not None


def test_the_bridge_keeps_its_address(up: Up) -> None:
    ports = up.site.run(up.site.host, "ip", "-o", "link", "show", "master", "br0").splitlines()
    own = up.site.run(up.site.host, "cat", "/sys/class/net/br0/address")

    assert len(ports) == 2
    assert own == "f2:00:00:00:00:01\n"


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("nic", "link"), [(MACVTAP_NIC, "lan0"), (BRIDGE_NIC, "lan2")])
def test_a_neighbour_finds_the_machine_that_has_not_spoken_first(
    up: Up, nic: str, link: str, version: int
) -> None:
    """By ARP's broadcast; with IPv6 by a group that nobody but the machine's kernel joined."""
    target = up.addresses[nic][version == 6].partition("/")[0]

    def neighbours(*words: str) -> str:
        return up.site.run(up.site.router, "ip", f"-{version}", "neigh", *words, "dev", link)

    neighbours("flush")
    assert target not in neighbours("show")

    def found() -> bool:
        connect(up.site, up.site.router, target, 9, patience_s=1)
        return "lladdr" in neighbours("show", target)

    assert eventually(found)


@pytest.mark.parametrize(
    ("kind", "version", "last_port"),
    [
        ("tcp", 4, 65535),
        ("tcp", 6, 65535),
        ("udp", 4, 1024),
        ("udp", 6, 1024),
        pytest.param("udp", 4, 65535, marks=pytest.mark.slow),
        pytest.param("udp", 6, 65535, marks=pytest.mark.slow),
    ],
)
def test_a_scan_of_all_ports_finds_none_and_would_find_one(
    up: Up, kind: str, version: int, last_port: int
) -> None:
    target = own_address(up, version)
    before = refused_count(up.machine)
    with (
        answering(up.machine, target, ANSWERING_PORT),
        scanning(up.site, up.machine, kind, target) as scan,
    ):
        ports = range(1, last_port + 1)
        found = scan.probe_until_all_arrived({*ports, ANSWERING_PORT})

        assert found == {"open": [], "closed": []}
        assert refused_count(up.machine) - before >= last_port

        # the same scanner on the same way finds what was there all the time, and its answer is
        # behind any of an earlier probe: nothing was only late
        with unlocked(up.machine, ANSWERING_PORT):
            assert eventually(lambda: scan.probe([ANSWERING_PORT])["open"] != [])
            assert scan.probe([]) == {"open": [ANSWERING_PORT], "closed": []}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_the_scanner_tells_open_from_closed_where_there_is_no_firewall(
    up: Up, kind: str, version: int
) -> None:
    ports = range(ANSWERING_PORT - 50, ANSWERING_PORT + 50)
    target = own_address(up, version)
    with (
        answering(up.machine, target, ANSWERING_PORT),
        scanning(up.site, up.machine, kind, target) as scan,
        unlocked(up.machine),
    ):
        # "port unreachable" would come once in a second
        unlimited = "net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"
        up.machine.run(f"ip netns exec lab sysctl -w {unlimited}")
        found = scan.probe(ports)

        def complete() -> bool:
            # it comes fifty times in a row at most
            found.update(scan.probe({*ports} - {*found["open"], *found["closed"]}))
            return len(found["open"] + found["closed"]) == len(ports)

        assert eventually(complete)

    assert found["open"] == [ANSWERING_PORT]
    assert found["closed"] == [p for p in ports if p != ANSWERING_PORT]


def test_a_capture_holds_the_exchange_and_nothing_of_the_neighbours(up: Up) -> None:
    expression = f"tcp and (host {SERVER} or host {SERVER6})"
    up.machine.call("capture_start", {"interfaces": [MACVTAP_NIC], "filter": expression})
    with scanning(up.site, up.machine, "tcp", own_address(up, 4)) as scan:
        scan.probe_until_all_arrived(range(1, 501))
    fetched = up.machine.run(client(SERVER, PORT, patience_s=PATIENCE_S))
    stopped = up.machine.call("capture_stop", {})["captures"][0]

    assert fetched.strip() == "hello"
    assert stopped["problem"] is None
    # one small connection: its handshake, its data, its end
    # (of the neighbour's 500 probes and their answers there would be hundreds)
    assert 5 <= stopped["packet_count"] <= 100


@pytest.mark.parametrize("version", [4, 6])
def test_the_server_may_open_connections_to_clients_ports_and_nobody_else(
    up: Up, version: int
) -> None:
    target = own_address(up, version)
    with answering(up.machine, target, 40000):
        from_server = connect(up.site, up.site.server, target, 40000, patience_s=PATIENCE_S)
        from_neighbour = connect(up.site, up.site.router, target, 40000)

    assert from_server == "open"
    assert from_neighbour == "silent"


def test_the_machine_reaches_the_servers_and_the_resolvers_port_only(up: Up) -> None:
    serve = ["import socket,sys", "u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)"]
    serve += [
        f"u.bind(('{gateway(0)}',53)); u.settimeout({PATIENCE_S})",
        "t=socket.create_server(('0.0.0.0',4242))",
    ]
    serve += ["print('up',flush=True)", "print(u.recv(99).decode(),flush=True)"]
    command = ["ip", "netns", "exec", up.site.router, sys.executable, "-c", "; ".join(serve)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as neighbour:
        try:
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "up\n"
            reached = up.machine.run(f"{client(gateway(0), 4242)} 2>&1 || true")
            up.machine.run(datagram(gateway(0), 53))
            query = neighbour.stdout.readline()
        finally:
            neighbour.kill()

    assert "hello" not in reached
    assert "timed out" in reached or "not permitted" in reached
    assert query == "query\n"


def own_address(up: Up, version: int) -> str:
    """Return the machine's address on the macvtap."""
    return up.addresses[MACVTAP_NIC][version == 6].partition("/")[0]


def inside(code: str) -> str:
    return f'ip netns exec lab python3 -c "{code}"'


def client(host: str, port: int, patience_s: int = 5) -> str:
    """Return the command that reads from a server over the macvtap."""
    source = ADDRESSES[MACVTAP_NIC][0].partition("/")[0]
    opened = f"socket.create_connection(('{host}', {port}), {patience_s}, ('{source}', 0))"
    return inside(f"import socket; print({opened}.recv(9).decode())")


def datagram(host: str, port: int) -> str:
    """Return the command that sends a datagram over the macvtap."""
    source = ADDRESSES[MACVTAP_NIC][0].partition("/")[0]
    made = "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    return inside(
        f"import socket; {made}; u.bind(('{source}', 0)); u.sendto(b'query', ('{host}', {port}))"
    )


def connect(made: Site, namespace: str, host: str, port: int, patience_s: int = 3) -> str:
    code = (
        "import socket, sys\n"
        "try:\n"
        f"    socket.create_connection(({host!r}, {port}), {patience_s}); print('open')\n"
        "except OSError as error:\n"
        "    print('silent' if isinstance(error, TimeoutError) else error.strerror)\n"
    )
    return made.run(namespace, sys.executable, "-c", code).strip()
