"""How a setting is read from TOML: each function gives its value, or says what is wanted."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mptcp_check.server.configuration import Listen

LAST_PORT: Final = 65_535

Read = Callable[[object], Any]
"""Gives a setting's value, or raises ValueError with what is wanted of it."""


def whole(least: int, most: int) -> Read:
    """Return the reader of a whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most} is wanted")
        return value

    return read


def absolute_path(value: object) -> Path:
    """Read the path of a file or folder."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("an absolute path is wanted")
    return Path(value)


def server_name(value: object) -> str:
    """Read the server's name: it stands in tickets and reports."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", value):
        raise ValueError("up to 63 letters, digits, dots and hyphens are wanted")
    return value


def listen(value: object) -> Listen:
    """Read an address and a port: ``192.0.2.1:34380`` or ``[::]:34380``."""
    wanted = 'an address and a port such as "0.0.0.0:34380" or "[::]:34380" are wanted'
    if not isinstance(value, str):
        raise ValueError(wanted)  # noqa: TRY004 - one kind of error for all readers
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        family = ipaddress.ip_address(bare).version
    except ValueError:
        raise ValueError(wanted) from None
    if not colon or (family == 6) != (bare != host) or not _is_port(port):  # noqa: PLR2004 - IPv6
        raise ValueError(wanted)
    return Listen(host=bare, port=int(port))


def listens(value: object) -> tuple[Listen, ...]:
    """Read a list of addresses with ports, each once."""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of addresses with ports is wanted")
    found = tuple(listen(item) for item in value)
    if len(set(found)) != len(found):
        raise ValueError("an address stands there twice")
    return found


def optional_listen(value: object) -> Listen | None:
    """Read an address and a port, or an empty text for none."""
    return None if value == "" else listen(value)


def ports(value: object) -> tuple[tuple[int, int], ...]:
    """Read ports and ranges of ports: ``[80, 443, "50000-50999"]``; pairs of first and last."""
    if not isinstance(value, list):
        raise ValueError('a list of ports such as [80, "50000-50999"] is wanted')  # noqa: TRY004 - one kind of error for all readers
    found = []
    for item in value:
        first, _, last = str(item).partition("-")
        if not _is_port(first) or (last and not _is_port(last)) or isinstance(item, bool):
            raise ValueError(f"{item!r} is no port and no range of ports")
        pair = (int(first), int(last or first))
        if pair[0] > pair[1]:
            raise ValueError(f"{item!r} ends before it begins")
        found.append(pair)
    return tuple(found)


def single_ports(value: object) -> tuple[int, ...]:
    """Read ports, none or more: ``[80, 8080]``."""
    if not isinstance(value, list) or not all(_is_single(item) for item in value):
        raise ValueError("a list of ports such as [80, 8080] is wanted")
    return tuple(value)


def port_range(value: object) -> tuple[int, int]:
    """Read a range of ports: ``"50000-50999"``."""
    first, dash, last = str(value).partition("-")
    if not dash or not _is_port(first) or not _is_port(last) or int(first) > int(last):
        raise ValueError('a range of ports such as "50000-50999" is wanted')
    return int(first), int(last)


def addresses(value: object) -> tuple[str, ...]:
    """Read a list of addresses, each once."""
    wanted = 'a list of addresses such as ["192.0.2.1", "2001:db8::1"] is wanted'
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(wanted)
    try:
        found = tuple(str(ipaddress.ip_address(item)) for item in value)
    except ValueError:
        raise ValueError(wanted) from None
    if len(set(found)) != len(found):
        raise ValueError("an address stands there twice")
    return found


def user_name(value: object) -> str:
    """Read the name of a user of this computer."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise ValueError("the name of a user is wanted")
    return value


def names(value: object) -> tuple[str, ...]:
    """Read a list of interface names; an empty one is all interfaces."""
    if not isinstance(value, list) or not all(
        isinstance(item, str) and re.fullmatch(r"[^\s/]{1,15}", item) for item in value
    ):
        raise ValueError("a list of interface names is wanted; an empty one means all")
    return tuple(value)


def one_of(*words: str) -> Read:
    """Return the reader of one of some words."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)} is wanted")
        return str(value)

    return read


def _is_single(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and 1 <= item <= LAST_PORT


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= LAST_PORT  # noqa: PLR2004 - digits
