"""Take captures apart: one file per Multipath TCP connection, one for all the rest.

Records are copied as they are, byte for byte, with what has to stand before them; the file's kind
stays.  A connection that tried Multipath TCP and fell back has a file, too.
"""

import itertools
import operator
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np

from mptcp_check import new_folder
from mptcp_check.analysis.capture.record_bounds import Bounds, BoundsReader
from mptcp_check.analysis.flows.assembly import TCP
from mptcp_check.analysis.tables.placing import Read, place
from mptcp_check.capture_input import Progress
from mptcp_check.inspecting import Inspected

REST: Final = 0
"""Number of the part that takes what belongs to no connection; connection 0 has the next one."""
MOST_OPEN: Final = 128
"""Files open at one time: systems allow 256 and more."""
WRITTEN_BYTES: Final = 1 << 20
"""Written at once."""


def split(captures: Sequence[Inspected], folder: Path, *, progress: Progress | None = None) -> None:
    """Write the parts of captures to a folder.

    Args:
        captures: What was inspected; connections are numbered through, as in the document.
        folder: New or empty; it is written whole or not at all.
        progress: Told how many bytes of each capture were taken apart.

    Raises:
        UsageError: The folder cannot be written.
    """
    first = 0
    with new_folder.whole(folder) as place_to_write:
        for index, inspected in enumerate(captures):
            rest = "rest" if len(captures) == 1 else f"rest-{index}"
            told = inspected.given.telling(progress)
            _split_one(inspected, told, place_to_write, first=first, rest=rest)
            first += len(inspected.inspection.connections)


def _split_one(inspected: Inspected, read: Read, folder: Path, *, first: int, rest: str) -> None:
    found, given = inspected.inspection, inspected.given
    places = found.connections.places
    own = places.kind != TCP

    def name(number: int) -> Path:
        what = rest if number == REST else f"connection-{first + number - 1}"
        return folder / f"{what}.{found.format}"

    records = BoundsReader()
    done = 0
    with _Parts(name) as files:
        for placed in place(read, given.size_bytes, places):
            packets = placed.packets
            part_of = np.full(packets.frame_count, REST, np.int64)
            parts = np.where(own[placed.connection], placed.connection + 1, REST)
            # frames are counted in 32 bits, also those beyond
            part_of[packets.frame - np.uint32((done + 1) & 0xFFFF_FFFF)] = parts
            done += packets.frame_count
            at = 0
            for some in records.bounds(placed.octets, packets.frame_count):
                files.describe(some.descriptions)
                here = part_of[at : at + len(some.start)]
                _copy(placed.octets.data, some, here, files)
                at += len(some.start)


def _copy(octets: memoryview, records: Bounds, part_of: np.ndarray, files: "_Parts") -> None:
    """Copy records to their parts; neighbours that go to the same place in one piece."""
    order = np.argsort(part_of, kind="stable")
    part, start, end = part_of[order], records.start[order], records.end[order]
    breaks = np.flatnonzero((part[1:] != part[:-1]) | (start[1:] != end[:-1])) + 1
    begin = np.concatenate([[0], breaks])
    stop = np.concatenate([breaks, [len(part)]]) - 1
    pieces = zip(part[begin].tolist(), start[begin].tolist(), end[stop].tolist(), strict=True)
    for number, group in itertools.groupby(pieces, key=operator.itemgetter(0)):
        files.write(number, (octets[at:until] for _, at, until in group))


class _Parts:
    """The files that are written, more than can be open at one time."""

    def __init__(self, name: Callable[[int], Path]) -> None:
        self._name = name
        self._open: OrderedDict[int, int] = OrderedDict()
        self._descriptions: list[bytes] = []
        self._described: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def describe(self, descriptions: Sequence[bytes]) -> None:
        """Take what has to stand before the records that follow, in every part."""
        self._descriptions += descriptions

    def write(self, number: int, pieces: Iterable[memoryview]) -> None:
        """Append records to a part, with all descriptions before them."""
        descriptor = self._opened(number)
        missing = self._descriptions[self._described.get(number, 0) :]
        self._described[number] = len(self._descriptions)
        together, size = list[bytes | memoryview](missing), 0
        for piece in pieces:
            together.append(piece)
            size += len(piece)
            if size >= WRITTEN_BYTES:
                _write(descriptor, b"".join(together))
                together.clear()
                size = 0
        _write(descriptor, b"".join(together))

    def _opened(self, number: int) -> int:
        # Descriptors, as a hundred thousand file objects take longer than what is written to them.
        descriptor = self._open.pop(number, None)
        if descriptor is None:
            if len(self._open) >= MOST_OPEN:
                os.close(self._open.popitem(last=False)[1])
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._name(number), flags, 0o666)
        self._open[number] = descriptor
        return descriptor


def _write(descriptor: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
