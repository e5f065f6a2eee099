"""mosquitto and redis for many sessions: each has one name to read and one to write.

What they keep is in memory, where no sweep of folders sees it: so a session cannot make more names,
and a value's size has a cap.
"""

import os
import pwd
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving import mqtt, redis
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import (
    Caps,
    Login,
    Shared,
    closed_beside,
    owned,
    replaced,
    write_certificate,
)
from mptcp_guest.serving.shelf import Memory, of_memory

VALUE_BYTES_MAX = 16 * 1024 * 1024
MQTT_OWN, REDIS_OWN = ".mqtt", ".redis"
"""Beside the sessions' closed folders: the sockets by which the programs are asked."""
AGENT = b"agent"
AGENT_PASSWORD = ".redis-password"  # noqa: S105 - a file's name


def key(session: Path, way: str) -> str:
    """Return the one topic or key of a session that goes this way; PURE."""
    return f"{session.name}/{way}"


# -------------------------------------------------------------------------------------- MQTT


def _mqtt(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    sockets = owned(closed_beside(place.files) / MQTT_OWN)
    unix_socket = sockets / place.directory.name
    unix_socket.unlink(missing_ok=True)
    access = place.written("access", "pattern write %u/up\npattern read %u/down\n")
    place.written("users", "", secret=True)
    write_certificate(place, caps.keys)
    text = mqtt.configuration(
        place.directory,
        unix_socket,
        wanted,
        inside_tls=wanted["service"] == mqtt.MQTTS.name,
        user=pwd.getpwuid(os.geteuid()).pw_name,
        message_bytes_max=VALUE_BYTES_MAX,
        access=(
            f"acl_file {access}\nmax_connections {caps.connections_count}\n"
            # or one session could take another's name, and the broker hangs up on that one
            "use_username_as_clientid true\n"
        ),
    )
    place.written("mosquitto.conf", text)
    return mqtt.command(place.directory)


def _admit_to_mqtt(place: Place, logins: Sequence[Login]) -> None:
    # a salt that stays: for the broker who has logged in is the same as before
    lines = [
        mqtt.users_line(one.marker, one.password, salt=sha256(one.marker.encode()).digest()[:12])
        for one in logins
    ]
    replaced(place, "users", "".join(lines))


# ------------------------------------------------------------------------------------- redis


def _redis(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    closed = closed_beside(place.files)
    unix_socket = owned(closed / REDIS_OWN) / place.directory.name
    unix_socket.unlink(missing_ok=True)
    users = _write_redis_users(place, ())
    access = (
        f"aclfile {users}\nproto-max-bulk-len {VALUE_BYTES_MAX}\n"
        f"client-query-buffer-limit {2 * VALUE_BYTES_MAX}\nmaxclients {caps.connections_count}\n"
        "timeout 60"
    )
    text = redis.configuration(place.directory, unix_socket, wanted, access=access)
    place.written("redis.conf", text, secret=True)
    return ["redis-server", str(place.directory / "redis.conf")]


def _agent_password(closed: Path) -> bytes:
    path = closed / AGENT_PASSWORD
    with suppress(FileExistsError):
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as file:  # noqa: PTH123 - a file that only we could make
            file.write(secrets.token_hex(16).encode())
    return path.read_bytes()


def user_rules(login: Login) -> tuple[str, ...]:
    """Return what redis lets a session do; PURE (https://redis.io/docs/management/security/acl)."""
    hashed = sha256(login.password.encode()).hexdigest()
    keys = (f"%R~{login.marker}/down", f"%W~{login.marker}/up")
    return ("reset", "on", f"#{hashed}", *keys, "+get", "+set", "+auth", "+hello")


def _write_redis_users(place: Place, logins: Sequence[Login]) -> Path:
    """Write who a server knows from its start on."""
    hashed = sha256(_agent_password(closed_beside(place.files))).hexdigest()
    agent = f"user {AGENT.decode()} on #{hashed} ~* +@all\n"
    sessions = (f"user {one.marker} {' '.join(user_rules(one))}\n" for one in logins)
    return replaced(place, "users", "".join(("user default off\n", agent, *sessions)))


def _admit_to_redis(place: Place, logins: Sequence[Login]) -> None:
    """Tell the server, if it runs: reading its file again would break everybody's connections."""
    _write_redis_users(place, logins)
    closed = closed_beside(place.files)
    socket_path = closed / REDIS_OWN / place.directory.name
    wanted = {login.marker: login for login in logins}
    told = place.directory / "told"
    before = set(told.read_text().split()) if told.exists() else set[str]()
    with redis.asked([socket_path], AGENT, _agent_password(closed)) as servers:
        for server in servers:
            for gone in before - set(wanted):
                redis.ask(server, b"ACL", b"DELUSER", gone.encode())
            for new in set(wanted) - before:
                rules = (rule.encode() for rule in user_rules(wanted[new]))
                redis.ask(server, b"ACL", b"SETUSER", new.encode(), *rules)
            told.write_text(" ".join(wanted))


def _redis_servers(session: Path) -> AbstractContextManager[list[socket.socket]]:
    closed = session.parent
    return redis.asked((closed / REDIS_OWN).iterdir(), AGENT, _agent_password(closed))


# ------------------------------------------------------------------------------------- both


def _shared(row: Shared, memory: Memory, own: str) -> Shared:
    """Complete a row with what all brokers have alike.

    Args:
        row: How it is started, and told who may log in.
        memory: Where its values are, told by a session's closed folder.
        own: Name of its own folder, which is there once it has run.
    """
    shelf = of_memory(memory, lambda session, _, way: key(session, way))

    def forget(session: Path) -> None:
        if (session.parent / own).exists():
            shelf.discard(session, "")

    return replace(row, shelf=shelf, closed=True, forget=forget, offer_bytes_max=VALUE_BYTES_MAX)


_MQTT = _shared(
    Shared(prepare=_mqtt, admit=_admit_to_mqtt, reload_signal=signal.SIGHUP),
    mqtt.memory(lambda session: session.parent / MQTT_OWN),
    MQTT_OWN,
)

SHARED: Mapping[str, Shared] = {
    mqtt.MQTT.name: _MQTT,
    mqtt.MQTTS.name: _MQTT,
    redis.PROGRAM.name: _shared(
        Shared(prepare=_redis, admit=_admit_to_redis), redis.memory(_redis_servers), REDIS_OWN
    ),
}
