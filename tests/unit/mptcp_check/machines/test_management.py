"""A machine that goes silent is an error in time, not a wait without end."""

import socket
import subprocess
import sys
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


HANGS_UP = """
import pathlib, socket, sys
from mptcp_check.errors import MachineError
from mptcp_check.machines.management import Management, make_keys
here, there = socket.socketpair()
there.shutdown(socket.SHUT_WR)
try:
    Management("probe", here, make_keys(pathlib.Path(sys.argv[1])))
except MachineError as e:
    print(e.message)
"""


def test_a_machine_that_hangs_up_is_an_error_and_nothing_is_written_beside_it(
    tmp_path: Path,
) -> None:
    """In a process of its own: pytest listens to what is logged, a user's terminal does not."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS_UP, str(tmp_path / "keys")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert done.stdout.startswith("ssh to the probe machine failed: ")
    assert done.stderr == ""
