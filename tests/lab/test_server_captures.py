"""The measurement server with real kernels: whose packets are in whose capture."""

import contextlib
import errno
import random
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lab.captured_data import letters
from lab.server_network import (
    MPTCP,
    PORT,
    SERVER,
    ServerNetwork,
    await_condition,
    ip,
    server_network,
)
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.machines.namespace import entered
from mptcp_check.server import kernel_counters
from mptcp_check.session_client import remote_session
from mptcp_check.session_client.remote_session import RemoteSession
from segments import SYN, Segment

pytestmark = pytest.mark.lab

WAITING_FLOWS = 2000
WANTED_COUNT = 40


@pytest.fixture(scope="module")
def whole_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerNetwork]:
    flows = f"[capture]\nwaiting_flows = {WAITING_FLOWS}"
    with server_network(tmp_path_factory.mktemp("server"), flows) as made:
        yield made


@pytest.fixture
def network(whole_network: ServerNetwork) -> Iterator[ServerNetwork]:
    """Give the network with a server that runs, and leave no session behind."""
    with whole_network.for_a_test():
        yield whole_network


def begin(network: ServerNetwork, user: int, run_id: str) -> RemoteSession:
    session = network.session(user, run_id)
    with entered(network.namespace(f"user{user}")):
        session.start_capture()
    return session


def end(
    network: ServerNetwork, user: int, session: RemoteSession, folder: Path
) -> tuple[Capture, dict[str, object]]:
    path = folder / f"{session.id}.pcapng"
    with entered(network.namespace(f"user{user}")):
        session.stop_capture()
        said = session.fetch_capture(path)
        session.finish()
    capture = read(path.read_bytes())
    assert capture.problems == ()
    return capture, said


def test_users_behind_one_address_and_behind_a_proxy_get_their_own_packets(
    network: ServerNetwork, tmp_path: Path
) -> None:
    cases = [
        (1, b"A", {"protocol": MPTCP, "subflows": 2}),
        (2, b"B", {"protocol": MPTCP, "subflows": 2}),
        (1, b"C", {}),
        (2, b"D", {"protocol": MPTCP, "proxy": True}),
    ]
    sessions = [
        begin(network, user, f"run-of-user-{user}-{letter!r}"[:20].replace("'", "_"))
        for user, letter, _ in cases
    ]

    def exchange(user: int, first: str, letter: bytes, more: dict[str, object]) -> bytes:
        return network.exchange(user, first, letter, **more)  # type: ignore[arg-type]

    stranger = (1, "nobody's", b"Z", {"protocol": MPTCP, "subflows": 2})
    wanted = [
        (case[0], session.marker, *case[1:]) for case, session in zip(cases, sessions, strict=True)
    ]
    with ThreadPoolExecutor(5) as pool:
        asked = {one[2]: pool.submit(exchange, *one) for one in (*wanted, stranger)}
    answers = {letter: answer.result() for letter, answer in asked.items()}
    assert answers == {letter: letter * 200_000 for letter in (b"A", b"B", b"C", b"D", b"Z")}

    for (user, letter, more), session in zip(cases, sessions, strict=True):
        capture, said = end(network, user, session, tmp_path)
        assert said["complete"] is True
        seen, count = letters(capture, session.marker)
        assert seen == {letter}
        assert count == 2 * 200_000
        # Everyone comes from the translator's address: it tells nobody apart.
        assert {int(low) & 0xFFFF for low in capture.packets.src_low} == {1, 2}
        direct = more.get("protocol") == MPTCP and not more.get("proxy")
        assert said["mp_capable_count"] == int(direct)
        assert said["mp_join_count"] == int(direct)
        syns = capture.packets.flags & int(Flag.SYN | Flag.ACK) == int(Flag.SYN)
        assert np.count_nonzero(syns) >= 1 + int(direct)


def test_the_server_tells_address_clock_and_counters(network: ServerNetwork) -> None:
    with entered(network.namespace("user1")):
        seen = remote_session.seen_address(network.connection())
        assert seen.address == "10.9.0.1"
        offset = remote_session.clock_offset(network.connection(), time.time_ns)  # noqa: TID251 - a test
        assert offset is not None
        assert abs(offset.offset_ns) <= offset.error_ns + 10**6  # both are this computer's clock
    session = network.session(1, "run-of-counters")
    network.exchange(1, "count", b"n", protocol=MPTCP, size=1000)
    with entered(network.namespace("user1")):
        counters = session.counters()
        session.finish()
    assert counters["alone"] is True
    assert counters["mptcp"]["MPCapableSYNRX"] == 1


def test_a_capture_service_that_is_killed_comes_back_and_says_so(
    network: ServerNetwork, tmp_path: Path
) -> None:
    session = begin(network, 1, "run-with-a-crash")
    network.exchange(1, session.marker, b"k", size=50_000)
    # What is on its way is written within half a second; the crash may cost no more.
    path = network.state / "captures" / session.id / "capture.pcapng"

    def written() -> bool:
        return letters(read(path.read_bytes()), session.marker)[1] == 2 * 50_000

    await_condition(written, "the capture's first half is written")
    network.kill_captures()
    with entered(network.namespace("user1")):
        assert RemoteSession.create(network.connection(), "run-meanwhile").finish()
    network.await_ready()
    network.exchange(1, session.marker, b"k", size=50_000)
    capture, said = end(network, 1, session, tmp_path)
    assert len(said["interruptions"]) == 1  # type: ignore[arg-type]
    assert said["complete"] is False
    assert letters(capture, session.marker) == ({b"k"}, 4 * 50_000)


def test_an_upgrade_keeps_sessions_and_their_captures(
    network: ServerNetwork, tmp_path: Path
) -> None:
    session = begin(network, 2, "run-over-an-upgrade")
    network.exchange(2, session.marker, b"u", size=50_000)
    network.end()
    network.start()
    network.exchange(2, session.marker, b"u", size=50_000)
    capture, said = end(network, 2, session, tmp_path)
    assert len(said["interruptions"]) == 1  # type: ignore[arg-type]
    assert letters(capture, session.marker) == ({b"u"}, 4 * 50_000)


def counted(network: ServerNetwork, name: str) -> int:
    """Return one of the kernel's counters of Multipath TCP at the server."""
    with entered(network.namespace("server")):
        return kernel_counters.read()[name]


def test_the_server_goes_to_no_address_that_a_client_names(network: ServerNetwork) -> None:
    """A client that announces somebody else's address would have the server send there."""
    session = begin(network, 1, "run-that-announces")
    user, victim = network.namespace("user1"), "10.9.2.1"
    ip("-n", user, "addr", "add", f"{victim}/32", "dev", "lo")
    ip("-n", user, "mptcp", "endpoint", "add", victim, "id", "77", "signal")
    heard, opened = counted(network, "AddAddr"), counted(network, "MPJoinSynTx")
    try:
        network.exchange(1, session.marker, b"a", protocol=MPTCP)
        await_condition(lambda: counted(network, "AddAddr") > heard, "the announcement")
        network.exchange(1, session.marker, b"a", protocol=MPTCP)  # it had time to follow it
    finally:
        ip("-n", user, "mptcp", "endpoint", "delete", "id", "77")
        ip("-n", user, "addr", "del", f"{victim}/32", "dev", "lo")
    assert counted(network, "MPJoinSynTx") == opened


def test_a_flood_of_syns_costs_no_user_his_exchange_nor_the_server_its_memory(
    network: ServerNetwork, tmp_path: Path
) -> None:
    session = begin(network, 1, "run-in-a-flood")
    chance = random.Random(7)  # noqa: S311 - a flood is no secret
    syns = [
        Segment(
            source=(f"198.18.{n % 256}.{n // 256 + 1}", chance.randrange(1, 65536)),
            destination=(SERVER, PORT),
            seq=chance.randrange(2**32),
            flags=SYN,
        ).packet()
        for n in range(2 * WAITING_FLOWS)
    ]
    stop, sent = threading.Event(), [0]

    def flood() -> None:
        with entered(network.namespace("middle")):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with raw:
            while not stop.is_set():
                for packet in syns:
                    raw.sendto(packet, (SERVER, 0))
                sent[0] += len(syns)

    flooding = threading.Thread(target=flood)
    flooding.start()
    exchanges = 0
    try:
        while exchanges < 5 or sent[0] < 20_000:
            answer = network.exchange(1, session.marker, b"f", size=100_000)
            assert answer == b"f" * 100_000
            exchanges += 1
    finally:
        stop.set()
        flooding.join()
    capture, said = end(network, 1, session, tmp_path)
    seen, count = letters(capture, session.marker)
    assert seen == {b"f"}
    # Captures are what a flood may cost, and then the capture says so.
    assert said["complete"] is False
    assert int(str(said["shed_flow_count"])) > 0
    if not said["ring_dropped_count"]:
        assert count <= 2 * exchanges * 100_000
    rows = Path(f"/proc/{network.capture_pid()}/status").read_text().splitlines()
    memory_kib = next(int(row.split()[1]) for row in rows if row.startswith("VmRSS"))
    numbers = f"{sent[0]} SYNs, {exchanges} exchanges, {said['shed_flow_count']} shed"
    sys.stdout.write(f"{numbers}, {count} bytes captured, {memory_kib} KiB\n")
    assert memory_kib < 600 * 1024


def nft(network: ServerNetwork, rules: bytes) -> None:
    inside = ["ip", "netns", "exec", network.namespace("server")]
    subprocess.run([*inside, "nft", "-f", "-"], input=rules, check=True)


def dropped_count(network: ServerNetwork) -> int:
    """Return how many packets the cap of bytes has dropped."""
    inside = ["ip", "netns", "exec", network.namespace("server")]
    words = [*inside, "nft", "list", "chain", "inet", "mptcp_check_server", "answers"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True)
    return sum(map(int, re.findall(r"counter packets (\d+)", listed.stdout)))


def test_the_firewalls_rules_cap_connections_and_bytes_of_a_netblock(
    network: ServerNetwork,
) -> None:
    text = (network.folder / "server.toml").read_text()
    tight = network.folder / "tight.toml"
    caps = "[netblocks]\nservice_connections = 5\nservice_bytes_per_hour = 300000\n"
    tight.write_text(text + caps)
    words = network.command("firewall", "--config", str(tight))
    made = subprocess.run(words, check=True, capture_output=True)
    nft(network, made.stdout)
    try:
        with entered(network.namespace("user1")):
            held = [socket.create_connection((SERVER, PORT), timeout=60) for _ in range(5)]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((SERVER, PORT), timeout=60)
            # The interface has caps of its own.
            assert network.connection().ask("GET", "/v1/health")["status"] == "ok"
        for one in held:
            one.close()
        opened: list[socket.socket] = []

        def has_room() -> bool:
            # the kernel counts a closed connection until its last segments are through
            with entered(network.namespace("user2")), contextlib.suppress(ConnectionRefusedError):
                opened.append(socket.create_connection((SERVER, PORT), timeout=60))
            return bool(opened)

        await_condition(has_room, "who is in the same netblock has room again")
        with opened[0] as taking:
            taking.sendall(b"take 900000\n")
            left, got = memoryview(b"x" * 900_000), 0

            def cut() -> bool:
                nonlocal left, got
                reading, writing, _ = select.select([taking], [taking] if left else [], [], 0.1)
                if writing:
                    left = left[taking.send(left[:10_000]) :]
                if reading:
                    got += len(taking.recv(65536))
                return not reading and dropped_count(network) > 0

            await_condition(cut, "the cap of bytes cuts")
            taking.settimeout(3)
            with contextlib.suppress(TimeoutError):
                while got <= 300_000:
                    got += len(taking.recv(65536))
        assert got > 0
        assert got <= 300_000
    finally:
        nft(network, b"delete table inet mptcp_check_server\n")


def is_connected(connection: socket.socket) -> bool:
    """Say whether a connection that was begun is open; one that is refused fails the test."""
    if not select.select([], [connection], [], 0)[1]:
        return False
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    return True


def test_the_firewalls_rules_cap_new_connections_in_a_minute_and_spare_open_ones(
    network: ServerNetwork,
) -> None:
    tight = network.folder / "tight.toml"
    text = (network.folder / "server.toml").read_text()
    tight.write_text(text + "[netblocks]\nservice_connections_per_minute = 10\n")
    words = network.command("firewall", "--config", str(tight))
    nft(network, subprocess.run(words, check=True, capture_output=True).stdout)
    try:
        with contextlib.ExitStack() as stack, entered(network.namespace("user1")):
            wanted = [
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                for _ in range(WANTED_COUNT)
            ]
            for one in wanted:
                one.setblocking(False)  # noqa: FBT003 - its only argument
                assert one.connect_ex((SERVER, PORT)) == errno.EINPROGRESS

            def opened() -> list[socket.socket]:
                return [one for one in wanted if is_connected(one)]

            await_condition(lambda: len(opened()) >= 10, "ten connections are open")
            # one more each six seconds, when it asks again: all would take three minutes
            assert len(opened()) < WANTED_COUNT
            # the interface is not a service
            assert network.connection().ask("GET", "/v1/health")["status"] == "ok"
            first = opened()[0]
            first.settimeout(60)
            first.sendall(b"still 5\nhello")
            answer = b""
            while len(answer) < len(b"hello"):
                answer += first.recv(100)
            assert answer == b"hello"
    finally:
        nft(network, b"delete table inet mptcp_check_server\n")


def test_a_disk_that_is_full_ends_a_capture_whole_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path / "state")]
    subprocess.run(mount, check=True)
    try:
        with server_network(tmp_path, "[capture]\ndisk_free_min_bytes = 0") as network:
            session = begin(network, 1, "run-on-a-full-disk")
            network.exchange(1, session.marker, b"d", size=1_000_000)
            capture, said = end(network, 1, session, tmp_path)
            assert said["truncated"] == "disk_full"
            assert int(str(said["missed_packet_count"])) > 0
            seen, count = letters(capture, session.marker)
            assert seen <= {b"d"}
            assert 0 < count < 2_000_000
            # The server goes on: it can be asked, and ends sessions.
            with entered(network.namespace("user1")):
                assert network.connection().ask("GET", "/v1/health")["status"] == "ok"
    finally:
        subprocess.run(["umount", str(tmp_path / "state")], check=True)
