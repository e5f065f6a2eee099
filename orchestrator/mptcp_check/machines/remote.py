"""An ssh connection to a machine: commands, files and channels, each with a deadline."""

import contextlib
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from mptcp_check.errors import MachineError

# What breaks a connection is raised to whoever uses it.  Paramiko's thread logs it too, with its
# traceback, and Python writes to the terminal what is logged where nobody listens.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

COMMAND_DEADLINE_S = 60.0
"""On a busy computer whose machines are emulated, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command left."""

    exit_code: int
    stdout: str
    stderr: str


def hang_up(channel: paramiko.Channel) -> None:
    """Close a channel; paramiko says so on the line, and fails where nobody is there any more."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel.close()


class Remote:
    """An ssh connection that is open.

    Args:
        name: How messages call the machine.
        client: Connected.
        look: Where its last words are, for hints; empty when nowhere.
    """

    def __init__(self, name: str, client: paramiko.SSHClient, *, look: str) -> None:
        self.name = name
        self._client = client
        self._sftp: paramiko.SFTPClient | None = None
        self._look = look

    @property
    def peer(self) -> str:
        """The address that the connection leads to; empty when it leads through something."""
        peer: object = self._transport().getpeername()
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def ask(self, command: str, *, timeout_s: float = COMMAND_DEADLINE_S) -> Answer:
        """Run a fixed command and return what it left, whatever its exit code.

        Raises:
            MachineError: It could not be run, or did not end in time.
        """
        channel = self.channel(command)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            hang_up(channel)  # what is read ends with it

        overdue = threading.Timer(timeout_s, give_up)
        overdue.daemon = True
        overdue.start()
        try:
            channel.shutdown_write()
            stdout, stderr = (
                file.read().decode(errors="replace")
                for file in (channel.makefile("rb"), channel.makefile_stderr("rb"))
            )
            exit_code = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError) as e:
            raise MachineError(f"'{command}' failed on {self.name}: {e}") from None
        finally:
            overdue.cancel()
            hang_up(channel)
        if late.is_set():
            raise MachineError(f"'{command}' did not end in time on {self.name}")
        return Answer(exit_code=exit_code, stdout=stdout, stderr=stderr)

    def run(self, command: str, *, timeout_s: float = COMMAND_DEADLINE_S) -> str:
        """Run a fixed command and return its standard output.

        Raises:
            MachineError: It failed, or did not end in time.
        """
        done = self.ask(command, timeout_s=timeout_s)
        if done.exit_code != 0:
            raise MachineError(
                f"'{command}' ended with {done.exit_code} on {self.name}: "
                f"{done.stderr.strip()[-400:]}"
            )
        return done.stdout

    def put(self, content: bytes, remote_path: str) -> None:
        """Write a file in the guest."""
        with self._transfer(remote_path):
            self._files().putfo(io.BytesIO(content), remote_path)

    def get(self, remote_path: str, local_path: Path) -> None:
        """Copy a file out of the guest.

        Raises:
            MachineError: There is no such file, or the machine went away.
        """
        with self._transfer(remote_path), local_path.open("wb") as file:
            self._files().getfo(remote_path, file)

    @contextlib.contextmanager
    def _transfer(self, remote_path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise MachineError(f"{remote_path} is missing on {self.name}") from None
        except (paramiko.SSHException, EOFError, OSError) as e:
            if isinstance(e, OSError) and e.errno is not None:
                raise  # of this computer's own disk; paramiko's have no number
            raise MachineError(
                f"{remote_path} on {self.name}: {str(e) or 'no answer'}", hint=self._look
            ) from None

    def channel(self, command: str) -> paramiko.Channel:
        """Start a command and return its channel: its input and output belong to the caller.

        Raises:
            MachineError: The machine did not answer in time, or went away.
        """
        transport = self._transport()
        # exec_command waits for the guest's word without a deadline, and only the end of the
        # connection wakes it
        overdue = threading.Timer(COMMAND_DEADLINE_S, transport.close)
        overdue.daemon = True
        overdue.start()
        try:
            channel = transport.open_session(timeout=COMMAND_DEADLINE_S)
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as e:
            raise MachineError(
                f"'{command}' could not be started on {self.name}: {str(e) or 'no answer'}",
                hint=self._look,
            ) from None
        finally:
            overdue.cancel()
        return channel

    def close(self) -> None:
        """Close the connection; a dead one closes too."""
        with contextlib.suppress(Exception):  # what is left of a killed guest may raise anything
            self._client.close()

    def _transport(self) -> paramiko.Transport:
        transport = self._client.get_transport()
        if transport is None:
            raise MachineError(f"{self.name}: the connection is closed", hint=self._look)
        return transport

    def _files(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            self._sftp = self._client.open_sftp()
        return self._sftp
