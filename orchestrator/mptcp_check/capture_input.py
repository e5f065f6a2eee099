"""Bring a capture file before the pure reader: opened, expanded if compressed, never too large."""

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Protocol

import zstandard

from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.errors import CaptureError

LARGEST_BYTES = 4 << 30
"""Of a capture, expanded: more than this is refused before it fills the memory."""

CHUNK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
"""RFC 1952, section 2.3.1."""
ZSTD = b"\x28\xb5\x2f\xfd"
"""RFC 8878, section 3.1.1."""


def read(path: Path, *, largest_bytes: int = LARGEST_BYTES) -> Capture:
    """Read a pcap or pcapng file, also compressed with gzip or zstd.

    Raises:
        CaptureError: It cannot be opened, is too large, or nothing in it could be read.
    """
    try:
        with path.open("rb") as file:
            content = _content(file, path, largest_bytes)
    except OSError as e:
        raise CaptureError(
            f"{path} cannot be read: {e.strerror or e}", hint="name a pcap or pcapng file"
        ) from None
    capture = capture_file.read(content)
    if not capture.format:
        reason = capture.problems[0].reason if capture.problems else "it holds nothing"
        raise CaptureError(f"{path} is no capture: {reason}", hint="name a pcap or pcapng file")
    return capture


def _content(file: IO[bytes], path: Path, largest_bytes: int) -> bytes:
    start = file.read(4)
    file.seek(0)
    if start.startswith(GZIP):
        return _expanded(gzip.GzipFile(fileobj=file), path, largest_bytes)
    if start.startswith(ZSTD):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        return _expanded(reader, path, largest_bytes)
    return _expanded(file, path, largest_bytes)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _expanded(source: _Source, path: Path, largest_bytes: int) -> bytes:
    whole = io.BytesIO()
    try:
        while chunk := source.read(CHUNK_BYTES):
            whole.write(chunk)
            if whole.tell() > largest_bytes:
                raise CaptureError(
                    f"{path} holds more than {largest_bytes >> 20} MiB", hint="cut it with editcap"
                )
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as e:
        if not whole.tell():
            raise CaptureError(f"{path} cannot be expanded: {e}", hint="is it whole?") from None
    return whole.getvalue()  # what came before the damage is read
