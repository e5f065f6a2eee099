"""Bring a capture before the pure reader: opened, expanded if compressed, read in blocks.

A plain file is read as it lies.  What is compressed or comes through a pipe is first written to a
nameless temporary file, which the system removes with the last use of it: the reader has one kind
of input, and the memory stays free whatever the size.

Blocks are copied out of the file, not mapped: who looks at a mapped page that somebody has cut off
meanwhile is ended by SIGBUS, whatever was checked before.
"""

import os
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import capture_file, pcap_framing, pcapng_framing
from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.records import Problem
from mptcp_check.capture_expansion import (
    ExpansionError,
    Read,
    expanded,
    is_compressed,
)
from mptcp_check.capture_pipe import Pipe
from mptcp_check.errors import CaptureError

STANDARD_INPUT: Final = Path("-")

LARGEST_BYTES: Final = 64 << 30
"""Of what is compressed or comes through a pipe: more is not taken, so that no disk is filled."""
LARGEST_RATIO: Final = 250
"""Expanded to compressed bytes.  Captures shrink five to fifty times, with payloads of nothing but
zeros some 200 times; bombs of gzip reach 1030, of zstd 30,000."""
HARMLESS_BYTES: Final = 64 << 20
"""Up to this, any ratio is taken."""
MAGICS: Final = frozenset({pcapng_framing.MAGIC, *pcap_framing.MAGICS})

SHRUNK: Final = "the file became shorter while it was read"
NOTHING: Final = np.empty(0, dtype=np.uint8)

UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"

Progress = Callable[[int, int | None], None]
"""Told the bytes taken so far, and how many there are to take where that is known."""


class CaptureFile:
    """A file that is read in blocks, by its own descriptor, which goes with it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self._descriptor)
        self._buffer = np.empty(0, dtype=np.uint8)

    def block(self, at: int, size: int) -> npt.NDArray[np.uint8]:
        """Return some bytes, fewer where the file ends; valid until the next ones are asked for.

        Raises:
            CaptureError: They cannot be read.
        """
        if size > len(self._buffer):
            self._buffer = np.empty(size, dtype=np.uint8)
        room = memoryview(self._buffer.data)[:size]
        filled = 0
        while filled < size:
            try:
                got = os.preadv(self._descriptor, [room[filled:]], at + filled)
            except OSError as e:
                raise CaptureError(f"byte {at + filled} cannot be read: {_reason(e)}") from None
            if not got:
                break
            filled += got
        return self._buffer[:filled]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInput:
    """A capture as bytes, and what kept the rest of it away."""

    name: str
    """As the user gave it; for messages."""
    size_bytes: int = 0
    """Of the file, expanded, when it was opened: what is written to it later is not looked at."""
    file: CaptureFile | None = None
    """None if there is nothing in it."""
    problems: tuple[Problem, ...] = ()
    """Why not all of it is there; offsets are those in the expanded file."""

    def block(self, at: int, size: int) -> npt.NDArray[np.uint8]:
        """Return the bytes from an offset on, as many as there are still; see `CaptureFile`."""
        size = min(size, self.size_bytes - at)
        return self.file.block(at, size) if self.file else NOTHING

    def again(self, at: int, size: int) -> npt.NDArray[np.uint8]:
        """Return bytes that were there before.

        Raises:
            CaptureError: They are not there any more.
        """
        found = self.block(at, size)
        if len(found) < min(size, self.size_bytes - at):
            raise CaptureError(f"{self.name}: byte {at + len(found)}: {SHRUNK}")
        return found

    def telling(self, progress: Progress | None) -> Callable[[int, int], npt.NDArray[np.uint8]]:
        """Return `again`, which tells before each block how many bytes came before it."""

        def again(at: int, size: int) -> npt.NDArray[np.uint8]:
            if progress:
                progress(at, self.size_bytes)
            return self.again(at, size)

        return again


def read(path: Path) -> Capture:
    """Read a pcap or pcapng file, also compressed with gzip or zstd.

    Raises:
        CaptureError: It cannot be opened, or nothing in it could be read.
    """
    given = bring(path)
    capture = capture_file.read(given.again(0, given.size_bytes))
    if not capture.format:
        refuse(given, capture.problems)
    return capture


def bring(path: Path, *, progress: Progress | None = None) -> CaptureInput:
    """Open a capture.

    Args:
        path: A file, a named pipe, or `STANDARD_INPUT`; from a pipe all is taken that comes until
            its end or until Ctrl-C.
        progress: Told while bytes are copied.

    Raises:
        CaptureError: It cannot be opened, or is compressed or piped and begins as no capture does.
    """
    name = name_of(path)
    try:
        with ExitStack() as stack:
            descriptor = _opened(path, stack)
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and not os.lseek(descriptor, 0, os.SEEK_CUR):
                if not is_compressed(os.pread(descriptor, 4, 0)):
                    return _opened_again(name, descriptor, about.st_size)
                return _copied(name, lambda n: os.read(descriptor, n), about.st_size, progress)
            pipe = Pipe(descriptor)
            stack.enter_context(pipe.ending_on_interrupt())
            return _copied(name, pipe.read, None, progress)
    except OSError as e:
        raise CaptureError(f"{name} cannot be read: {_reason(e)}") from None


def name_of(path: Path) -> str:
    """Return a path as it can stand in one line on a terminal, whatever is in it."""
    if path == STANDARD_INPUT:
        return "standard input"
    return "".join(sign if sign.isprintable() else UNPRINTABLE for sign in str(path))


def refuse(given: CaptureInput, problems: tuple[Problem, ...]) -> NoReturn:
    """Say that nothing could be read, and why.

    Raises:
        CaptureError: Always.
    """
    first = (*given.problems, *problems, Problem(offset=0, reason="it holds nothing"))[0]
    raise CaptureError(f"{given.name}: byte {first.offset}: {first.reason}; nothing could be read")


def _opened(path: Path, stack: ExitStack) -> int:
    """Return a file descriptor to read from; `stack` closes it.

    Raises:
        CaptureError: Standard input is closed, or a terminal.
        OSError: It cannot be opened, or is a directory.
    """
    if path != STANDARD_INPUT:
        return stack.enter_context(path.open("rb", buffering=0)).fileno()
    if sys.stdin is None:
        raise CaptureError("standard input is closed")
    if sys.stdin.isatty():
        raise CaptureError("standard input is a terminal: pipe a capture into it")
    return sys.stdin.fileno()


def _copied(
    name: str, read: Read, size_bytes: int | None, progress: Progress | None
) -> CaptureInput:
    """Copy a capture, expanded, to where any part of it can be read."""
    taken = at = 0

    def counted(size: int) -> bytes:
        nonlocal taken
        chunk = read(size)
        taken += len(chunk)
        if progress:
            progress(taken, size_bytes)
        return chunk

    problems: tuple[Problem, ...] = ()
    with tempfile.TemporaryFile(prefix="mptcp-check-", buffering=0) as copy:
        try:
            for chunk in _bounded(_capture_only(name, expanded(counted)), lambda: taken):
                at += _write(copy.fileno(), chunk)
        except ExpansionError as e:
            problems = (Problem(offset=at, reason=str(e)),)
        except OSError as e:
            problems = (Problem(offset=at, reason=f"no further copy: {_reason(e)}"),)
        given = replace(_opened_again(name, copy.fileno(), at), problems=problems)
    if problems and not at:
        refuse(given, ())
    return given


def _capture_only(name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on what begins as a capture does: a bomb that holds anything else ends here.

    Raises:
        CaptureError: The first bytes are those of no capture.
    """
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= 4:  # noqa: PLR2004 - a magic number
            break
    if start[:4] not in MAGICS:
        reason = "no magic number of a capture file" if start else "the file is empty"
        if is_compressed(start):
            reason = "compressed more than once"
        refuse(
            CaptureInput(name=name),
            (Problem(offset=0, reason=reason),),
        )
    yield start
    yield from chunks


def _bounded(chunks: Iterator[bytes], taken: Callable[[], int]) -> Iterator[bytes]:
    """Pass chunks on until they are too many, or far more than the bytes taken for them.

    Raises:
        ExpansionError: After the last chunk within bounds.
    """
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > max(HARMLESS_BYTES, LARGEST_RATIO * taken()):
            raise ExpansionError(
                f"it expands more than {LARGEST_RATIO} times, as bombs do;"
                " expand it yourself if you trust it"
            )
        if total > LARGEST_BYTES:
            raise ExpansionError(f"more than {LARGEST_BYTES >> 30} GiB")
        yield chunk


def _write(descriptor: int, chunk: bytes) -> int:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(chunk)


def _opened_again(name: str, descriptor: int, size_bytes: int) -> CaptureInput:
    file = CaptureFile(descriptor) if size_bytes else None
    return CaptureInput(name=name, size_bytes=size_bytes, file=file)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
