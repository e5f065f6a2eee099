"""The newc cpio archive that Linux unpacks as its first root; written the same way every time.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
Thirteen eight-digit hexadecimal fields after the magic, the name with its zero byte, then
the data; name and data each padded to four bytes. The archive ends with ``TRAILER!!!``.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mptcp_appliance.errors import ImageError

_MAGIC = b"070701"
_HEADER_BYTES = 110
_FIELDS = 13
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of an archive; it belongs to root."""

    path: str
    """Without a slash in front."""
    mode: int
    """Type and permission bits, as in ``st_mode``."""
    data: bytes = b""
    """Content of a file, target of a symbolic link."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""


def directory(path: str) -> Entry:
    """Return a directory that everybody may enter."""
    return Entry(path=path, mode=stat.S_IFDIR | 0o755)


def program(path: str, data: bytes) -> Entry:
    """Return a file that may be executed."""
    return Entry(path=path, mode=stat.S_IFREG | 0o755, data=data)


def file(path: str, data: bytes) -> Entry:
    """Return a file that may be read."""
    return Entry(path=path, mode=stat.S_IFREG | 0o644, data=data)


def character_device(path: str, major: int, minor: int) -> Entry:
    """Return a character device node for root."""
    return Entry(path=path, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def write(entries: Iterable[Entry], *, mtime_s: int) -> bytes:
    """Return the archive of the entries in their order.

    The same entries give the same bytes: inode numbers count from 1, every time is
    `mtime_s` (seconds since 1970).

    Raises:
        ValueError: A name is empty, the trailer's, or has a zero byte; content of 4 GiB
            or more does not fit the format.
    """
    return b"".join(_pieces(entries, mtime_s))


def _pieces(entries: Iterable[Entry], mtime_s: int) -> Iterator[bytes]:
    for inode, entry in enumerate(entries, start=1):
        if not entry.path or "\0" in entry.path or entry.path == _TRAILER:
            raise ValueError(f"{entry.path!r} cannot be a name in a cpio archive")
        if len(entry.data) >= 1 << 32:
            raise ValueError(
                f"{entry.path} has {len(entry.data)} bytes; a cpio archive takes 4 GiB"
            )
        yield from _record(entry, inode, mtime_s)
    yield from _record(Entry(path=_TRAILER, mode=0), 0, 0)


def _record(entry: Entry, inode: int, mtime_s: int) -> Iterator[bytes]:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    owner = device = check = 0
    fields = (
        *(inode, entry.mode, owner, owner, links, mtime_s, len(entry.data)),
        *(device, device, *entry.device, len(name), check),
    )
    yield _padded(_MAGIC + b"".join(b"%08X" % field for field in fields) + name)
    yield _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def read(archive: bytes) -> tuple[Entry, ...]:
    """Return the entries of an archive that `write` made.

    Raises:
        ImageError: It is not a whole newc archive.
    """
    entries: list[Entry] = []
    at = 0
    while True:
        header = archive[at : at + _HEADER_BYTES]
        try:
            numbers = [int(header[6 + 8 * n : 14 + 8 * n], 16) for n in range(_FIELDS)]
        except ValueError as e:
            raise ImageError(f"not a newc cpio archive: no header at byte {at}") from e
        mode, data_bytes, name_bytes = numbers[1], numbers[6], numbers[11]
        name_at = at + _HEADER_BYTES
        data_at = name_at + name_bytes + -(_HEADER_BYTES + name_bytes) % 4
        end = data_at + data_bytes
        if header[:6] != _MAGIC or end > len(archive) or name_bytes == 0:
            raise ImageError(f"not a newc cpio archive: the entry at byte {at} is not whole")
        path = archive[name_at : name_at + name_bytes - 1].decode(errors="surrogateescape")
        if path == _TRAILER:
            return tuple(entries)
        entries.append(
            Entry(
                path=path,
                mode=mode,
                data=archive[data_at:end],
                device=(numbers[9], numbers[10]),
            )
        )
        at = end + -data_bytes % 4
