"""How a kind of server hands out a content, and where what was sent to it is found again."""

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where a program keeps values by their keys; each gets the folder that its shelf got."""

    put: Callable[[Path, str, bytes], None]
    get: Callable[[Path, str], bytes | None]
    """Return a value; none when nothing came."""
    delete: Callable[[Path, Sequence[str]], None]


def own_key(_: Path, name: str, way: str) -> str:
    """Return the key of a name whose server is nobody else's; PURE."""
    return f"{way}/{name}"


def of_memory(memory: Memory, key: Callable[[Path, str, str], str] = own_key) -> Shelf:
    """Return the shelf of values in a program's memory.

    Args:
        memory: Where they are.
        key: Of a folder, a name and a way, ``down`` or ``up``.
    """

    def offer(folder: Path, name: str, content: Content) -> Digest:
        value = b"".join(payload.blocks(content))
        memory.put(folder, key(folder, name, "down"), value)
        return payload.digest_of(value)

    def received(folder: Path, name: str) -> Digest | None:
        value = memory.get(folder, key(folder, name, "up"))
        return None if value is None else payload.digest_of(value)

    def discard(folder: Path, name: str) -> None:
        memory.delete(folder, [key(folder, name, way) for way in ("down", "up")])

    return Shelf(offer=offer, received=received, discard=discard)
