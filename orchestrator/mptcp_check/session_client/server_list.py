"""The list of measurement servers that a user or a lab keeps: TOML or JSON, with priorities."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mptcp_check.errors import UsageError

DEFAULT_PORT: Final = 34380
LARGEST_BYTES: Final = 65_536
MOST_SERVERS: Final = 100
LOWEST_PRIORITY: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServer:
    """One server of a list."""

    host: str
    port: int
    priority: int = 10
    """As of DNS's MX records: the lowest number is tried first (RFC 5321, section 5.1)."""
    fingerprint: str = ""
    """SHA-256 of the certificate, 64 hexadecimal digits; empty: the usual authorities decide."""

    @property
    def url(self) -> str:
        """Return its address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def server(url: str, *, priority: int = 10, fingerprint: str = "") -> KnownServer:
    """Return a server by its URL: ``https://host[:port]``; PURE.

    Raises:
        UsageError: That is none.
    """
    wanted = "a measurement server is named as https://HOST or https://HOST:PORT"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{url} cannot be used", hint=wanted) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not host or extra or port == 0:
        raise UsageError(f"{url} cannot be used", hint=wanted)
    digits = fingerprint.replace(":", "").lower()
    if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise UsageError(
            f"{fingerprint} is no fingerprint", hint="SHA-256 has 64 hexadecimal digits"
        )
    return KnownServer(host=host, port=port or DEFAULT_PORT, priority=priority, fingerprint=digits)


def load(path: Path) -> tuple[KnownServer, ...]:
    """Read a list: TOML, or JSON if the file's name ends so.

    Raises:
        UsageError: It cannot be read or is no list of servers.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_BYTES + 1)
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {(e.strerror or str(e)).lower()}") from None
    if len(octets) > LARGEST_BYTES:
        raise UsageError(f"{path} has more than {LARGEST_BYTES} bytes: that is no list of servers")
    try:
        return parse(octets.decode(), as_json=path.suffix == ".json")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8") from None
    except UsageError as e:
        raise UsageError(f"{path}: {e.message}", hint=e.hint) from None


def parse(text: str, *, as_json: bool) -> tuple[KnownServer, ...]:
    """Return the servers of a list; PURE.

    A list has one member, ``servers``: tables with ``url`` and, if wanted, ``priority`` and
    ``fingerprint``.

    Raises:
        UsageError: That is none.
    """
    try:
        document: Any = json.loads(text) if as_json else tomllib.loads(text)
    except (ValueError, RecursionError) as e:
        raise UsageError(f"cannot be read: {e}") from None
    rows = document.get("servers") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_SERVERS:
        raise UsageError(
            "is no list of servers", hint='write [[servers]] with url = "https://HOST:PORT"'
        )
    found = tuple(_row(number, row) for number, row in enumerate(rows, 1))
    if len({(one.host, one.port) for one in found}) != len(found):
        raise UsageError("names a server twice")
    return found


def _row(number: int, row: object) -> KnownServer:
    if not isinstance(row, dict) or not isinstance(row.get("url"), str):
        raise UsageError(f"server {number} has no url")
    unknown = ", ".join(str(name) for name in row if name not in ("url", "priority", "fingerprint"))
    if unknown:
        raise UsageError(f"server {number}: unknown: {unknown}")
    priority, fingerprint = row.get("priority", 10), row.get("fingerprint", "")
    if type(priority) is not int or not 0 <= priority <= LOWEST_PRIORITY:
        raise UsageError(f"server {number}: a priority is a number from 0 to {LOWEST_PRIORITY}")
    if not isinstance(fingerprint, str):
        raise UsageError(f"server {number}: a fingerprint is a text")
    return server(row["url"], priority=priority, fingerprint=fingerprint)
