"""The ssh server with a real client on this computer's loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

import paramiko
import pytest

from mptcp_check.exchanges import credentials
from mptcp_check.server.ssh import program
from mptcp_guest.messages import STREAM_SUFFIX

ALICE = "mpck-" + "a7" * 13
SERVER, _ = credentials.make("")
HOST, CLIENT = credentials.make(""), credentials.make("")
LIMIT_S = 60


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for way in ("down", "up"):
        (tmp_path / "files" / ALICE / way).mkdir(parents=True)
    (tmp_path / "files" / ALICE / "down" / "x1").write_bytes(b"content")
    (tmp_path / "logins").write_text(f"{ALICE} {CLIENT[1].ssh_client_key}\n")
    return tmp_path / "files"


def private(text: str) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key(StringIO(text))


@contextmanager
def logged_in(
    files: Path, user: str, keys: credentials.Credentials
) -> Iterator[paramiko.Transport]:
    ours, theirs = socket.socketpair()

    def serve() -> None:
        # a client that is gone before the server looks again ends as a broken connection
        with theirs, suppress(OSError):
            program.talk(
                theirs,
                host_key=private(HOST[1].ssh_host_key),
                logins=files.parent / "logins",
                files=files,
                most_bytes=1000,
            )

    serving = threading.Thread(target=serve)
    serving.start()
    transport = paramiko.Transport(ours)
    try:
        transport.start_client(timeout=LIMIT_S)
        transport.auth_publickey(user, private(keys.ssh_client_key))
        yield transport
    finally:
        transport.close()
        ours.close()
        serving.join()


def test_sftp_reads_and_writes_in_its_two_places(files: Path) -> None:
    with logged_in(files, ALICE, CLIENT[0]) as transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        with sftp.open("down/x1") as file:
            assert file.read() == b"content"
        with sftp.open("/up/x2", "w") as file:
            file.write(b"hello")
        assert sftp.stat("up/x2").st_size == 5
        assert sftp.stat("/").st_mode is not None
        for path, mode in (("up/x2", "r"), ("down/x1", "w"), ("/etc/passwd", "r"), ("x", "w")):
            with pytest.raises(OSError):  # noqa: PT011 - permission denied
                sftp.open(path, mode)
        with pytest.raises(OSError), sftp.open("up/x3", "w") as file:  # noqa: PT011 - too much
            file.write(b"y" * 2000)
        for refused in (
            lambda: sftp.mkdir("up/folder"),
            lambda: sftp.symlink("/etc/passwd", "up/link"),
            lambda: sftp.remove("down/x1"),
            lambda: sftp.rename("up/x2", "down/x2"),
            lambda: sftp.listdir("/"),
        ):
            with pytest.raises(OSError):  # noqa: PT011 - as the server says
                refused()
    assert (files / ALICE / "up" / "x2").read_bytes() == b"hello"


def test_commands_answer_by_their_exit_code(files: Path) -> None:
    with logged_in(files, ALICE + STREAM_SUFFIX, CLIENT[0]) as transport:
        for command, code, output in (("send x1", 0, b"content"), ("id", 64, b"")):
            channel = transport.open_session(timeout=LIMIT_S)
            channel.exec_command(command)
            with channel.makefile("rb") as stream:
                assert stream.read() == output
            assert channel.recv_exit_status() == code


def test_nothing_is_forwarded_and_there_is_no_shell(files: Path) -> None:
    with logged_in(files, ALICE, CLIENT[0]) as transport:
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("", 0)
        for ask in ("invoke_shell", "get_pty"):
            channel = transport.open_session(timeout=LIMIT_S)
            with pytest.raises(paramiko.SSHException):
                getattr(channel, ask)()


@pytest.mark.parametrize(
    ("user", "keys"),
    [(ALICE, SERVER), ("mpck-" + "b" * 26, CLIENT[0]), ("root", CLIENT[0]), ("", CLIENT[0])],
)
def test_who_has_another_key_or_no_session_is_a_stranger(
    files: Path, user: str, keys: credentials.Credentials
) -> None:
    with pytest.raises(paramiko.AuthenticationException), logged_in(files, user, keys):
        pass
