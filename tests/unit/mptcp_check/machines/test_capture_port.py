import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mptcp_check.errors import MachineError
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines import capture_port
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.capture_port import received
from mptcp_check.machines.guest import Guest, fetch
from mptcp_guest.messages import CaptureFile

CONTENT = bytes(range(256)) * 20_000


class Port:
    """QEMU's end of the port: gives whoever connects what the machine sends when it is asked."""

    def __init__(self, path: Path, answer: Callable[[], bytes]) -> None:
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        self.path = path
        self.answer = answer
        self.asked: list[Any] = []

    def serve(self, request: dict[str, Any]) -> bytes:
        """Do as the agent does: send, then answer."""
        self.asked.append(request["arguments"])
        connection, _ = self.listening.accept()
        sender = threading.Thread(target=self._send, args=(connection,), daemon=True)
        sender.start()
        return json.dumps({"id": request["id"], "ok": True, "result": {}}).encode() + b"\n"

    def _send(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self.answer())


class Line:
    """The agent's channel."""

    def __init__(self, serve: Callable[[dict[str, Any]], bytes]) -> None:
        self.serve = serve
        self.answers: list[bytes] = []

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def sendall(self, data: bytes) -> None:
        self.answers.append(self.serve(json.loads(data)))

    def recv(self, nbytes: int) -> bytes:
        answer = self.answers.pop()
        assert len(answer) <= nbytes
        return answer

    def close(self) -> None:
        """Nothing is open."""


def agent(serve: Callable[[dict[str, Any]], bytes]) -> Agent:
    return Agent(Line(serve), machine="probe", check_alive=lambda _: None, now_ns=lambda: 0)


def described(content: bytes) -> CaptureFile:
    return CaptureFile(
        interface="eth1",
        path="/run/eth1.pcap",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        packet_count=1,
        captured_count=1,
        received_count=1,
        dropped_count=0,
        interface_dropped_count=0,
        problem=None,
    )


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "p", lambda: CONTENT)
    yield made
    made.listening.close()


def fetched(port: Port, file: CaptureFile, tmp_path: Path) -> bytes:
    answering: Any = agent(port.serve)
    nobody: Any = type("Machine", (), {"name": "probe", "check_alive": lambda *_: None})()
    return fetch(Guest(nobody, nobody, answering, captures=port.path), file, tmp_path)


def test_a_capture_comes_by_the_port_and_its_digest_is_compared(port: Port, tmp_path: Path) -> None:
    assert fetched(port, described(CONTENT), tmp_path) == CONTENT
    assert port.asked == [{"interface": "eth1", "port": "captures"}]


def test_one_that_comes_damaged_is_refused(port: Port, tmp_path: Path) -> None:
    port.answer = lambda: CONTENT[:-1] + b"?"
    with pytest.raises(MachineError, match="eth1 came damaged"):
        fetched(port, described(CONTENT), tmp_path)


def test_one_that_ends_too_soon_is_refused(port: Port, tmp_path: Path) -> None:
    port.answer = lambda: CONTENT[:1000]
    with pytest.raises(MachineError, match="1000 of 5120000 bytes"):
        fetched(port, described(CONTENT), tmp_path)


def test_what_the_agent_refuses_is_told_in_its_words(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_port, "LOOK_S", 0.01)
    ticks = iter(range(10**6))

    def refuse(request: dict[str, Any]) -> bytes:
        error = {"kind": "bad_arguments", "message": "this machine has no port 'captures'"}
        return json.dumps({"id": request["id"], "ok": False, "error": error}).encode() + b"\n"

    with pytest.raises(GuestError, match="no port 'captures'"):
        received(
            port.path,
            described(CONTENT),
            agent=agent(refuse),
            now_ns=lambda: next(ticks) * 10**9,
        )


def test_a_machine_that_has_no_such_socket_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="probe: the port for captures"):
        received(
            tmp_path / "none",
            described(CONTENT),
            agent=agent(lambda _: b""),
            now_ns=lambda: 0,
        )
