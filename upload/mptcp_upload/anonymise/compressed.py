"""Compressed data wherever it begins in some bytes: gzip, zlib, zstd, bzip2, xz.

Found by how it begins, expanded as far as it goes, never further than a cap: what is cut off or
damaged later on still says what it said before.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import zstandard

EXPANDED_BYTES_LIMIT: Final = 16 << 20
"""Of one of them; beyond it nobody looks."""
ALL_EXPANDED_BYTES_LIMIT: Final = 128 << 20
"""Of all of them in the same bytes; what follows is as one that is cut."""
_BLOCK_BYTES: Final = 256
"""What is lost of data that is damaged in the middle of such a block."""
_MEMORY_BYTES_LIMIT: Final = 64 << 20
_WINDOW_BYTES_LIMIT: Final = 8 << 20
_SHORTEST: Final = 4
"""Less says nothing, and random bytes often begin like something compressed."""

_BEGINNINGS: Final = {
    b"\x1f\x8b\x08": "gzip",  # RFC 1952
    b"\x78\x01": "zlib",  # RFC 1950, with the usual window
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"\x28\xb5\x2f\xfd": "zstd",  # RFC 8878
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """One stretch of compressed data."""

    kind: str
    start: int
    end: int
    """Where it ends, or is damaged."""
    content: bytes
    """Expanded."""
    is_cut: bool
    """There is more than the cap."""


class _Expander(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Capped:
    """One of zlib, which needs telling how much it may give."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)  # gzip or zlib by its header
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, /) -> bytes:
        out = self._inner.decompress(data, EXPANDED_BYTES_LIMIT)
        self.eof, self.unused_data = self._inner.eof, self._inner.unused_data
        return out


_EXPANDERS: Final[dict[str, Callable[[], _Expander]]] = {
    "gzip": _Capped,
    "zlib": _Capped,
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_LIMIT).decompressobj(),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_MEMORY_BYTES_LIMIT),
}


def find(octets: bytes) -> Iterator[Compressed]:
    """Give what is compressed in some bytes; never raises, whatever they are."""
    looked_to, left_bytes = 0, ALL_EXPANDED_BYTES_LIMIT
    for start, kind in sorted(_begun(octets)):
        if start < looked_to:
            continue
        if left_bytes < 0:
            rest = len(octets)
            yield Compressed(kind=kind, start=start, end=rest, content=b"", is_cut=True)
            return
        content, end, is_cut = _expanded(octets, start, _EXPANDERS[kind]())
        left_bytes -= len(content)
        if len(content) >= _SHORTEST:
            yield Compressed(kind=kind, start=start, end=end, content=content, is_cut=is_cut)
            looked_to = end


def _begun(octets: bytes) -> Iterator[tuple[int, str]]:
    for beginning, kind in _BEGINNINGS.items():
        at = octets.find(beginning)
        while at >= 0:
            yield at, kind
            at = octets.find(beginning, at + 1)


def _expanded(octets: bytes, start: int, expander: _Expander) -> tuple[bytes, int, bool]:
    out, size_bytes, at = [], 0, start
    while at < len(octets) and not expander.eof:
        try:
            part = expander.decompress(octets[at : at + _BLOCK_BYTES])
        except (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError, EOFError, MemoryError):
            break
        at += _BLOCK_BYTES
        out.append(part)
        size_bytes += len(part)
        if size_bytes > EXPANDED_BYTES_LIMIT:
            return b"".join(out), min(at, len(octets)), True
    return b"".join(out), min(at, len(octets)) - len(expander.unused_data), False
