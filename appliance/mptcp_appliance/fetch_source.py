"""Where a catalogue lies: a web server or a folder, and its address."""

import re
import urllib.parse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mptcp_appliance.catalogue import CATALOGUE
from mptcp_appliance.errors import ImageError

_SCHEMES = ("http", "https", "file")


class SourceError(Exception):
    """A source did not give what it was asked for.

    Args:
        reason: In words that continue "PATH: ".
        again: Whether asking again may help.
        absent: Whether the source says that there is no such file.
    """

    def __init__(self, reason: str, *, again: bool, absent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.absent = absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A file on its way."""

    offset_bytes: int
    """Where it begins: as asked for, or 0 where the source gives whole files only."""
    total_bytes: int | None
    """Size of the whole file, as the source says; none if it does not say."""
    validator: str
    """What names this state of the file, to ask for the rest of the same; empty if nothing does."""
    chunks: Iterator[bytes]
    """May end early without an error; may raise a `SourceError`."""


class Source(Protocol):
    """One catalogue's place."""

    def small(self, path: str, *, limit_bytes: int) -> bytes:
        """Return a whole small file, as it is now.

        Raises:
            SourceError: It is not there, larger than the limit, or did not come.
        """

    def open(
        self, path: str, *, offset_bytes: int, validator: str
    ) -> AbstractContextManager[Delivery]:
        """Ask for a file from an offset on; for all of it if it is not in that state any more.

        Raises:
            SourceError: It is not there or does not come.
        """


def address(given: str) -> str:
    """Return the URL of a catalogue's folder, in the one form under which it is remembered.

    Args:
        given: A URL, or the path of a folder on this computer; with or without the name of
            the document itself.

    Raises:
        ImageError: It is neither.
    """
    given = given.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", given):
        return Path(given).absolute().as_uri().removesuffix(f"/{CATALOGUE}")
    try:
        parts = urllib.parse.urlsplit(given)
        port = f":{parts.port}" if parts.port is not None else ""
        host = parts.hostname or ""
    except ValueError as e:
        raise ImageError(f"{given} is not a URL: {e}") from None
    if parts.scheme.lower() not in _SCHEMES or (not host) != (parts.scheme.lower() == "file"):
        raise ImageError(
            f"{given} is not the address of a catalogue",
            hint="give https://HOST/PATH, http://HOST/PATH, file:///PATH or a folder",
        )
    if parts.username is not None or parts.password is not None:
        raise ImageError(
            "the address of a catalogue holds no user and password: it is shown and remembered",
            hint="put them into ~/.netrc",
        )
    if parts.query or parts.fragment or not given.isprintable() or " " in given:
        raise ImageError(f"{given} is not the address of a folder", hint="leave out what follows ?")
    name = f"[{host}]" if ":" in host else host
    path = parts.path.removesuffix(f"/{CATALOGUE}").rstrip("/")
    return f"{parts.scheme.lower()}://{name}{port}{path}"
