"""How the server's processes speak to each other: a JSON document per line, over Unix sockets."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mptcp_check.errors import UsageError
from mptcp_check.server.problem import TITLES, ProblemError

LONGEST_LINE: Final = 65_536
_RECEIVE_BYTES: Final = 65_536


def line(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is sent."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def parse(octets: bytes) -> dict[str, Any]:
    """Return a document that came, or an empty one; never raises."""
    try:
        document: Any = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def ask(path: Path, document: Mapping[str, Any], *, timeout_s: float, away: str) -> Any:  # noqa: ANN401 - each verb's own
    """Return what another process answers; each question has a connection of its own.

    Args:
        path: The other's socket.
        document: With its ``verb``.
        timeout_s: How long it may take.
        away: The problem's name when it does not answer.

    Raises:
        ProblemError: It says no, or nothing.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(os.fspath(path))
            connection.sendall(line(document))
            answer = parse(read_line(connection))
    except OSError:
        raise ProblemError(away) from None
    name = answer.get("problem")
    if name in TITLES:
        raise ProblemError(name, str(answer.get("detail", "")))
    if "answer" not in answer:
        raise ProblemError(away)
    return answer["answer"]


def read_line(connection: socket.socket) -> bytes:
    """Return what comes up to the end of a line, of the connection or of what is allowed."""
    octets = b""
    while not octets.endswith(b"\n") and len(octets) < LONGEST_LINE:
        more = connection.recv(_RECEIVE_BYTES)
        if not more:
            break
        octets += more
    return octets


def listen(path: Path, *, backlog: int, what: str) -> socket.socket:
    """Listen on a Unix socket that owner and group may use; one that nobody serves is replaced.

    Raises:
        UsageError: It cannot be listened on, or another process serves it.
    """
    if _served(path):
        raise UsageError(f"another {what} listens on {path}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        listening.listen(backlog)
    except OSError as e:
        listening.close()
        reason = (e.strerror or str(e)).lower()
        raise UsageError(f"cannot listen on {path}: {reason}") from None
    return listening


def _served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(os.fspath(path))
        except OSError:
            return False
        return True
