"""This computer itself, with its own kernel: an agent as a local process, no machine at all."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mptcp_check import clock
from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import box, process
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.box import Box

NAME = "this computer"
END_S = 20.0
"""How long the agent may take to put everything back."""


def require_rights() -> bool:
    """Say whether this process is root; if it is not, sudo must work without a question.

    Raises:
        PreflightError: Neither.
    """
    probed = box.read_probe(
        process.run([sys.executable, "-I", "-c", box.PROBE], timeout_s=30).stdout.decode(),
        name=NAME,
    )
    box.require(probed, name=NAME)
    if probed.user_id == 0:
        return True
    with suppress(PreflightError):
        if process.run(["sudo", "-n", "true"], timeout_s=30).exit_code == 0:
            return False
    raise PreflightError(
        "--machine host makes a network namespace and captures packets, which needs root",
        hint="start it with sudo, or allow it for some minutes by `sudo -v`, or use --machine qemu",
    )


@contextmanager
def host_box(*, archive: bytes, directory: Path) -> Iterator[Box]:
    """Start the agent on this computer, give the box, and wait until it has put all back.

    Args:
        archive: The agent as a zipapp.
        directory: The run's private work folder.

    Raises:
        PreflightError: Rights or programs are missing, or the kernel has no Multipath TCP.
        MachineError: The agent does not answer.
    """
    as_root = require_rights()
    path, log = directory / "host-agent.pyz", directory / "host-agent.log"
    path.write_bytes(archive)
    command = box.agent_command(
        str(path), python=sys.executable, as_root=as_root, work_name=directory.name
    )
    ours, theirs = socket.socketpair()
    with theirs, log.open("wb") as words:
        end = theirs.fileno()
        child = subprocess.Popen(  # noqa: S603 - a list
            [process.find(command[0]), *command[1:]],
            stdin=end,
            stdout=end,
            stderr=words,
            start_new_session=True,  # a terminal's Ctrl-C is for us, and our end is its end
        )

    def check_alive(patience_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(patience_s or 0.001)
            raise MachineError(
                f"the agent on {NAME} ended with {code}: {process.last_words(log) or 'silent'}"
            )

    agent = Agent(ours, machine=NAME, check_alive=check_alive, now_ns=clock.monotonic_ns)
    try:
        yield box.greet(agent, name=NAME, reached_at="")
    finally:
        agent.close()
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()  # unshare takes everything inside along
            child.wait()
