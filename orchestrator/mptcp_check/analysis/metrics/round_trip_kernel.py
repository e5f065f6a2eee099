"""Round-trip times, compiled: segments in flight, timestamps waited for, and histograms of both."""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import kernel
from mptcp_check.analysis.metrics.interval_kernel import given_back, grown, taken
from mptcp_check.analysis.metrics.state_tables import (
    BLOCK_WORDS,
    CELL_BITS,
    CELLS_USED,
    UNKNOWN,
)

WORDS: Final = 2
"""Elements of one segment in flight: the byte after its last one, and when it was sent."""
LARGEST_FLIGHT_CLASS: Final = 8
"""1024 segments or timestamps; with more in flight not every one is timed."""

SUB_BITS: Final = 6
"""A histogram has 2 ** 6 cells for each power of two: a cell is 1/64 of its value wide."""

LOW_31_BITS: Final = 0x7FFF_FFFF


@kernel
def sent(one: Any, arena: Any, blocks: Any, end: int, now_ns: int) -> None:  # noqa: ANN401 - a kernel
    """Remember a segment in flight: direction `one`, the byte after its last one, and the time."""
    if one.flight == UNKNOWN:
        one.flight = taken(arena, blocks, 0)
    capacity = (BLOCK_WORDS << one.flight_class) // WORDS
    if one.flight_first + one.flight_count == capacity:
        if 2 * one.flight_first >= capacity:
            at = one.flight
            moved = one.flight_first * WORDS
            for word in range(at, at + one.flight_count * WORDS):
                arena[word] = arena[word + moved]
            one.flight_first = 0
        elif one.flight_class < LARGEST_FLIGHT_CLASS:
            one.flight = grown(arena, blocks, one.flight, one.flight_class)
            one.flight_class += 1
        else:
            return
    place = one.flight + (one.flight_first + one.flight_count) * WORDS
    arena[place] = end
    arena[place + 1] = now_ns
    one.flight_count += 1


@kernel
def resent(one: Any, start: int, end: int) -> None:  # noqa: ANN401 - a kernel
    """Remember that a segment came again, or late: what it is part of is not timed."""
    if one.resent_high <= one.acked:
        one.resent_low = start
        one.resent_high = end
        return
    one.resent_low = min(one.resent_low, start)
    one.resent_high = max(one.resent_high, end)


@kernel
def acknowledged(one: Any, arena: Any, blocks: Any, acked: int, now_ns: int) -> Any:  # noqa: ANN401 - a kernel
    """Forget what an ACK covers; return how long the segment that it ends with took, -1 if none.

    As tcptrace does, only a segment whose last byte the ACK names is timed; and none where anything
    that the ACK covers came again or late (Karn's algorithm, RFC 6298, section 3).
    """
    found = UNKNOWN
    doubtful = one.resent_low < acked and one.resent_high > one.acked
    while one.flight_count > 0:
        place = one.flight + one.flight_first * WORDS
        if arena[place] > acked:
            return found
        if arena[place] == acked and not doubtful:
            found = now_ns - arena[place + 1]
        one.flight_first += 1
        one.flight_count -= 1
    if one.flight != UNKNOWN:
        given_back(arena, blocks, one.flight, one.flight_class)
        one.flight = UNKNOWN
        one.flight_class = 0
    one.flight_first = 0
    return found


@kernel
def stamped(  # noqa: PLR0917 - a kernel takes positions
    one: Any,  # noqa: ANN401 - a kernel
    arena: Any,  # noqa: ANN401 - a kernel
    blocks: Any,  # noqa: ANN401 - a kernel
    stamp: int,
    now_ns: int,
    answered: bool,  # noqa: FBT001 - a kernel takes positions
) -> None:
    """Wait for the echo of a timestamp, of the first segment that has it: RFC 7323, section 4.1.

    Where that is an ACK alone, which is not answered, an echo would say nothing.

    Args:
        one: The direction.
        arena: Blocks.
        blocks: What of the arena is free.
        stamp: TSval of a segment.
        now_ns: Its time.
        answered: It has payload, SYN or FIN.
    """
    if one.last_stamp != UNKNOWN:
        ahead = (stamp - one.last_stamp) & 0xFFFF_FFFF
        if ahead == 0 or ahead > LOW_31_BITS:
            return
    one.last_stamp = stamp
    if not answered:
        return
    if one.stamps == UNKNOWN:
        one.stamps = taken(arena, blocks, 0)
    capacity = (BLOCK_WORDS << one.stamps_class) // WORDS
    if one.stamps_first + one.stamps_count == capacity:
        if 2 * one.stamps_first >= capacity:
            at = one.stamps
            moved = one.stamps_first * WORDS
            for word in range(at, at + one.stamps_count * WORDS):
                arena[word] = arena[word + moved]
            one.stamps_first = 0
        elif one.stamps_class < LARGEST_FLIGHT_CLASS:
            one.stamps = grown(arena, blocks, one.stamps, one.stamps_class)
            one.stamps_class += 1
        else:
            return
    place = one.stamps + (one.stamps_first + one.stamps_count) * WORDS
    arena[place] = stamp
    arena[place + 1] = now_ns
    one.stamps_count += 1


@kernel
def echoed(one: Any, arena: Any, blocks: Any, echo: int, now_ns: int) -> Any:  # noqa: ANN401 - a kernel
    """Return how long a timestamp took to come back, -1 if none that is waited for does.

    Older ones are not waited for any longer: their echo was lost, or overtaken.
    """
    found = UNKNOWN
    while one.stamps_count > 0:
        place = one.stamps + one.stamps_first * WORDS
        ahead = (echo - arena[place]) & 0xFFFF_FFFF
        if ahead > LOW_31_BITS:
            return found
        if ahead == 0:
            found = now_ns - arena[place + 1]
        one.stamps_first += 1
        one.stamps_count -= 1
    if one.stamps != UNKNOWN:
        given_back(arena, blocks, one.stamps, one.stamps_class)
        one.stamps = UNKNOWN
        one.stamps_class = 0
    one.stamps_first = 0
    return found


@kernel
def count_sample(cells: Any, counters: Any, histogram: int, value_ns: int) -> None:  # noqa: ANN401 - a kernel
    """Add a sample to a histogram; the caller made sure that the table has a free slot."""
    exponent = 0
    rest = value_ns
    while rest >= 2 << SUB_BITS:
        rest >>= 1
        exponent += 1
    key = (histogram << CELL_BITS) + (exponent << SUB_BITS) + rest
    mask = len(cells) - 1
    slot = ((key ^ (key >> 15)) & LOW_31_BITS) * 0x2C1B_3C6D >> 12
    slot = (slot ^ (slot >> 17)) & mask
    while cells[slot, 0] != key:
        if cells[slot, 0] == UNKNOWN:
            cells[slot, 0] = key
            cells[slot, 1] = 0
            counters[CELLS_USED] += 1
            break
        slot = (slot + 1) & mask
    cells[slot, 1] += 1


@kernel
def move_cells(cells: Any, larger: Any) -> None:  # noqa: ANN401 - a kernel
    """Enter the cells of one table into a larger one, which is empty."""
    mask = len(larger) - 1
    for old in range(len(cells)):
        key = cells[old, 0]
        if key == UNKNOWN:
            continue
        slot = ((key ^ (key >> 15)) & LOW_31_BITS) * 0x2C1B_3C6D >> 12
        slot = (slot ^ (slot >> 17)) & mask
        while larger[slot, 0] != UNKNOWN:
            slot = (slot + 1) & mask
        larger[slot, 0] = key
        larger[slot, 1] = cells[old, 1]
