"""mosquitto as the measurement's MQTT broker, plain and inside TLS.

A broker keeps the last message of a topic when its sender says so.  What is offered is left there
over a Unix socket of each broker, and there the broker is asked for what a client left.
"""

import base64
import errno
import hashlib
import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mptcp_guest import messages, mqtt
from mptcp_guest.serving.program import USER, Place, Prepare, Program
from mptcp_guest.serving.shelf import Memory, of_memory

Answer = TypeVar("Answer")
ASK_S = 10.0
SOCKETS = "mqtt"
"""In the common folder: by which the brokers are asked."""
ROUNDS = 101
"""mosquitto_passwd's own; a random password that lives for one run needs no stretching."""
INFLIGHT_BYTES = 64 * 1024 * 1024


def command(directory: Path) -> list[str]:
    """Return how mosquitto is started in the foreground; PURE."""
    return ["mosquitto", "-c", str(directory / "mosquitto.conf")]


def configuration(
    directory: Path,
    unix_socket: Path,
    wanted: messages.ServiceWanted,
    *,
    inside_tls: bool,
    user: str = USER,
    message_bytes_max: int = INFLIGHT_BYTES,
    access: str = "",
) -> str:
    """Return mosquitto's configuration; PURE.

    Args:
        directory: Its own.
        unix_socket: Where the agent asks it.
        wanted: Where it listens.
        inside_tls: TLS from the first byte.
        user: Whom it becomes when root starts it.
        message_bytes_max: Of one message.
        access: Settings of the listener about who may do what; none lets who logs in do anything.
    """
    tls = f"certfile {directory}/certificate.pem\nkeyfile {directory}/key.pem\n"
    return f"""\
per_listener_settings true
persistence false
log_dest stderr
log_type error
log_type warning
sys_interval 0
user {user}
message_size_limit {message_bytes_max}
memory_limit {3 * INFLIGHT_BYTES}
listener {wanted["port"]} {wanted["address"]}
allow_anonymous false
password_file {directory}/users
{access}{tls if inside_tls else ""}\
listener 0 {unix_socket}
allow_anonymous true
"""


def users_line(user: str, password: str, *, salt: bytes) -> str:
    """Return a line of mosquitto's password file: PBKDF2 with SHA-512; PURE."""
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    parts = (base64.b64encode(part).decode() for part in (salt, hashed))
    return f"{user}:$7${ROUNDS}${'$'.join(parts)}\n"


def _preparing(*, inside_tls: bool) -> Prepare:
    def prepare(
        place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
    ) -> list[str]:
        sockets = place.files / SOCKETS
        sockets.mkdir(mode=0o700, exist_ok=True)
        unix_socket = sockets / place.directory.name
        unix_socket.unlink(missing_ok=True)
        users = users_line(arguments["user"], arguments["password"], salt=secrets.token_bytes(12))
        place.written("certificate.pem", arguments["tls_certificate"])
        text = configuration(place.directory, unix_socket, wanted, inside_tls=inside_tls)
        place.written("mosquitto.conf", text)
        for path in (
            sockets,
            place.written("users", users, secret=True),
            place.written("key.pem", arguments["tls_key"], secret=True),
        ):
            shutil.chown(path, USER, USER)
        return command(place.directory)

    return prepare


def _with_each(sockets: Path, ask: Callable[[socket.socket], Answer]) -> list[Answer]:
    """Ask each broker that runs."""
    answers = []
    for path in sorted(sockets.iterdir()):
        with socket.socket(socket.AF_UNIX) as broker:
            broker.settimeout(ASK_S)
            if broker.connect_ex(str(path)) in {errno.ECONNREFUSED, errno.ENOENT}:
                continue  # of one that has ended
            # of two with one name the broker hangs up on the first (3.1.4)
            broker.sendall(mqtt.connect(f"agent-{secrets.token_hex(8)}"))
            _await(broker, mqtt.CONNACK)
            answers.append(ask(broker))
    return answers


def _await(broker: socket.socket, kind: int) -> bytes:
    with broker.makefile("rb") as stream:
        return mqtt.await_kind(stream, lambda came: came == kind)


def leave(sockets: Path, topic: str, value: bytes) -> None:
    """Leave a message with each broker; an empty one makes it forget (3.3.1.3).

    Raises:
        OSError: One of them does not take it.
    """

    def ask(broker: socket.socket) -> None:
        broker.sendall(mqtt.publish(topic, value, number=1))
        _await(broker, mqtt.PUBACK)

    _with_each(sockets, ask)


def left(sockets: Path, topic: str) -> bytes | None:
    """Return what a client left with one of the brokers; none if nothing.

    Raises:
        OSError: One of them does not answer.
    """

    def ask(broker: socket.socket) -> bytes | None:
        broker.sendall(mqtt.subscribe(topic, number=1))
        with broker.makefile("rb") as stream:
            mqtt.await_kind(stream, lambda came: came == mqtt.SUBACK)
            # what is kept comes right after; an answer to a ping says that nothing is
            broker.sendall(mqtt.packet(mqtt.PINGREQ, b""))
            first, body = mqtt.read(stream)
        return mqtt.published(body) if first & 0xF0 == mqtt.PUBLISH else None

    return next((found for found in _with_each(sockets, ask) if found is not None), None)


def memory(sockets: Callable[[Path], Path]) -> Memory:
    """Return the messages that brokers keep, by topic.

    Args:
        sockets: Says where those of a folder are asked.
    """

    def forget(folder: Path, topics: Sequence[str]) -> None:
        for topic in topics:
            leave(sockets(folder), topic, b"")

    return Memory(
        put=lambda folder, topic, value: leave(sockets(folder), topic, value),
        get=lambda folder, topic: left(sockets(folder), topic),
        delete=forget,
    )


def _program(name: str, *, inside_tls: bool) -> Program:
    return Program(
        name=name,
        tool="mosquitto",
        package="mosquitto",
        prepare=_preparing(inside_tls=inside_tls),
        shelf=of_memory(memory(lambda files: files / SOCKETS)),
    )


MQTT = _program("mqtt", inside_tls=False)
MQTTS = _program("mqtts", inside_tls=True)
