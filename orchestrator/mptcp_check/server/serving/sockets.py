"""Listening sockets: of our own, or those that systemd holds through our restarts."""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from mptcp_check.errors import UsageError
from mptcp_check.server.configuration import Listen

FIRST_FD: Final = 3
"""SD_LISTEN_FDS_START: sd_listen_fds(3)."""

BACKLOG: Final = 1024


def passed(environment: Mapping[str, str], own_pid: int) -> list[socket.socket]:
    """Return the sockets that systemd passed to this process; none without socket activation."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(own_pid) or not count.isdigit():
        return []
    sockets = []
    for descriptor in range(FIRST_FD, FIRST_FD + int(count)):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only argument
        sockets.append(socket.socket(fileno=descriptor))
    return sockets


def opened(places: Sequence[Listen]) -> list[socket.socket]:
    """Open sockets on all of these places, or on none.

    Raises:
        UsageError: A place cannot be listened on.
    """
    sockets: list[socket.socket] = []
    try:
        for place in places:
            sockets.append(_listening(place))
    except OSError as e:
        for one in sockets:
            one.close()
        reason = (e.strerror or str(e)).lower()
        raise UsageError(
            f"cannot listen on {place}: {reason}", hint="`ss -ltnp` shows who does"
        ) from None
    return sockets


def _listening(place: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    # Plain TCP, by name: the control connection tells a broken path from one that breaks MPTCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((place.host, place.port))
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
