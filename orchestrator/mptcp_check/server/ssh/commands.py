"""The commands that can be asked for over ssh: a plain stream each way, and scp's own protocol.

There is no shell and no program: each is some lines of Python about one file (`folder.Spot`).
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from mptcp_check.server.ssh.folder import Spot, spot
from mptcp_guest.servers.places import handed_out, taken

BLOCK_BYTES: Final = 65_536
HEAD_BYTES: Final = 1024
_ASKED: Final = re.compile(r"(send|take) ([^ /]+)|scp -(f|t) ((?:down|up)/[^ /]+)")
_FILE: Final = re.compile(rb"C0[0-7]{3} ([0-9]{1,12}) [^\n/]{1,255}\n")


class Channel(Protocol):
    """What of a channel is used."""

    def recv(self, nbytes: int) -> bytes:
        """Return what came; nothing at the end."""

    def sendall(self, s: bytes) -> None:
        """Send."""


Talk = Callable[[Channel, Path, int], None]
"""Do what was asked for, with the session's folder and the most bytes of a file; OSError: no."""


def asked(command: bytes) -> Talk | None:
    """Return what a command means; none for any other; PURE."""
    found = _ASKED.fullmatch(command.decode(errors="replace"))
    if found is None:
        return None
    stream, name, scp, path = found.groups()
    wanted = spot(f"{'down' if stream == 'send' else 'up'}/{name}" if stream else path)
    sends = stream == "send" or scp == "f"
    if wanted is None or sends != (wanted.way == "down"):
        return None
    talks = {"send": _send, "take": _take, "f": _scp_from, "t": _scp_to}
    return _about(wanted, talks[stream or scp])


def _about(wanted: Spot, talk: Callable[[Channel, Path, int], None]) -> Talk:
    def bound(channel: Channel, files: Path, most_bytes: int) -> None:
        talk(channel, files / wanted.way / wanted.name, most_bytes)

    return bound


def _send(channel: Channel, path: Path, _: int) -> None:
    with handed_out(path) as file:
        while block := file.read(BLOCK_BYTES):
            channel.sendall(block)


def _take(channel: Channel, path: Path, most_bytes: int) -> None:
    left = most_bytes
    with taken(path) as file:
        while block := channel.recv(BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise OSError("too much")
            file.write(block)


def _scp_from(channel: Channel, path: Path, _: int) -> None:
    """Send one file as ``scp -f`` does: a line about it, its bytes, a zero."""
    with handed_out(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        _agreed(channel)
        channel.sendall(f"C0644 {size_bytes} {path.name}\n".encode())
        _agreed(channel)
        while block := file.read(BLOCK_BYTES):
            channel.sendall(block)
    channel.sendall(b"\0")
    _agreed(channel)


def _scp_to(channel: Channel, path: Path, most_bytes: int) -> None:
    """Take one file as ``scp -t`` does."""
    channel.sendall(b"\0")
    found = _FILE.fullmatch(b"".join(_line(channel)))
    if found is None or int(found[1]) > most_bytes:
        channel.sendall(b"\2one file is taken, and not a large one\n")
        raise OSError("no file")
    left = int(found[1])
    with taken(path) as file:
        channel.sendall(b"\0")
        while left:
            block = channel.recv(min(left, BLOCK_BYTES))
            if not block:
                raise OSError("the file ended early")
            file.write(block)
            left -= len(block)
    _agreed(channel)
    channel.sendall(b"\0")


def _agreed(channel: Channel) -> None:
    if channel.recv(1) != b"\0":
        raise OSError("the other end does not agree")


def _line(channel: Channel) -> Iterator[bytes]:
    for _ in range(HEAD_BYTES):
        octet = channel.recv(1)
        yield octet
        if octet in {b"", b"\n"}:
            return
