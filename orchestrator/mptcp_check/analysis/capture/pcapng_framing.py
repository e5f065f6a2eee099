"""Framing of pcapng files: draft-ietf-opsawg-pcapng, sections 3 and 4.

A kernel runs over the blocks and fills the table of records.  It hands over to Python at each
block that describes a section or an interface, and goes on after it.  As Wireshark does, reading
ends at the first block that cannot be right: nothing says where the next one would start.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import pcapng_blocks as blocks
from mptcp_check.analysis.capture.kernels import kernel, u16, u32
from mptcp_check.analysis.capture.pcapng_blocks import (
    ENHANCED_PACKET,
    INTERFACE_DESCRIPTION,
    INTERFACE_STATISTICS,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
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

MAGIC: Final = b"\x0a\x0d\x0d\x0a"

LARGEST_BLOCK_BYTES: Final = 16 * 1024 * 1024
"""MAX_BLOCK_SIZE of Wireshark (wiretap/pcapng.c); a longer block is a length that lies."""

END, FULL, DESCRIPTION, CUT, LENGTH_LIES, LENGTHS_DIFFER, NO_INTERFACE, FRAME_LIES, SHORT = range(9)
"""Why `frame_blocks` stopped."""

REASONS: Final[dict[int, str]] = {
    CUT: "the file ends inside a block",
    LENGTH_LIES: "a block length that is no multiple of 4, below 12, or beyond 16 MiB",
    LENGTHS_DIFFER: "a block whose two lengths differ",
    NO_INTERFACE: "a packet of an interface that was not described",
    FRAME_LIES: "a packet longer than its block or than 262144 bytes",
    SHORT: "a block too short for its type",
}

_STATES: Final = {END: ENDED, FULL: TABLE_FULL, CUT: INCOMPLETE}
"""All other ends mean that the file is broken."""

SHORTEST_BODY: Final[dict[int, int]] = {
    SECTION_HEADER: 16,
    INTERFACE_DESCRIPTION: 8,
    INTERFACE_STATISTICS: 12,
}
"""Bytes of the fixed part of each describing block."""

Units = npt.NDArray[np.int64]
"""One row per interface of the section: ``if_tsresol``, ``if_tsoffset`` (s), index, snap length."""

LATEST_S: Final = 9_223_372_035
"""The last second whose nanoseconds fit 64 bits (year 2262): times beyond it are set to it."""


def frame(buffer: AnyBuffer) -> Framing:
    """Return the packet records of a pcapng file.

    Args:
        buffer: The file, as `kernels.readable` gives it.

    Returns:
        The records up to the end or to the first block that cannot be right; then `problems` has
        one entry.  Interfaces are numbered through over all sections.
    """
    framing = framing_of(PcapngReader(), buffer)
    problem = framing.problems[0] if framing.problems else None
    if problem and problem.offset == 0:
        return nothing(problem.reason)
    return framing


class PcapngReader:
    """Reads a pcapng file, whole or block by block, from its first section on."""

    def __init__(self) -> None:
        self.format = "pcapng"
        self.interfaces: list[Interface] = []
        self._units: Units = np.zeros((16, 4), np.int64)
        self._section_first = 0
        """Number of the section's first interface over all sections."""
        self._little = True

    def read(self, buffer: AnyBuffer, at: int, records: Records, count: int) -> Step:
        """Fill `records` from row `count` on with the packets from offset `at` on."""
        while True:
            described = len(self.interfaces) - self._section_first
            at, count, why = (
                int(number)
                for number in frame_blocks(
                    buffer, at, self._little, self._units, described, records, count
                )
            )
            if why != DESCRIPTION:
                return Step(at, count, _STATES.get(why, BROKEN), REASONS.get(why, ""))
            length, state, reason = self._describe(buffer, at)
            if reason:
                return Step(at, count, state, reason)
            at += length

    def _describe(self, buffer: AnyBuffer, at: int) -> tuple[int, int, str]:  # noqa: C901 - one branch per block type
        """Take a block that describes; return its length, or a state and a reason."""
        kind = int(u32(buffer, at, self._little))
        little = self._little
        if kind == SECTION_HEADER:
            if len(buffer) - at < 12:  # noqa: PLR2004 - up to the magic
                return 0, INCOMPLETE, "a section without a byte order"
            order = blocks.section_is_little(buffer, at)
            if order is None:
                return 0, BROKEN, "a section without a byte order"
            little = order
        length, why = (int(number) for number in block_length(buffer, at, little))
        end = at + length - 4
        if why == END and length - 12 < SHORTEST_BODY[kind]:
            why = SHORT
        if why != END:
            return 0, _STATES.get(why, BROKEN), REASONS[why]
        if kind == SECTION_HEADER:
            version = int(u16(buffer, at + 12, little))
            if version != 1:
                return 0, BROKEN, f"a section of version {version}, not 1"
            self._little, self._section_first = little, len(self.interfaces)
        elif kind == INTERFACE_DESCRIPTION:
            found, resolution, offset_s = blocks.interface(buffer, at + 8, end, little=little)
            row = len(self.interfaces) - self._section_first
            if row == len(self._units):
                self._units = np.concatenate([self._units, np.zeros_like(self._units)])
            self._units[row] = (resolution, offset_s, len(self.interfaces), found.snap_bytes)
            self.interfaces.append(found)
        else:
            of = self._section_first + int(u32(buffer, at + 8, little))
            if of < len(self.interfaces):
                self.interfaces[of] = blocks.with_statistics(
                    self.interfaces[of], buffer, at + 8, end, little=little
                )
        return length, ENDED, ""


@kernel
def block_length(buffer: Any, at: int, little: bool) -> tuple[int, int]:  # noqa: ANN401, FBT001 - a kernel
    """Return the length of the block at `at`, and `END` or why it cannot be right."""
    if len(buffer) - at < 12:  # noqa: PLR2004 - type and both lengths, section 3.1
        return 0, CUT
    length = u32(buffer, at + 4, little)
    if length < 12 or length % 4 or length > LARGEST_BLOCK_BYTES:  # noqa: PLR2004 - as above
        return 0, LENGTH_LIES
    if length > len(buffer) - at:
        return 0, CUT
    if u32(buffer, at + length - 4, little) != length:
        return 0, LENGTHS_DIFFER
    return length, END


@kernel
def frame_blocks(  # noqa: C901, PLR0911, PLR0912, PLR0917 - one loop over the block types
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    little: bool,  # noqa: FBT001 - kernels take positions
    units: Units,
    interface_count: int,
    records: Records,
    count: int,
) -> tuple[int, int, int]:
    """Fill `records` from row `count` on with the packets of the blocks from offset `at` on.

    Returns:
        The offset of the first block not taken, the count of rows filled, and why it stopped;
        `DESCRIPTION` at a block that Python reads.
    """
    room = len(records.offset)
    while at < len(buffer):
        if len(buffer) - at < 8:  # noqa: PLR2004 - type and length
            return at, count, CUT
        kind = u32(buffer, at, little)
        if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION, INTERFACE_STATISTICS):
            return at, count, DESCRIPTION
        length, why = block_length(buffer, at, little)
        if why != END:
            return at, count, why
        if kind not in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            at += length
            continue
        if count == room:
            return at, count, FULL
        body = length - 12
        fixed = 4 if kind == SIMPLE_PACKET else 20
        if body < fixed:
            return at, count, SHORT
        interface = 0
        time_ns = 0
        if kind == ENHANCED_PACKET:
            interface = u32(buffer, at + 8, little)
        elif kind == PACKET:
            interface = u16(buffer, at + 8, little)
        if interface >= interface_count:
            return at, count, NO_INTERFACE
        if kind == SIMPLE_PACKET:
            # Section 4.4: the captured length is not written, it follows from the snap length.
            wire = u32(buffer, at + 8, little)
            captured = min(wire, body - fixed)
            if units[0, 3] > 0:
                captured = min(captured, units[0, 3])
        else:
            captured = u32(buffer, at + 20, little)
            wire = u32(buffer, at + 24, little)
            time_ns = nanoseconds(
                u32(buffer, at + 12, little),
                u32(buffer, at + 16, little),
                units[interface, 0],
                units[interface, 1],
            )
        if captured > body - fixed or captured > LARGEST_FRAME_BYTES:
            return at, count, FRAME_LIES
        records.offset[count] = at + 8 + fixed
        records.captured[count] = captured
        records.wire[count] = wire
        records.time_ns[count] = time_ns
        records.interface[count] = units[interface, 2]
        count += 1
        at += length
    return at, count, END


@kernel
def nanoseconds(high: int, low: int, resolution: int, offset_s: int) -> int:
    """Return a time of 64 bits in units of ``if_tsresol`` as nanoseconds since 1970.

    All of it stays below 63 bits: the number is taken in its two halves, by long division.

    Args:
        high: Upper 32 bits of the time.
        low: Lower 32 bits.
        resolution: ``if_tsresol``: with 0x80 a negative power of 2, else of 10 (section 4.2).
        offset_s: ``if_tsoffset``.
    """
    exponent = resolution & 0x7F
    if resolution & 0x80:
        seconds, part = binary_seconds(high, low, exponent)
    else:
        seconds, part = decimal_seconds(high, low, exponent)
    # Either term may be anything that 64 bits hold: compare before adding.
    if offset_s > LATEST_S or seconds > LATEST_S or seconds + offset_s > LATEST_S:
        return LATEST_S * 1_000_000_000
    if offset_s < -LATEST_S or seconds + offset_s < -LATEST_S:
        return -LATEST_S * 1_000_000_000
    return (seconds + offset_s) * 1_000_000_000 + part


@kernel
def decimal_seconds(high: int, low: int, exponent: int) -> tuple[int, int]:
    """Return seconds and nanoseconds of (high, low) units of 10 ** -exponent seconds."""
    # Dropping digits below a nanosecond first: the units become those of exponent 9.
    while exponent > 9:  # noqa: PLR2004 - nanoseconds
        rest = high % 10
        high //= 10
        low = (rest * 0x1_0000_0000 + low) // 10
        exponent -= 1
    per_second = 10**exponent
    rest = high % per_second
    whole = high // per_second
    below = rest * 0x1_0000_0000 + low
    if whole > 2:  # noqa: PLR2004 - 3 * 2 ** 32 seconds are beyond `LATEST_S` already
        return LATEST_S + 1, 0
    seconds = whole * 0x1_0000_0000 + below // per_second
    return seconds, below % per_second * 10 ** (9 - exponent)


@kernel
def binary_seconds(high: int, low: int, exponent: int) -> tuple[int, int]:
    """Return seconds and nanoseconds of (high, low) units of 2 ** -exponent seconds."""
    if exponent >= 64:  # noqa: PLR2004 - 64 bits of time
        high, low, exponent = shifted(high, low, exponent - 63)
    if exponent >= 32:  # noqa: PLR2004 - half of them
        shift = exponent - 32
        seconds = high >> shift
        upper = high - (seconds << shift)
        # upper < 2 ** 31, low < 2 ** 32: both products stay below 2 ** 62.
        carried = upper * 1_000_000_000 + ((low * 1_000_000_000) >> 32)
        return seconds, carried >> shift
    if high >> exponent > 2:  # noqa: PLR2004 - beyond `LATEST_S`
        return LATEST_S + 1, 0
    seconds = (high << (32 - exponent)) + (low >> exponent)
    part = low - (low >> exponent << exponent)
    return seconds, (part * 1_000_000_000) >> exponent


@kernel
def shifted(high: int, low: int, by: int) -> tuple[int, int, int]:
    """Return (high, low) divided by 2 ** by, at most 64 places, as units of 2 ** -63 seconds."""
    for _ in range(min(by, 64)):
        low = (low >> 1) | ((high & 1) << 31)
        high >>= 1
    return high, low, 63
