"""How a kind of server hands out a content, and where what was sent to it is found again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mptcp_guest import payload
from mptcp_guest.messages import Content, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Three ways about one name, which is a plain one already; each gets the common folder."""

    offer: Callable[[Path, str, Content], Digest]
    """Make a content of that name ready to be fetched."""
    received: Callable[[Path, str], Digest | None]
    """Digest what was sent under that name; none when nothing came."""
    discard: Callable[[Path, str], None]
    """Forget both."""


def _offer(files: Path, name: str, content: Content) -> Digest:
    return payload.write(files / "down" / name, content)


def _received(files: Path, name: str) -> Digest | None:
    return payload.digest_of_file(files / "up" / name)


def _discard(files: Path, name: str) -> None:
    for directory in ("down", "up"):
        (files / directory / name).unlink(missing_ok=True)


FILES = Shelf(offer=_offer, received=_received, discard=_discard)
"""Files: handed out as ``/down/NAME``, taken in as ``/up/NAME``."""
