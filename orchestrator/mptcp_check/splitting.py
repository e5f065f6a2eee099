"""Take captures apart: one file per Multipath TCP connection, one for all the rest.

Records are copied as they are, byte for byte, with what has to stand before them; the file's kind
stays.  A connection that tried Multipath TCP and fell back has a file, too.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Self

import numpy as np

from mptcp_check import new_folder
from mptcp_check.analysis.capture.record_bounds import Bounds, bounds
from mptcp_check.analysis.flows.subflows import Kind
from mptcp_check.analysis.tables.placing import place
from mptcp_check.inspecting import Inspected

REST: Final = 0
"""Number of the part that takes what belongs to no connection; connection 0 has the next one."""
MOST_OPEN: Final = 128
"""Files open at one time: systems allow 256 and more."""


def split(captures: Sequence[Inspected], folder: Path) -> None:
    """Write the parts of captures to a folder.

    Args:
        captures: What was inspected; connections are numbered through, as in the document.
        folder: New or empty; it is written whole or not at all.

    Raises:
        UsageError: The folder cannot be written.
    """
    first = 0
    with new_folder.whole(folder) as place_to_write:
        for index, inspected in enumerate(captures):
            rest = "rest" if len(captures) == 1 else f"rest-{index}"
            _split_one(inspected, place_to_write, first=first, rest=rest)
            first += len(inspected.inspection.connections)


def _split_one(inspected: Inspected, folder: Path, *, first: int, rest: str) -> None:
    found, given = inspected.inspection, inspected.given
    octets = given.octets
    own = np.array([c.kind is not Kind.TCP for c in found.connections], dtype=np.bool_)
    part_of = np.zeros(found.packets_count, dtype=np.int64)
    for placed in place(octets, found.connections, given.release):
        parts = np.where(own[placed.connection], placed.connection + 1, REST)
        part_of[placed.packets.frame.astype(np.int64) - 1] = parts
    names = {REST: folder / f"{rest}.{found.format}"}
    for connection in found.connections:
        names[connection.id + 1] = folder / f"connection-{first + connection.id}.{found.format}"
    with _Parts(names) as files:
        for records in bounds(octets, found.packets_count):
            here = part_of[records.first_frame - 1 :][: len(records.start)]
            files.describe(records.descriptions)
            _copy(octets.data, records, here, files)
            given.release(int(records.start[0]), int(records.end[-1]))


def _copy(octets: memoryview, records: Bounds, part_of: np.ndarray, files: "_Parts") -> None:
    """Copy records to their parts; neighbours that go to the same place in one piece."""
    order = np.argsort(part_of, kind="stable")
    part, start, end = part_of[order], records.start[order], records.end[order]
    breaks = np.flatnonzero((part[1:] != part[:-1]) | (start[1:] != end[:-1])) + 1
    begin = np.concatenate([[0], breaks])
    stop = np.concatenate([breaks, [len(part)]]) - 1
    for number, at, until in zip(
        part[begin].tolist(), start[begin].tolist(), end[stop].tolist(), strict=True
    ):
        files.of(number).write(octets[at:until])


class _Parts:
    """The files that are written, more than can be open at one time."""

    def __init__(self, names: dict[int, Path]) -> None:
        self._names = names
        self._open: OrderedDict[int, IO[bytes]] = OrderedDict()
        self._descriptions: list[bytes] = []
        self._described: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def describe(self, descriptions: Sequence[bytes]) -> None:
        """Take what has to stand before the records that follow, in every part."""
        self._descriptions += descriptions

    def of(self, number: int) -> IO[bytes]:
        """Return the open file of a part, with all descriptions in it."""
        file = self._open.pop(number, None)
        if file is None:
            if len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            file = self._names[number].open("ab")
        self._open[number] = file
        for description in self._descriptions[self._described.get(number, 0) :]:
            file.write(description)
        self._described[number] = len(self._descriptions)
        return file
