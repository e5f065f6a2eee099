"""Framing of classic capture files: draft-ietf-opsawg-pcap, sections 4 and 5."""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from mptcp_check.analysis.capture.kernels import kernel, u32
from mptcp_check.analysis.capture.records import (
    BROKEN,
    ENDED,
    INCOMPLETE,
    LARGEST_FRAME_BYTES,
    TABLE_FULL,
    AnyBuffer,
    Framing,
    Interface,
    Records,
    Step,
    framing_of,
    nothing,
)

FILE_HEADER_BYTES: Final = 24


class Variant(NamedTuple):
    """What a magic number says about a file."""

    little: bool
    """The machine that wrote it was little-endian."""
    nanoseconds_per_tick: int
    record_header_bytes: int


MAGICS: Final[dict[bytes, Variant]] = {
    b"\xa1\xb2\xc3\xd4": Variant(False, 1000, 16),  # noqa: FBT003 - a table row
    b"\xd4\xc3\xb2\xa1": Variant(True, 1000, 16),  # noqa: FBT003 - a table row
    b"\xa1\xb2\x3c\x4d": Variant(False, 1, 16),  # noqa: FBT003 - a table row
    b"\x4d\x3c\xb2\xa1": Variant(True, 1, 16),  # noqa: FBT003 - a table row
    # Alexey Kuznetzov's variant, which old Linux distributions wrote: 8 bytes more per record.
    b"\xa1\xb2\xcd\x34": Variant(False, 1000, 24),  # noqa: FBT003 - a table row
    b"\x34\xcd\xb2\xa1": Variant(True, 1000, 24),  # noqa: FBT003 - a table row
}

END, FULL, HEADER_CUT, FRAME_CUT, LENGTH_LIES = range(5)
"""Why `frame_records` stopped."""

_STATES: Final = {
    END: ENDED,
    FULL: TABLE_FULL,
    HEADER_CUT: INCOMPLETE,
    FRAME_CUT: INCOMPLETE,
    LENGTH_LIES: BROKEN,
}

REASONS: Final[dict[int, str]] = {
    HEADER_CUT: "the file ends inside a record header",
    FRAME_CUT: "the file ends inside a frame",
    LENGTH_LIES: f"a frame length beyond {LARGEST_FRAME_BYTES} bytes",
}


def frame(buffer: AnyBuffer) -> Framing:
    """Return the packet records of a classic capture file.

    Args:
        buffer: The file, as `kernels.readable` gives it.

    Returns:
        The records up to the end or to the first one that cannot be right, as after that nothing
        says where the next one starts; then `problems` has one entry.
    """
    if MAGICS.get(bytes(buffer[:4])) is None:
        return nothing("no magic number of a capture file")
    reader = PcapReader()
    framing = framing_of(reader, buffer)
    return framing if reader.interfaces else replace(framing, format="")


class PcapReader:
    """Reads a classic capture file, whole or block by block, from its file header on."""

    def __init__(self) -> None:
        self.format = "pcap"
        self.interfaces: list[Interface] = []
        self._variant = Variant(little=True, nanoseconds_per_tick=1000, record_header_bytes=16)

    def read(self, buffer: AnyBuffer, at: int, records: Records, count: int) -> Step:
        """Fill `records` from row `count` on with the frames from offset `at` on."""
        if not self.interfaces:
            if len(buffer) < FILE_HEADER_BYTES:
                reason = "the file ends inside the file header"
                return Step(at=len(buffer), filled=count, state=INCOMPLETE, reason=reason)
            self._variant = MAGICS[bytes(buffer[:4])]
            # The upper 16 bits of the field tell of frame check sequences: section 4, "FCS len".
            link_type = int(u32(buffer, 20, self._variant.little)) & 0xFFFF
            snap_bytes = int(u32(buffer, 16, self._variant.little))
            self.interfaces.append(Interface(name="", link_type=link_type, snap_bytes=snap_bytes))
            at = FILE_HEADER_BYTES
        at, count, why = frame_records(
            buffer,
            at,
            self._variant.little,
            self._variant.nanoseconds_per_tick,
            self._variant.record_header_bytes,
            records,
            count,
        )
        return Step(int(at), int(count), _STATES[int(why)], REASONS.get(int(why), ""))


@kernel
def frame_records(  # noqa: PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    little: bool,  # noqa: FBT001 - kernels take positions
    nanoseconds_per_tick: int,
    header_bytes: int,
    records: Records,
    count: int,
) -> tuple[int, int, int]:
    """Fill `records` from row `count` on, starting at offset `at`.

    Returns:
        The offset of the first record not taken, the count of rows filled, and why it stopped.
    """
    end = len(buffer)
    room = len(records.offset)
    while at < end:
        if count == room:
            return at, count, FULL
        if end - at < header_bytes:
            return at, count, HEADER_CUT
        captured = u32(buffer, at + 8, little)
        if captured > LARGEST_FRAME_BYTES:
            return at, count, LENGTH_LIES
        if captured > end - at - header_bytes:
            return at, count, FRAME_CUT
        seconds = u32(buffer, at, little)
        ticks = u32(buffer, at + 4, little)
        records.offset[count] = at + header_bytes
        records.captured[count] = captured
        records.wire[count] = u32(buffer, at + 12, little)
        records.time_ns[count] = seconds * 1_000_000_000 + ticks * nanoseconds_per_tick
        records.interface[count] = 0
        count += 1
        at += header_bytes + captured
    return at, count, END
