"""Ssh into a machine over its virtio-serial port: a channel that no measured network ever shows.

The host says ``hello NONCE`` into QEMU's unix socket, the guest answers ``ready NONCE`` and gives
the connection to one sshd.  The nonce keeps stale bytes of an earlier connection from being taken
for ssh; its answer is also the sign that the guest is up.  The guest's host key was made for this
run by this program, so it is known before the first byte: anything else is refused.
"""

import contextlib
import io
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mptcp_check.errors import MachineError
from mptcp_check.machines.remote import COMMAND_DEADLINE_S, Remote

STEP_S = 0.25
"""How long one look at the socket lasts before the machine's life is checked again."""

LOOK = "see its console in the run's logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeys:
    """Two key pairs made for one run: ours (client) and the guests' (host)."""

    client: paramiko.PKey
    host: paramiko.PKey
    directory: Path
    """Holds the guest's half: ``authorized_keys``, ``ssh_host_ed25519_key``; gone with the run."""


def make_keys(directory: Path) -> RunKeys:
    """Make the keys of a run and write the guest's half into ``directory`` (mode 0700)."""
    directory.mkdir(mode=0o700)
    client_text, client = _key()
    host_text, host = _key()
    del client_text  # our private half never touches the disk
    _write(directory / "authorized_keys", f"{client.get_name()} {client.get_base64()} run\n")
    _write(directory / "ssh_host_ed25519_key", host_text)
    return RunKeys(client=client, host=host, directory=directory)


def _key() -> tuple[str, paramiko.PKey]:
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    text = private.decode()
    return text, paramiko.Ed25519Key.from_private_key(io.StringIO(text))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def wait_for_guest(
    path: Path,
    *,
    check_alive: Callable[[], None],
    now_ns: Callable[[], int],
    deadline_ns: int,
    name: str,
) -> socket.socket:
    """Connect to the management port and wait for the guest's answer.

    Args:
        path: QEMU's unix socket.
        check_alive: Raises when the machine has ended.
        now_ns: Monotonic clock.
        deadline_ns: When to give up, by that clock.
        name: The machine, for messages.

    Returns:
        A connected socket on which sshd speaks next.

    Raises:
        MachineError: The guest did not answer in time, or the machine ended.
    """
    while now_ns() < deadline_ns:
        check_alive()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(STEP_S)
        with contextlib.suppress(OSError):
            connection.connect(str(path))
            if _greet(connection, check_alive=check_alive, now_ns=now_ns, deadline_ns=deadline_ns):
                connection.settimeout(None)
                return connection
        connection.close()
        # never resend on the same connection: what the guest has read of it is unknown
    raise MachineError(
        f"the {name} machine did not answer in time",
        hint="see its console in the run's logs; a busy computer may need --boot-timeout",
    )


def _greet(
    connection: socket.socket,
    *,
    check_alive: Callable[[], None],
    now_ns: Callable[[], int],
    deadline_ns: int,
) -> bool:
    nonce = secrets.token_hex(8)
    connection.sendall(f"hello {nonce}\n".encode())
    expected = f"ready {nonce}\n".encode()
    read = b""
    while now_ns() < deadline_ns and len(read) < 65536:  # noqa: PLR2004 - a stream of rubbish ends
        check_alive()
        with contextlib.suppress(TimeoutError):
            byte = connection.recv(1)  # not one byte more: the next one is ssh's
            if not byte:
                return False
            read += byte
        if read.endswith(expected):
            return True
    return False


class _Patient(paramiko.Transport):
    """Waits for the exchange of keys too: paramiko's 15 s are little for an emulated machine."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - paramiko's
        super().__init__(*arguments, **named)
        self.handshake_timeout = COMMAND_DEADLINE_S


class Management(Remote):
    """An ssh connection to one guest; host key pinned, agent and key files of the user unused."""

    def __init__(self, name: str, connection: socket.socket, keys: RunKeys) -> None:
        client = paramiko.SSHClient()
        # there is exactly one that may answer
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.get_host_keys().add(name, keys.host.get_name(), keys.host)
        try:
            client.connect(
                name,
                username="root",
                sock=connection,
                pkey=keys.client,
                look_for_keys=False,
                allow_agent=False,
                timeout=COMMAND_DEADLINE_S,
                banner_timeout=COMMAND_DEADLINE_S,
                auth_timeout=COMMAND_DEADLINE_S,
                transport_factory=_Patient,
            )
        except (paramiko.SSHException, OSError, EOFError) as e:
            raise MachineError(f"ssh to the {name} machine failed: {e}", hint=LOOK) from None
        super().__init__(f"the {name} machine", client, look=LOOK)
