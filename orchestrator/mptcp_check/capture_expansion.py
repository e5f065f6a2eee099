"""Expand gzip and zstd piece by piece, so that no file, however hostile, fills the memory."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import zstandard

Read = Callable[[int], bytes]
"""Returns at most so many bytes, none at the end."""

CHUNK_BYTES: Final = 1 << 20
GZIP: Final = b"\x1f\x8b"
"""RFC 1952, section 2.3.1."""
ZSTD: Final = b"\x28\xb5\x2f\xfd"
"""RFC 8878, section 3.1.1."""
ZSTD_SKIPPABLE: Final = frozenset(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))
"""RFC 8878, section 3.1.2; pzstd begins its files with one."""

GZIP_PIECE_BYTES: Final = 1 << 16
"""Compressed bytes expanded at once."""
ZSTD_PIECE_BYTES: Final = 2048
"""Compressed bytes expanded at once: zstd makes at most 32768 of one, hence 64 MiB."""
LARGEST_WINDOW_BYTES: Final = 1 << 27
"""``zstd`` without ``--long`` or ``--ultra`` stays below this, and refuses to read more."""


class _Member(Protocol):
    """What `zlib.decompressobj` gives; its type has no public name."""

    def decompress(self, data: bytes, /) -> bytes: ...


class ExpansionError(Exception):
    """The compressed bytes are damaged or end too early; what was expanded before is right."""


def is_compressed(start: bytes) -> bool:
    """Say whether a file that starts with these bytes is gzip or zstd."""
    return start.startswith((GZIP, ZSTD)) or start[:4] in ZSTD_SKIPPABLE


def expanded(read: Read) -> Iterator[bytes]:
    """Yield what a file holds, expanded if it is compressed.

    Raises:
        ExpansionError: After the last byte that could be expanded.
    """
    start = b""
    while len(start) < 4 and (more := read(CHUNK_BYTES)):  # noqa: PLR2004 - a magic number
        start += more
    if start.startswith(GZIP):
        yield from _gzip(read, start)
    elif is_compressed(start):
        yield from _zstd(read, start)
    else:
        yield from _as_it_is(read, start)


def _as_it_is(read: Read, start: bytes) -> Iterator[bytes]:
    yield start
    while chunk := read(CHUNK_BYTES):
        yield chunk


def _gzip(read: Read, start: bytes) -> Iterator[bytes]:
    """Expand members one after the other: RFC 1952, section 2.2."""
    waiting = start
    while waiting:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            waiting = waiting or read(GZIP_PIECE_BYTES)
            if not waiting:
                raise ExpansionError("the file ends inside its gzip data")
            before = member.copy()
            try:
                yield member.decompress(waiting, CHUNK_BYTES)
            except zlib.error:
                yield from _up_to_the_damage(before, waiting)
            waiting = member.unconsumed_tail
        waiting = member.unused_data.lstrip(b"\0") or read(GZIP_PIECE_BYTES).lstrip(b"\0")
        if len(waiting) == 1:
            waiting += read(CHUNK_BYTES)
        if waiting and not waiting.startswith(GZIP):
            raise ExpansionError("something that is not gzip follows the gzip data")


def _up_to_the_damage(member: _Member, damaged: bytes) -> Iterator[bytes]:
    """Yield what can be had of a piece that failed as a whole.

    Raises:
        ExpansionError: Always.
    """
    for at in range(len(damaged)):
        try:
            yield member.decompress(damaged[at : at + 1])
        except zlib.error as e:
            raise ExpansionError(f"damaged gzip data ({e})") from None
    raise ExpansionError("damaged gzip data")


def _zstd(read: Read, start: bytes) -> Iterator[bytes]:
    """Expand frames one after the other: RFC 8878, section 3."""
    machine = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES)
    frame = machine.decompressobj()
    begun = False
    chunk = start
    while chunk:
        for at in range(0, len(chunk), ZSTD_PIECE_BYTES):
            piece = chunk[at : at + ZSTD_PIECE_BYTES]
            while piece:
                try:
                    yield frame.decompress(piece)
                except zstandard.ZstdError as e:
                    raise ExpansionError(f"damaged zstd data ({e})") from None
                begun = not frame.eof
                piece = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame = machine.decompressobj()
        chunk = read(CHUNK_BYTES)
    if begun:
        raise ExpansionError("the file ends inside its zstd data")
