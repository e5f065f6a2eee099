"""A machine on (pretended) real networks: what it reaches, who reaches it, and how it ends.

A site in network namespaces and machines of the real image under emulation; nothing leaves them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mptcp_check import clock
from mptcp_check.machines import workspace
from system.attached import Attached, attached
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

PATIENCE_S = 60
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


def eventually(condition: Callable[[], bool]) -> bool:
    end_ns = clock.monotonic_ns() + PATIENCE_S * 10**9
    while not condition():
        if clock.monotonic_ns() > end_ns:
            return False
        time.sleep(0.05)
    return True


def runs(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


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
        ("tcp", 6, 8192),
        ("udp", 4, 1024),
        ("udp", 6, 1024),
        pytest.param("tcp", 6, 65535, marks=pytest.mark.slow),
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
    fetched = up.machine.run(client(SERVER, PORT))
    stopped = up.machine.call("capture_stop", {})["captures"][0]

    assert fetched.strip() == "hello"
    assert stopped["problem"] is None
    # one small connection: its handshake, its data, its end
    assert 5 <= stopped["packet_count"] <= 20


@pytest.mark.parametrize("version", [4, 6])
def test_the_server_may_open_connections_to_clients_ports_and_nobody_else(
    up: Up, version: int
) -> None:
    target = own_address(up, version)
    with answering(up.machine, target, 40000):
        from_server = connect(up.site, up.site.server, target, 40000)
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


def test_an_interface_that_vanishes_in_mid_run_is_named(tmp_path: Path) -> None:
    with site() as made, attached(made, tmp_path, bridged=("eth0",), machine=False) as program:
        assert program.ask("check") == {"result": None}
        made.run(made.router, "ip", "link", "set", "dev", "lan0", "down")
        unplugged = program.ask("check")
        made.run(made.host, "ip", "link", "delete", "dev", "eth0")
        gone = program.ask("check")

    assert unplugged["error"] == "eth0 (veth) lost its link in mid-run"
    assert gone["error"] == "eth0 (veth) went away in mid-run"
    assert gone["exit_code"] == 4


def test_forwarding_of_kernels_before_6_17_is_put_back_too(tmp_path: Path) -> None:
    code = f"""
from dataclasses import replace
from pathlib import Path
from mptcp_check.machines import network
from mptcp_check.machines.bridging import host_facts, planning, taking_effect
facts = host_facts.read(network.list_interfaces())
older = {{k: v for k, v in facts.sysctls.items() if "force_forwarding" not in k}}
chosen = network.choose(facts.interfaces, ("eth0", "eth1"))
planned = planning.plan(chosen, replace(facts, sysctls=older), network=network.Network.ROUTED)
directory = Path({str(tmp_path)!r})
with taking_effect.set_up(planned, directory=directory, uid=0, say=lambda _: None):
    for name in ("all/forwarding", "eth0/accept_ra", "eth1/accept_ra"):
        print(Path("/proc/sys/net/ipv6/conf", name).read_text().strip())
"""
    environment = f"PYTHONPATH={os.pathsep.join(p for p in sys.path if p)}"
    with site() as made:
        before = made.state()
        said = made.run(made.host, "env", environment, sys.executable, "-c", code)

        assert said.split() == ["1", "2", "2"]
        assert made.state() == before


def test_kill_9_leaves_no_attachment_and_no_machine(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")  # short: a socket's path has 107 characters
    with site() as made:
        before = made.state()
        with attached(made, root, bridged=("eth0", "br0"), routed=("eth1",)) as program:
            pid = program.first["qemu_pid"]
            assert runs(pid)
            assert made.state() != before
            program.process.kill()
            program.process.wait()
            # keeper and steward do it, nobody else is there
            assert eventually(lambda: not runs(pid))
            assert eventually(lambda: made.state() == before)


def test_what_a_killed_steward_left_is_undone_by_the_next_start(tmp_path: Path) -> None:
    with site() as made:
        before = made.state()
        with attached(made, tmp_path, routed=("eth1",), machine=False) as program:
            stewards = subprocess.run(
                ["pgrep", "-f", f"steward.py {tmp_path}"],
                capture_output=True,
                text=True,
                check=True,
            )
            for pid in stewards.stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            program.process.kill()
            program.process.wait()
        assert made.state() != before
        code = (
            "from pathlib import Path; from mptcp_check.machines import workspace; "
            f"print(len(workspace.remove_remains(root=Path({str(tmp_path)!r}))))"
        )
        environment = f"PYTHONPATH={os.pathsep.join(p for p in sys.path if p)}"
        removed = made.run(made.host, "env", environment, sys.executable, "-c", code)

        assert removed == "1\n"
        assert made.state() == before
    assert workspace.remains(root=tmp_path) == ()


def test_a_second_machine_at_the_same_interface_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    with site() as made, attached(made, one, bridged=("eth0",), machine=False) as first:
        assert "error" not in first.first
        with attached(made, other, bridged=("eth0",), machine=False) as second:
            assert second.first["exit_code"] == 3
            assert "has a machine already" in second.first["error"]
        assert first.ask("check") == {"result": None}


@pytest.mark.slow
def test_a_machine_whose_host_hangs_powers_itself_off(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")  # short: a socket's path has 107 characters
    patience_s = 10
    with site() as made, attached(made, root, patience_s=patience_s) as program:
        pid = program.first["qemu_pid"]
        time.sleep(1.5 * patience_s)
        assert runs(pid)  # while the host gives signs of life
        program.process.send_signal(signal.SIGSTOP)
        try:
            assert eventually(lambda: not runs(pid))
        finally:
            program.process.send_signal(signal.SIGCONT)
            program.process.kill()


def own_address(up: Up, version: int) -> str:
    """Return the machine's address on the macvtap."""
    return up.addresses[MACVTAP_NIC][version == 6].partition("/")[0]


def inside(code: str) -> str:
    return f'ip netns exec lab python3 -c "{code}"'


def client(host: str, port: int) -> str:
    """Return the command that reads from a server over the macvtap."""
    source = ADDRESSES[MACVTAP_NIC][0].partition("/")[0]
    opened = f"socket.create_connection(('{host}', {port}), 5, ('{source}', 0))"
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
