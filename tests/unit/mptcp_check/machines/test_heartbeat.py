import threading

import pytest

from mptcp_check.errors import MachineError
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.heartbeat import beating


class Channel:
    """The guest's end of the line, which answers nothing to empty lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.beaten = threading.Event()
        self.broken = False

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def sendall(self, data: bytes) -> None:
        if self.broken:
            raise OSError("gone")
        self.lines.append(data)
        if self.lines.count(b"\n") >= 3:
            self.beaten.set()

    def recv(self, nbytes: int) -> bytes:
        assert nbytes
        return b'{"id": 1, "ok": true, "result": {"within_s": 0.05}}\n'

    def close(self) -> None:
        self.broken = True


def agent(channel: Channel) -> Agent:
    return Agent(channel, machine="probe", check_alive=lambda _: None, now_ns=lambda: 0)


def test_signs_of_life_come_while_the_context_lasts_and_not_after() -> None:
    channel = Channel()
    with beating(agent(channel), patience_s=0.05):
        assert channel.beaten.wait(60)
    count = len(channel.lines)

    assert b'"within_s": 0.05' in channel.lines[0]
    assert set(channel.lines[1:]) == {b"\n"}
    assert len(channel.lines) == count


def test_a_line_that_breaks_does_not_stop_the_run_by_itself() -> None:
    channel = Channel()
    with beating(agent(channel), patience_s=0.05):
        channel.close()
        agent(channel).sign_of_life()


def test_a_machine_that_does_not_answer_is_told() -> None:
    def check_alive(_patience_s: float) -> None:
        raise MachineError("the probe machine ended")

    channel = Channel()
    channel.close()
    dead = Agent(channel, machine="probe", check_alive=check_alive, now_ns=lambda: 0)
    with pytest.raises(MachineError, match="ended"), beating(dead):
        raise AssertionError("it watched a dead machine")
