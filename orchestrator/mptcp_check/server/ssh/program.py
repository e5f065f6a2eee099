"""The ssh server's process.

    python -m mptcp_check.server.ssh.program ADDRESS PORT FILES HOST_KEY LOGINS CONNECTIONS BYTES

LOGINS is a file that is looked at for each login: a line ``MARKER KEY`` for each session.
"""

import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import paramiko

from mptcp_check.server.ssh import commands
from mptcp_check.server.ssh.folder import Folder
from mptcp_guest.messages import STREAM_SUFFIX
from mptcp_guest.servers import listening

BANNER: Final = "SSH-2.0-mptcpcheck"
LOGIN_S: Final = 30.0
CHANNELS_COUNT: Final = 4
"""Of one connection."""
DONE, REFUSED, FAILED = 0, 64, 1


def marker_of(user: str) -> str:
    """Return the session of a login; the one for streams is called after it; PURE."""
    return user.removesuffix(STREAM_SUFFIX)


def key_of(logins: str, marker: str) -> str:
    """Return a session's public key, or nothing; PURE."""
    rows = (row.partition(" ") for row in logins.splitlines())
    return next((key for name, _, key in rows if name == marker), "")


class Sftp(paramiko.SFTPServer):
    """paramiko's, with an end that clients take for a good one."""

    def finish_subsystem(self) -> None:
        """Say that all went well: scp takes silence for a failure."""
        if self.sock is not None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                self.sock.send_exit_status(DONE)
        super().finish_subsystem()


class Guard(paramiko.ServerInterface):
    """Says no to all but a session's key, and to all but the commands and sftp.

    What is not here is refused by the base class: passwords, shells, terminals, environment,
    forwarding of ports, of agents and of X11.

    Args:
        logins: Who may log in.
        files: The folder of sessions' folders.
        most_bytes: Of one file.
    """

    def __init__(self, logins: Path, files: Path, most_bytes: int) -> None:
        self._logins = logins
        self._files = files
        self._most_bytes = most_bytes
        self._channels_count = 0
        self._asked: dict[int, bytes] = {}
        self.folder: Path | None = None
        """The session's, once somebody has logged in."""

    def get_allowed_auths(self, username: str) -> str:
        """Name the one way."""
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Let in who has a session's key."""
        marker = marker_of(username)
        known = key_of(self._logins.read_text(), marker)
        if not known or known != f"{key.get_name()} {key.get_base64()}":
            return paramiko.common.AUTH_FAILED
        self.folder = self._files / marker
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Open a session's channel, and no other kind."""
        del chanid
        self._channels_count += 1
        if kind != "session" or self._channels_count > CHANNELS_COUNT:
            return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Take a command, which runs once the client has been told so (`Line`)."""
        self._asked[channel.chanid] = command
        return True

    def begin(self, channel: paramiko.Channel) -> None:
        """Run what was asked for; what is none of the commands ends with `REFUSED`."""
        command = self._asked.pop(channel.chanid, None)
        if command is not None:
            threading.Thread(target=self._talk, args=(channel, command), daemon=True).start()

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        """Serve sftp."""
        if name != "sftp" or self.folder is None:
            return False
        return super().check_channel_subsystem_request(channel, name)

    def sftp(self, server: paramiko.ServerInterface, **_: object) -> Folder:
        """Return the session's folder as sftp sees it."""
        if self.folder is None:
            raise OSError("nobody has logged in")
        return Folder(server, files=self.folder, most_bytes=self._most_bytes)

    def _talk(self, channel: paramiko.Channel, command: bytes) -> None:
        talk = commands.asked(command)
        code = REFUSED
        channel.settimeout(listening.IDLE_S)
        try:
            if talk is not None and self.folder is not None:
                talk(channel, self.folder, self._most_bytes)
                code = DONE
        except (OSError, EOFError, paramiko.SSHException):
            code = FAILED
        with suppress(OSError, EOFError, paramiko.SSHException):
            channel.send_exit_status(code)
            channel.close()


def _request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Answer a channel's request, and only then begin what it asks for.

    A short command would else be over, its channel closed, before the answer is out.
    """
    channel._handle_request(message)  # type: ignore[attr-defined] # noqa: SLF001 - paramiko has no hook
    guard = channel.get_transport().server_object
    if isinstance(guard, Guard):
        guard.begin(channel)


class Line(paramiko.Transport):
    """paramiko's transport, in which a command begins after it was accepted."""

    _channel_handler_table = {  # noqa: RUF012 - as the base class has it
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined] # noqa: SLF001
        paramiko.common.MSG_CHANNEL_REQUEST: _request,
    }


def talk(
    connection: socket.socket,
    *,
    host_key: paramiko.PKey,
    logins: Path,
    files: Path,
    most_bytes: int,
) -> None:
    """Serve one client until it goes.

    Raises:
        OSError: It went away, or speaks no ssh.
    """
    transport = Line(connection)
    try:
        transport.local_version = BANNER
        transport.banner_timeout = transport.auth_timeout = LOGIN_S
        transport.add_server_key(host_key)
        guard = Guard(logins, files, most_bytes)
        transport.set_subsystem_handler("sftp", Sftp, guard.sftp)
        transport.start_server(server=guard)
        known = threading.Event()
        for _ in range(round(LOGIN_S / 0.1)):
            if transport.is_authenticated() or not transport.is_active():
                break
            known.wait(0.1)
        if transport.is_authenticated():
            transport.join(listening.LIFE_S)
    except (paramiko.SSHException, EOFError) as error:
        raise OSError(type(error).__name__) from error
    finally:
        transport.close()


def main(*words: str) -> None:
    """Serve without end."""
    address, port, files, host_key, logins, count, most_bytes = words
    listener = listening.listening(address, int(port))
    key = paramiko.Ed25519Key(filename=host_key)

    def one(connection: socket.socket, _: BinaryIO) -> None:
        talk(
            connection,
            host_key=key,
            logins=Path(logins),
            files=Path(files),
            most_bytes=int(most_bytes),
        )

    listening.serve(listener, one, connections_count=int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
