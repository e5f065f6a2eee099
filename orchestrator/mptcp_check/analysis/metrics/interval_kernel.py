"""Sets of intervals, compiled: which bytes of a number space have been seen.

A set is its highest interval and a list of the lower ones, ascending, none touching another.
Nearly every addition goes on where the highest interval ends.  A full list forgets its lowest
hole: what fills that later counts as seen, and its size is added up, so that everybody can be told
by how much the numbers may be wrong.  Intervals hold their first byte, the byte after their
last one, and the time since when they stand above a hole.
"""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import int64, kernel
from mptcp_check.analysis.metrics.state_tables import (
    BLOCK_WORDS,
    FORGOTTEN,
    FREE,
    LARGEST_CLASS,
    UNKNOWN,
)

WORDS: Final = 3
"""Elements of one interval in a list."""


@kernel
def taken(arena: Any, blocks: Any, size: int) -> Any:  # noqa: ANN401 - a kernel
    """Return the place of a free block of a class; the caller made sure that there is room."""
    at = blocks[size]
    if at != UNKNOWN:
        blocks[size] = arena[at]
        return at
    at = blocks[FREE]
    blocks[FREE] = at + (BLOCK_WORDS << size)
    return at


@kernel
def given_back(arena: Any, blocks: Any, at: int, size: int) -> None:  # noqa: ANN401 - a kernel
    """Put a block of a class on its free list."""
    arena[at] = blocks[size]
    blocks[size] = at


@kernel
def grown(arena: Any, blocks: Any, at: int, size: int) -> Any:  # noqa: ANN401 - a kernel
    """Return a block of the next class with the same content; the old one is given back."""
    larger = taken(arena, blocks, size + 1)
    for word in range(BLOCK_WORDS << size):
        arena[larger + word] = arena[at + word]
    given_back(arena, blocks, at, size)
    return larger


@kernel
def listed(sets: Any, which: int) -> Any:  # noqa: ANN401 - a kernel
    """Return where in the arena the list of a set begins."""
    return int64(sets[which].list) * BLOCK_WORDS


@kernel
def make_room(sets: Any, which: int, arena: Any, blocks: Any) -> None:  # noqa: ANN401 - a kernel
    """Make the list of a set long enough for one more interval."""
    if sets[which].list == UNKNOWN:
        sets[which].list = taken(arena, blocks, 0) // BLOCK_WORDS
        sets[which].class_ = 0
    size = sets[which].class_
    count = sets[which].count
    if (count + 1) * WORDS <= BLOCK_WORDS << size:
        return
    at = listed(sets, which)
    if size < LARGEST_CLASS:
        at = grown(arena, blocks, at, size)
        sets[which].list = at // BLOCK_WORDS
        sets[which].class_ = size + 1
        if size + 1 == LARGEST_CLASS:
            arena[at + FORGOTTEN] = 0
        return
    arena[at + FORGOTTEN] += arena[at + WORDS] - arena[at + 1]
    arena[at + 1] = arena[at + WORDS + 1]
    for word in range(at + WORDS, at + (count - 1) * WORDS):
        arena[word] = arena[word + WORDS]
    sets[which].count = count - 1


@kernel
def add(  # noqa: PLR0917 - a kernel takes positions
    sets: Any,  # noqa: ANN401 - a kernel
    which: int,
    arena: Any,  # noqa: ANN401 - a kernel
    blocks: Any,  # noqa: ANN401 - a kernel
    start: int,
    end: int,
    now_ns: int,
) -> tuple[int, int, int]:
    """Add an interval to a set.

    Args:
        sets: All sets.
        which: The row of the set.
        arena: Blocks of the lists.
        blocks: What of the arena is free.
        start: First byte.
        end: The byte after the last one, above `start`.
        now_ns: The time.

    Returns:
        How many of the bytes are new; how long the holes that it fills were there, all together;
        and the longest of these times.
    """
    low, high = sets[which].low, sets[which].high
    if low == high:
        sets[which].low = start
        sets[which].high = end
        sets[which].since_ns = now_ns
        return end - start, 0, 0
    if start > high:
        make_room(sets, which, arena, blocks)
        place = listed(sets, which) + sets[which].count * WORDS
        arena[place] = low
        arena[place + 1] = high
        arena[place + 2] = sets[which].since_ns
        sets[which].count += 1
        sets[which].low = start
        sets[which].high = end
        sets[which].since_ns = now_ns
        return end - start, 0, 0
    if start >= low:
        if end <= high:
            return 0, 0, 0
        sets[which].high = end
        return end - high, 0, 0
    return add_below(sets, which, arena, blocks, start, end, now_ns)


@kernel
def add_below(  # noqa: C901, PLR0917 - a kernel takes positions
    sets: Any,  # noqa: ANN401 - a kernel
    which: int,
    arena: Any,  # noqa: ANN401 - a kernel
    blocks: Any,  # noqa: ANN401 - a kernel
    start: int,
    end: int,
    now_ns: int,
) -> tuple[int, int, int]:
    """Add an interval that begins below the highest one.  Arguments and result as of `add`."""
    low, high = sets[which].low, sets[which].high
    count, base = sets[which].count, listed(sets, which)
    first = first_touched(arena, base, count, start)
    covered, waited, longest = 0, 0, 0
    new_low, new_high, since = start, end, now_ns
    last = first
    joined = False  # with an interval further down
    while last < count and arena[base + last * WORDS] <= end:
        place = base + last * WORDS
        covered += min(end, arena[place + 1]) - max(start, arena[place])
        if joined:
            # The hole between this interval and the one below is gone.
            waited += now_ns - arena[place + 2]
            longest = max(longest, now_ns - arena[place + 2])
        else:
            since = arena[place + 2]
        joined = True
        new_low = min(new_low, arena[place])
        new_high = max(new_high, arena[place + 1])
        last += 1
    if end >= low:
        covered += min(end, high) - low
        if joined:
            waited += now_ns - sets[which].since_ns
            longest = max(longest, now_ns - sets[which].since_ns)
        else:
            since = sets[which].since_ns
        sets[which].low = new_low
        sets[which].high = max(new_high, high)
        sets[which].since_ns = since
        sets[which].count = first
        return end - start - covered, waited, longest
    if last == first:
        make_room(sets, which, arena, blocks)
        if sets[which].count < count:
            if first == 1:  # it lies in the hole that was forgotten
                return end - start - covered, waited, longest
            first = max(0, first - 1)
        base, count = listed(sets, which), sets[which].count
        word = base + (count + 1) * WORDS - 1
        while word >= base + (first + 1) * WORDS:
            arena[word] = arena[word - WORDS]
            word -= 1
        sets[which].count = count + 1
    elif last > first + 1:
        moved = (last - first - 1) * WORDS
        for word in range(base + (first + 1) * WORDS, base + count * WORDS - moved):
            arena[word] = arena[word + moved]
        sets[which].count = count - (last - first - 1)
    place = base + first * WORDS
    arena[place] = new_low
    arena[place + 1] = new_high
    arena[place + 2] = since
    return end - start - covered, waited, longest


@kernel
def first_touched(arena: Any, base: int, count: int, start: int) -> Any:  # noqa: ANN401 - a kernel
    """Return the position of the first interval in a list that ends at `start` or above."""
    below, above = 0, count
    while below < above:
        middle = (below + above) // 2
        if arena[base + middle * WORDS + 1] < start:
            below = middle + 1
        else:
            above = middle
    return below


@kernel
def lowest_end(sets: Any, which: int, arena: Any) -> Any:  # noqa: ANN401 - a kernel
    """Return where the first hole of a set begins."""
    if sets[which].count > 0:
        return arena[listed(sets, which) + 1]
    return sets[which].high
