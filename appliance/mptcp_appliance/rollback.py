"""What this computer remembers of each catalogue: whose key it trusts, and how far it has seen.

A key is trusted because the user gave it with the address of the catalogue, never because a
server offered it. A catalogue older than the newest one seen is refused, and one that expired:
otherwise somebody in between could offer images with known holes for ever (rollback and freeze
attacks, The Update Framework 1.0.33, sections 1.5.2 and 5.4).
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mptcp_appliance import durable, signing, strict_json
from mptcp_appliance.catalogue import Catalogue
from mptcp_appliance.errors import ImageError
from mptcp_appliance.signing import PublicKey

SCHEMA: Final = "mptcp-check.trusted-catalogues/1"
_LIMIT_BYTES: Final = 1 << 20
_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What is known of one catalogue."""

    url: str
    key: PublicKey
    former: tuple[PublicKey, ...] = ()
    """Keys that were trusted before and handed over."""
    version: int = 0
    """The newest one seen; 0 before the first."""
    sha256: str = ""
    """Of that one, in hexadecimal."""

    def seeing(self, catalogue: Catalogue, data: bytes) -> "Pin":
        """Return what is known after this catalogue was accepted."""
        digest = hashlib.sha256(data).hexdigest()
        return dataclasses.replace(self, version=catalogue.version, sha256=digest)


def check(pin: Pin, catalogue: Catalogue, data: bytes, *, now_s: int) -> None:
    """See that a catalogue, whose signature was checked, may be believed now.

    Raises:
        ImageError: It is older than one that was seen, another one of the same version, or
            expired.
    """
    if catalogue.version < pin.version:
        raise ImageError(
            f"the catalogue {pin.url} has version {catalogue.version}, "
            f"version {pin.version} was seen before: an older one is refused",
            hint="try another network; if it stays, ask those who sign the catalogue",
        )
    if catalogue.version == pin.version and hashlib.sha256(data).hexdigest() != pin.sha256:
        raise ImageError(
            f"the catalogue {pin.url} has the version {pin.version} that was seen before, "
            "with other content",
            hint="ask those who sign it: each signing must raise the version",
        )
    if catalogue.expires_s <= now_s:
        raise ImageError(
            f"the catalogue {pin.url} expired at {strict_json.time_text(catalogue.expires_s)}, "
            f"and this computer's clock says {strict_json.time_text(now_s)}",
            hint="correct the clock, or ask those who publish it to sign it again "
            "(`mptcp-check image sign`); images that are here already still boot",
        )


def pins(path: Path) -> dict[str, Pin]:
    """Return what is known of each catalogue, by URL; nothing if there is no such file.

    Raises:
        ImageError: The file cannot be read; it is never taken for an empty one.
    """
    try:
        data = strict_json.read_limited(path, _LIMIT_BYTES)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise _unreadable(path, e) from e
    try:
        return parse(data)
    except ValueError as e:
        raise _unreadable(path, e) from e


def parse(data: bytes) -> dict[str, Pin]:
    """Read the file's content.

    Raises:
        ValueError: It is something else.
    """
    table = strict_json.table(data, schema=SCHEMA)
    found = [
        Pin(
            url=strict_json.text(row, "url"),
            key=signing.parse_public_key(strict_json.text(row, "key", limit_chars=100)),
            former=tuple(map(signing.parse_public_key, _texts(row, "former"))),
            version=strict_json.count(row, "version"),
            sha256="" if row.get("sha256") == "" else strict_json.sha256(row),
        )
        for row in strict_json.rows(table, "catalogues", limit=_MOST)
    ]
    return {pin.url: pin for pin in found}


def _texts(row: strict_json.Table, key: str) -> list[str]:
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key} is not a list of texts")
    return value


def write(known: Mapping[str, Pin]) -> bytes:
    """Return the file's content."""
    return strict_json.written(
        {
            "schema": SCHEMA,
            "catalogues": [
                {
                    "url": pin.url,
                    "key": pin.key.text,
                    "former": [key.text for key in pin.former],
                    "version": pin.version,
                    "sha256": pin.sha256,
                }
                for pin in known.values()
            ],
        }
    )


def keep(path: Path, url: str, change: Callable[[Pin | None], Pin]) -> Pin:
    """Change what is known of a catalogue, whole or not at all, with nobody else in between.

    Args:
        path: The file; it and its folder are made if they are not there.
        url: Of the catalogue.
        change: Gets what is known, and returns what shall be.

    Raises:
        ImageError: The file cannot be read or written, or `change` says so.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.alone(path.with_name(f".{path.name}{durable.LOCK}")):
            known = pins(path)
            pin = change(known.get(url))
            known[url] = pin
            durable.replace(path, write(known), mode=0o600)
    except OSError as e:
        raise ImageError(
            f"{path} cannot be written: {e.strerror}",
            hint="what is remembered there protects against old catalogues: make it writable",
        ) from e
    return pin


def _unreadable(path: Path, reason: Exception) -> ImageError:
    return ImageError(
        f"{path}, which remembers the trusted keys, cannot be read: {reason}",
        hint="look at it; after removing it, each catalogue needs its key again: "
        "`mptcp-check image fetch URL --key KEY`",
    )
