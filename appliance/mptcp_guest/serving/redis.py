"""redis as the measurement's database: 2 MB, where PostgreSQL takes 60 and a cluster to be made.

What is offered is put in, and what was stored is read, over a Unix socket of each server: what a
client stored is asked from the server itself.  It keeps all in memory and writes no file.
"""

import errno
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mptcp_guest import messages, resp
from mptcp_guest.serving.program import AS_USER, USER, Place, Program
from mptcp_guest.serving.shelf import Memory, of_memory

MEMORY = "128mb"
ASK_S = 10.0
SOCKETS = "redis"
"""In the common folder: by which the servers are asked."""


def command(directory: Path) -> list[str]:
    """Return how redis is started in the foreground; PURE."""
    return [*AS_USER, "redis-server", str(directory / "redis.conf")]


def configuration(
    directory: Path, unix_socket: Path, wanted: messages.ServiceWanted, *, access: str
) -> str:
    """Return redis' configuration; PURE.

    Args:
        directory: Its own.
        unix_socket: Where the agent asks it; whoever may open that is let in by password too.
        wanted: Where it listens.
        access: Settings that say who is let in.
    """
    return f"""\
bind {wanted["address"]}
port {wanted["port"]}
unixsocket {unix_socket}
unixsocketperm 700
{access}
dir {directory}
daemonize no
save ""
appendonly no
maxmemory {MEMORY}
maxmemory-policy noeviction
# its keep-alive options are refused on MPTCP sockets of older kernels
tcp-keepalive 0
databases 1
"""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    sockets = place.files / SOCKETS
    sockets.mkdir(exist_ok=True)
    unix_socket = sockets / place.directory.name
    unix_socket.unlink(missing_ok=True)
    # the agent has the password from here, and nobody else who is not root
    secret = place.files / "redis.password"
    secret.touch(mode=0o600)
    secret.write_text(arguments["password"])
    access = f"requirepass {arguments['password']}"
    text = configuration(place.directory, unix_socket, wanted, access=access)
    for path in (sockets, place.directory, place.written("redis.conf", text, secret=True)):
        shutil.chown(path, USER, USER)
    return command(place.directory)


@contextmanager
def asked(paths: Iterable[Path], *login: bytes) -> Iterator[list[socket.socket]]:
    """Give a connection to each server of these sockets that runs, logged in.

    Raises:
        OSError: One of them does not answer.
    """
    found: list[socket.socket] = []
    try:
        for path in sorted(paths):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(ASK_S)
            if connection.connect_ex(str(path)) in {errno.ECONNREFUSED, errno.ENOENT}:
                connection.close()  # of one that has ended
                continue
            found.append(connection)
            ask(connection, b"AUTH", *login)
        yield found
    finally:
        for connection in found:
            connection.close()


def ask(connection: socket.socket, *words: bytes) -> bytes | None:
    """Return the answer to a command.

    Raises:
        OSError: It is a refusal, or none.
    """
    connection.sendall(resp.request(*words))
    with connection.makefile("rb") as stream:
        return resp.reply(stream)


def _asked(files: Path) -> AbstractContextManager[list[socket.socket]]:
    return asked((files / SOCKETS).iterdir(), (files / "redis.password").read_bytes())


def memory(servers: Callable[[Path], AbstractContextManager[list[socket.socket]]]) -> Memory:
    """Return what servers keep, by key.

    Args:
        servers: Gives connections to those of a folder (see `asked`).
    """

    def each(folder: Path, *words: bytes) -> list[bytes | None]:
        with servers(folder) as connections:
            return [ask(connection, *words) for connection in connections]

    def put(folder: Path, key: str, value: bytes) -> None:
        each(folder, b"SET", key.encode(), value)

    def get(folder: Path, key: str) -> bytes | None:
        values = each(folder, b"GET", key.encode())
        return next((value for value in values if value is not None), None)

    def delete(folder: Path, keys: Sequence[str]) -> None:
        each(folder, b"DEL", *(key.encode() for key in keys))

    return Memory(put=put, get=get, delete=delete)


PROGRAM = Program(
    name="redis",
    tool="redis-server",
    package="redis-server",
    prepare=_prepare,
    shelf=of_memory(memory(_asked)),
)
