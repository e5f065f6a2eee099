"""Another Linux box, by ssh: the user's own keys and configuration, and only known host keys.

The agent is pushed into a folder that nobody else can look into; it removes that folder itself at
its end, so that nothing stays when this program is killed.
"""

import contextlib
import secrets
import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import fabric
import paramiko

from mptcp_check import clock
from mptcp_check.errors import MachineError, MptcpCheckError, PreflightError, ServerError
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.box import (
    PROBE,
    Box,
    Translated,
    agent_command,
    greet,
    read_probe,
    require,
)
from mptcp_check.machines.remote import Remote, hang_up
from mptcp_check.machines.wishes import SshHost

CONNECT_S = 15
END_S = 20.0
"""How long the agent may take to put everything back."""

NOT_FOUND = 127
"""What a shell says of a program that is not there (POSIX, 2.8.2)."""


@contextmanager
def ssh_box(
    host: SshHost,
    *,
    archive: bytes,
    failure: type[MachineError | ServerError],
) -> Iterator[Box]:
    """Push the agent to a box, give the box, and wait until it has put everything back.

    Args:
        host: The box.
        archive: The agent as a zipapp.
        failure: How it is told that the box cannot be reached or went away.

    Raises:
        PreflightError: Its host key is not known, or something is missing on the box.
        MachineError, ServerError: As ``failure`` says.
    """

    def translated(e: MptcpCheckError) -> MptcpCheckError:
        return (
            e if isinstance(e, (PreflightError, ServerError)) else failure(e.message, hint=e.hint)
        )

    with ExitStack() as stack:
        try:
            box = _visited(stack, host, archive=archive, failure=failure)
        except MachineError as e:
            raise translated(e) from None
        # what happens while the box is used may be another machine's failure: it passes as it is
        yield replace(box, agent=Translated(box.agent, translated))


def require_usable(host: SshHost) -> None:
    """See that a box can be a server: it is reached and known, has Python, and we are root there.

    Raises:
        PreflightError: Its host key is not known or another one, or it lacks something.
        ServerError: It cannot be reached, or takes no key of ours.
    """
    with _opened(host, ServerError) as remote:
        try:
            _prepared(remote, str(host))
        except MachineError as e:
            raise ServerError(e.message, hint=e.hint) from None


def _visited(
    stack: ExitStack,
    host: SshHost,
    *,
    archive: bytes,
    failure: type[MachineError | ServerError],
) -> Box:
    """Connect, push the agent, start it, and let ``stack`` undo all of it."""
    name = str(host)
    remote = stack.enter_context(_opened(host, failure))
    python, as_root = _prepared(remote, name)
    folder = f"/tmp/{box_folder()}"  # noqa: S108 - made by us, mode 0700, fails if it exists
    path = stack.enter_context(_pushed(remote, folder, archive))
    command = agent_command(
        path, python=python, as_root=as_root, work_name=folder.rpartition("/")[2]
    )
    channel = _Line(remote.channel(f"exec {shlex.join(command)}"))
    agent = Agent(channel, machine=name, check_alive=channel.check_alive, now_ns=clock.monotonic_ns)
    stack.callback(agent.close)
    return greet(agent, name=name, reached_at=remote.peer)


def box_folder() -> str:
    """Return the name of a new folder for an agent on a box."""
    return f"mptcp-check-{secrets.token_hex(8)}"


class _Line:
    """An agent's channel that waits at its end for the agent to have put everything back."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.settimeout = channel.settimeout
        self.sendall = channel.sendall
        self.recv = channel.recv

    def check_alive(self, patience_s: float) -> None:
        """Raise when the agent has ended, with what it said last."""
        if not self._channel.status_event.wait(patience_s or 0.001):
            return
        words = b""
        with contextlib.suppress(OSError):
            words = self._channel.recv_stderr(2000)
        said = words.decode(errors="replace").strip()[-400:]
        code = self._channel.exit_status
        raise MachineError(
            f"the agent ended with {code}: {said}" if code >= 0 else "the connection was lost"
        )

    def close(self) -> None:
        """Close its input, wait for its end, and close the rest."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()
            self._channel.status_event.wait(END_S)
        hang_up(self._channel)


@contextmanager
def _opened(host: SshHost, failure: type[MachineError | ServerError]) -> Iterator[Remote]:
    try:
        connection: Any = fabric.Connection(
            host=host.host,
            user=host.user,
            port=host.port,
            connect_timeout=CONNECT_S,
            connect_kwargs={"banner_timeout": CONNECT_S, "auth_timeout": CONNECT_S},
        )
        _pin(connection)
        connection.open()
    except paramiko.BadHostKeyException:
        raise PreflightError(
            f"{host} has another host key than the one that is known: it may be somebody else",
            hint="ask its administrator; then `ssh-keygen -R`, and connect once by hand",
        ) from None
    except paramiko.AuthenticationException:
        raise failure(
            f"{host} takes none of your ssh keys",
            hint=f"make `ssh {host.host}` work without a password first",
        ) from None
    except paramiko.SSHException as e:
        if "not found in known_hosts" not in str(e):
            raise failure(f"ssh to {host} failed: {e}") from None
        raise PreflightError(
            f"the host key of {host} is not known",
            hint=f"connect once by hand (`ssh {host.host}`) and compare its fingerprint",
        ) from None
    except (OSError, EOFError, ValueError) as e:
        cause: Exception = e
        if isinstance(e, paramiko.ssh_exception.NoValidConnectionsError):
            cause = next(iter(e.errors.values()))  # of the first address; the others say the same
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        kind = "there is no such host: " if isinstance(e, socket.gaierror) else ""
        raise failure(
            f"{host} cannot be reached by ssh: {kind}{said or type(e).__name__}",
            hint="check its name, its port, and that it runs",
        ) from None
    try:
        yield Remote(str(host), connection.client, look="")
    finally:
        with contextlib.suppress(Exception):  # what is left of a killed box may raise anything
            connection.close()  # and the ones on the way to it


def _pin(connection: Any) -> None:  # noqa: ANN401 - fabric has no types
    """Let only known hosts answer, the ones on the way to it included."""
    while isinstance(connection, fabric.Connection):
        # fabric adds unknown host keys by default
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        for path in ("/etc/ssh/ssh_known_hosts", *_known_hosts(connection)):
            with contextlib.suppress(FileNotFoundError):
                connection.client.load_system_host_keys(str(Path(path).expanduser()))
        connection = connection.gateway


def _known_hosts(connection: Any) -> list[str]:  # noqa: ANN401 - fabric has no types
    said = connection.ssh_config.get("userknownhostsfile", "~/.ssh/known_hosts")
    return [str(word) for word in str(said).split()]


def _prepared(remote: Remote, name: str) -> tuple[str, bool]:
    """Return which Python runs the agent and whether we are root there."""
    done = remote.ask(f"exec python3 -I -c {shlex.quote(PROBE)}")
    if done.exit_code == NOT_FOUND:
        raise PreflightError(f"{name} has no python3", hint="on Debian: apt install python3")
    probed = read_probe(done.stdout or done.stderr, name=name)
    require(probed, name=name)
    if probed.user_id == 0:
        return "python3", True
    if remote.ask("exec sudo -n true").exit_code != 0:
        raise PreflightError(
            f"you are not root on {name}, and sudo asks for a password there",
            hint=f"use ssh:root@{name}, or allow sudo without a password for this user",
        )
    return "python3", False


@contextmanager
def _pushed(remote: Remote, folder: str, archive: bytes) -> Iterator[str]:
    path = f"{folder}/agent.pyz"
    remote.run(f"mkdir -m 700 {folder}")
    try:
        remote.put(archive, path)
        yield path
    finally:
        # the agent has removed it already, if it ever started
        with contextlib.suppress(MptcpCheckError):
            remote.ask(f"rm -rf {folder}")
