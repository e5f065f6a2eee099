"""The switch with real unix sockets; the tests play QEMU."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mptcp_check.errors import MachineError
from mptcp_check.machines.interruption import Interruption
from mptcp_check.machines.stream_framing import Deframer, framed
from mptcp_check.machines.stream_port import MAX_WAITING_BYTES, PortState
from mptcp_check.machines.switch import Switch
from mptcp_check.machines.wire_record import frame_digest
from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link, Parameters
from mptcp_check.model import Direction
from wire_frames import tcp_frame

DEADLINE_S = 120.0
CABLE = Parameters(rate_bps=10**12, delay_ns=0)


class Machine:
    """One network interface of a machine, as QEMU's stream netdev does it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._deframer = Deframer()
        self._frames: list[bytes] = []

    def send(self, *frames: bytes) -> None:
        self.send_raw(b"".join(map(framed, frames)))

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self, count: int) -> list[bytes]:
        while len(self._frames) < count:
            data = self._socket.recv(65_536)
            assert data, "the switch closed the port"
            self._frames += self._deframer.feed(data)
        taken, self._frames = self._frames[:count], self._frames[count:]
        return taken

    def wait_closed(self) -> None:
        assert self._socket.recv(1) == b""

    def close(self) -> None:
        self._socket.close()


class Network:
    """A running switch and the machines at its ports, by link and port."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.machines: dict[tuple[int, int], Machine] = {}

    def connect(self, link: int, port: int) -> Machine:
        machine = Machine(self.switch.socket_path(link, port))
        self.machines[link, port] = machine
        until(lambda: self.switch.status()[link][port].state is PortState.CONNECTED)
        return machine

    def connect_all(self, links: int = 1) -> list[tuple[Machine, Machine]]:
        return [(self.connect(link, 0), self.connect(link, 1)) for link in range(links)]


@contextlib.contextmanager
def network(directory: Path, *chains: Chain, captures: Path | None = None) -> Iterator[Network]:
    switch = Switch(chains or [Chain([])], directory=directory, capture_directory=captures)
    switch.start()
    running = Network(switch)
    try:
        yield running
    finally:
        for machine in running.machines.values():
            machine.close()
        with contextlib.suppress(MachineError):  # a test of a failing thread has asked already
            switch.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S  # noqa: TID251 - a hard end, no measurement
    while not condition():
        assert time.monotonic() < deadline, "waited too long"  # noqa: TID251 - the same
        time.sleep(0.001)


def test_frames_cross_both_ways_in_order_and_links_do_not_mix(tmp_path: Path) -> None:
    with network(tmp_path, Chain([]), Chain([])) as net:
        (client0, server0), (client1, server1) = net.connect_all(links=2)
        frames = [tcp_frame(sequence=n) for n in range(50)]

        client0.send(*frames)
        server0.send(*frames[::-1])
        client1.send(b"other link")

        assert server0.receive(50) == frames
        assert client0.receive(50) == frames[::-1]
        assert server1.receive(1) == [b"other link"]


def test_a_chain_stands_in_the_link_and_delays_by_the_clock(tmp_path: Path) -> None:
    link = Link(Parameters(rate_bps=8_000_000, delay_ns=30_000_000))
    with network(tmp_path, Chain([link])) as net:
        ((client, server),) = net.connect_all()
        started = time.monotonic()  # noqa: TID251 - a lower bound only: late is never wrong here
        client.send(b"x" * 100)
        server.receive(1)

        assert time.monotonic() - started >= 0.03  # noqa: TID251 - the same


def test_counts_are_those_of_each_port(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        ((client, server),) = net.connect_all()
        client.send(b"a" * 60, b"b" * 100)
        server.receive(2)

        ((at_client, at_server),) = net.switch.status()
        assert (at_client.received_count, at_client.received_bytes) == (2, 160)
        assert (at_client.sent_count, at_server.received_count) == (0, 0)
        assert (at_server.sent_count, at_server.sent_bytes) == (2, 160)


def test_frames_for_a_machine_that_is_not_there_are_dropped_and_counted(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        client = net.connect(0, 0)
        client.send(b"early")
        until(lambda: net.switch.status()[0][1].unplugged_dropped_count == 1)

        server = net.connect(0, 1)
        client.send(b"later")
        assert server.receive(1) == [b"later"]


def test_the_record_holds_what_crossed_each_port_since_it_was_started(tmp_path: Path) -> None:
    question, answer = tcp_frame(payload=b"q"), tcp_frame(payload=b"a", from_client=False)
    with network(tmp_path) as net:
        ((client, server),) = net.connect_all()
        client.send(tcp_frame(payload=b"before"))
        server.receive(1)
        assert net.switch.wire_frames(0, 0) == ()

        net.switch.record()
        client.send(question)
        server.receive(1)
        server.send(answer, b"no tcp")
        client.receive(2)

        for port in (0, 1):
            recorded = net.switch.wire_frames(0, port)
            assert [(f.digest, f.direction) for f in recorded] == [
                (frame_digest(question), Direction.C2S),
                (frame_digest(answer), Direction.S2C),
            ]
        net.switch.stop()
        assert len(net.switch.wire_frames(0, 1)) == 2  # also when all is over


def test_a_frozen_switch_delivers_nothing_and_counts_on(tmp_path: Path) -> None:
    slow = Link(Parameters(rate_bps=10**9, delay_ns=60 * 10**9))
    with network(tmp_path, Chain([]), Chain([slow])) as net:
        (client, server), (waiting, _) = net.connect_all(links=2)
        net.switch.record()
        waiting.send(tcp_frame())
        until(lambda: net.switch.status()[1][0].received_count == 1)

        net.switch.freeze()
        client.send(tcp_frame())
        until(lambda: net.switch.status()[0][0].received_count == 1)

        ((_, at_server), (_, at_other_server)) = net.switch.status()
        assert at_server.sent_count == at_other_server.sent_count == 0
        assert len(net.switch.wire_frames(0, 0)) == 1
        assert net.switch.wire_frames(0, 1) == ()
        server._socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.receive(1)


def test_a_slow_reader_loses_frames_and_holds_up_nobody(tmp_path: Path) -> None:
    with network(tmp_path, Chain([]), Chain([])) as net:
        (client0, _), (client1, server1) = net.connect_all(links=2)
        frame = bytes(60_000)
        for _ in range(2 * MAX_WAITING_BYTES // len(frame)):
            client0.send(frame)
        until(lambda: net.switch.status()[0][1].queue_dropped_count > 0)

        client1.send(b"still quick")

        assert server1.receive(1) == [b"still quick"]
        port = net.switch._ports[0][1]
        assert len(port._waiting) <= MAX_WAITING_BYTES + 4
        assert net.switch.lost() == ()


@pytest.mark.parametrize("length", [0, 70_000, 0xFFFFFFFF])
def test_a_hostile_length_closes_the_port_and_nothing_else(tmp_path: Path, length: int) -> None:
    with network(tmp_path, Chain([]), Chain([])) as net:
        (client0, _), (client1, server1) = net.connect_all(links=2)

        client0.send_raw(length.to_bytes(4, "big") + b"data")
        client0.wait_closed()

        (lost,) = net.switch.lost()
        assert lost.startswith(f"client machine, link 0: a frame of {length} bytes was announced")
        client1.send(b"x")
        assert server1.receive(1) == [b"x"]


def test_a_machine_that_goes_is_named_and_frames_for_it_are_dropped(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        ((client, server),) = net.connect_all()
        server.close()
        until(lambda: net.switch.lost() != ())

        assert net.switch.lost() == (
            "server machine, link 0: the machine closed its network interface",
        )
        client.send(b"x")
        until(lambda: net.switch.status()[0][1].unplugged_dropped_count == 1)


def test_a_port_takes_one_machine_and_leaves_no_file(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        net.connect(0, 0)

        with pytest.raises(FileNotFoundError):
            Machine(net.switch.socket_path(0, 0))
        assert [path.name for path in tmp_path.iterdir()] == ["link0-server"]
    assert list(tmp_path.iterdir()) == []


class Broken:
    """A behaviour with a bug."""

    acted_count = 0

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> list[Emission]:
        raise ZeroDivisionError(f"{len(frame)} {direction} {now_ns}")


def test_an_error_in_the_thread_reaches_the_owner(tmp_path: Path) -> None:
    with network(tmp_path, Chain([Broken()])) as net:
        client = net.connect(0, 0)
        client.send(b"x")
        until(lambda: not net.switch._forwarder._thread.is_alive())

        for call in (net.switch.check, net.switch.status, net.switch.freeze, net.switch.stop):
            with pytest.raises(MachineError, match="the switch failed: ZeroDivisionError"):
                call()


def test_stopping_twice_or_before_the_start_is_harmless(tmp_path: Path) -> None:
    switch = Switch([Chain([])], directory=tmp_path)
    switch.stop()
    switch.stop()
    assert list(tmp_path.iterdir()) == []

    other = Switch([Chain([])], directory=tmp_path)
    other.start()
    thread = other._forwarder._thread  # others of this process come and go
    assert thread in threading.enumerate()
    other.stop()
    other.stop()
    assert thread not in threading.enumerate()


def test_a_path_too_long_for_a_unix_socket_is_refused_with_the_way_out(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()

    with pytest.raises(MachineError, match="103 are possible") as raised:
        Switch([Chain([])], directory=deep)
    assert "TMPDIR" in raised.value.hint


def test_a_socket_that_exists_is_refused_and_the_others_are_removed(tmp_path: Path) -> None:
    (tmp_path / "link0-server").write_text("in the way")

    with pytest.raises(MachineError, match=r"link0-server: Address already in use"):
        Switch([Chain([])], directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["link0-server"]


def test_every_frame_can_be_captured_at_every_port(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    with network(tmp_path, captures=captures) as net:
        ((client, server),) = net.connect_all()
        client.send(tcp_frame(payload=b"one"), tcp_frame(payload=b"two"))
        server.receive(2)
        net.switch.stop()

    for name in ("link0-client.pcap", "link0-server.pcap"):
        command = ["tshark", "-r", str(captures / name), "-T", "fields", "-e", "tcp.payload"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.split() == [b"one".hex(), b"two".hex()]


def test_what_the_boxes_did_can_be_asked(tmp_path: Path) -> None:
    with network(tmp_path, Chain([Link(Parameters(rate_bps=8, queue_bytes=0))])) as net:
        ((client, _),) = net.connect_all()
        client.send(b"first", b"second", b"third")
        until(lambda: net.switch.status()[0][0].received_count == 3)

        assert net.switch.acted_counts() == ((2,),)


def test_an_interrupted_link_loses_its_frames_and_the_other_does_not(tmp_path: Path) -> None:
    frames = [tcp_frame(sequence=number) for number in range(4)]
    cables = [Chain([Link(CABLE)]) for _ in range(2)]
    with network(tmp_path, *cables) as net:
        (client0, server0), (client1, server1) = net.connect_all(links=2)
        interruption = Interruption(link=0, after_bytes=1, lasts_ns=3600 * 10**9)
        net.switch.interrupt(interruption)
        client0.send(*frames[:2])
        until(lambda: interruption.lost_count == 2)
        client1.send(frames[2])
        assert server1.receive(1) == [frames[2]]
        net.switch.interrupt(None)
        client0.send(frames[3])
        assert server0.receive(1) == [frames[3]]
