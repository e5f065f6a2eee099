"""A machine that goes silent is an error in time, not a wait without end."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from mptcp_check.errors import MachineError
from mptcp_check.machines import remote
from mptcp_check.machines.management import Management, RunKeys, make_keys


class Guest(paramiko.ServerInterface):
    """An ssh server that lets anybody in and starts a command only when it is told to."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 - paramiko's
        return paramiko.common.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002 - paramiko's
        self.may_answer.wait(20)
        return True


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[tuple[Guest, Management]]:
    keys: RunKeys = make_keys(tmp_path / "keys")
    here, there = socket.socketpair()
    server, behaviour = paramiko.Transport(there), Guest()
    server.add_server_key(keys.host)
    server.start_server(server=behaviour, event=threading.Event())
    managed = Management("probe", here, keys)
    yield behaviour, managed
    behaviour.may_answer.set()
    managed.close()
    server.close()


def test_a_command_that_the_guest_starts_has_a_channel(guest: tuple[Guest, Management]) -> None:
    behaviour, managed = guest
    behaviour.may_answer.set()

    assert managed.channel("true").active


def test_a_guest_that_goes_silent_is_named_in_time(
    guest: tuple[Guest, Management], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "COMMAND_DEADLINE_S", 0.3)

    with pytest.raises(MachineError, match="'agent' could not be started on the probe machine"):
        guest[1].channel("agent")


def test_a_command_that_does_not_end_is_given_up(guest: tuple[Guest, Management]) -> None:
    behaviour, managed = guest
    behaviour.may_answer.set()

    with pytest.raises(MachineError, match="'sleep' did not end in time on the probe machine"):
        managed.ask("sleep", timeout_s=0.3)
