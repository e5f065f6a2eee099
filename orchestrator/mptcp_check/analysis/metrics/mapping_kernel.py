"""Mappings, compiled: which data a subflow carried, what was there before, what is still missing.

RFC 8684, section 3.3.1.  Upstream Linux writes one mapping on every segment of a burst: a mapping
is what it says, subflow, DSN, SSN and length, and counts once.
"""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import int64, kernel
from mptcp_check.analysis.metrics.checksum_kernel import expect, words_of
from mptcp_check.analysis.metrics.interval_kernel import add, lowest_end
from mptcp_check.analysis.metrics.state_tables import (
    ALL_DATA,
    MAPPINGS_FORGOTTEN,
    OWN_DATA,
    SETS,
    UNKNOWN,
    YOUNG_USED,
)

LOW_32_BITS: Final = 0xFFFF_FFFF
LOW_31_BITS: Final = 0x7FFF_FFFF
HALF_32: Final = 0x8000_0000
LARGEST: Final = 1 << 61
"""Data numbers further than this from the first one of their connection are crafted: left out."""


@kernel
def slot_of(place: int, content: int) -> Any:  # noqa: ANN401 - an integer, of Numba's or Python's kind
    """Return a hash of a mapping, at most 46 bits, without any product beyond 62 bits."""
    fold = (content & LOW_31_BITS) ^ (content >> 31)
    fold ^= (place & LOW_31_BITS) ^ (place >> 29)
    fold = ((fold & LOW_31_BITS) * 0x45D9_F3B7) >> 16
    return ((fold & LOW_31_BITS) ^ (fold >> 31)) * 0x3C6E_F372 >> 16


@kernel
def is_known(table: Any, place: int, content: int) -> bool:  # noqa: ANN401 - a kernel
    """Say whether a table holds a mapping."""
    mask = len(table) - 1
    slot = slot_of(place, content) & mask
    while table[slot, 0] != UNKNOWN:
        if table[slot, 0] == place and table[slot, 1] == content:
            return True
        slot = (slot + 1) & mask
    return False


@kernel
def enter(table: Any, counters: Any, place: int, content: int) -> None:  # noqa: ANN401 - a kernel
    """Add a mapping to a table that does not hold it and has room."""
    mask = len(table) - 1
    slot = slot_of(place, content) & mask
    while table[slot, 0] != UNKNOWN:
        slot = (slot + 1) & mask
    table[slot, 0] = place
    table[slot, 1] = content
    counters[YOUNG_USED] += 1


@kernel
def signed_32(number: int) -> Any:  # noqa: ANN401 - an integer, of Numba's or Python's kind
    """Return the difference of two sequence numbers as a signed one: RFC 9293, section 3.4."""
    low = number & LOW_32_BITS
    return low - 0x1_0000_0000 if low >= HALF_32 else low


@kernel
def data_offset(whole: Any, high: int, low: int, reference: int) -> Any:  # noqa: ANN401 - a kernel
    """Return a data sequence number counted from the first one of its direction.

    Args:
        whole: The direction that counts; it starts with this number if it has none.
        high: Upper half of the number; `UNKNOWN` where only the lower one was sent, which then
            means the nearest such number (RFC 8684, section 3.3.1).
        low: Lower half.
        reference: The highest number so far, counted from the first one.
    """
    if whole.dsn_low == UNKNOWN:
        whole.dsn_high = high
        whole.dsn_low = low
        return 0
    if high != UNKNOWN and whole.dsn_high != UNKNOWN:  # noqa: PLR1714 - a kernel
        return signed_32(high - whole.dsn_high) * 0x1_0000_0000 + low - whole.dsn_low
    near = reference + signed_32(low - whole.dsn_low - (reference & LOW_32_BITS))
    if high != UNKNOWN:
        # The first number with an upper half says what it was for those before.
        whole.dsn_high = (high - ((near + whole.dsn_low) >> 32)) & LOW_32_BITS
    return near


@kernel
def take_mapping(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a kernel takes positions
    directions: Any,  # noqa: ANN401 - a kernel
    direction: int,
    sets: Any,  # noqa: ANN401 - a kernel
    arena: Any,  # noqa: ANN401 - a kernel
    blocks: Any,  # noqa: ANN401 - a kernel
    young: Any,  # noqa: ANN401 - a kernel
    old: Any,  # noqa: ANN401 - a kernel
    counters: Any,  # noqa: ANN401 - a kernel
    high: int,
    low: int,
    ssn: int,
    length: int,
    fin: int,
    checksum: int,
    now_ns: int,
) -> None:
    """Take one mapping as it stands in a segment.

    Args:
        directions: All directions.
        direction: The one that sent it.
        sets: Interval sets.
        arena: Blocks.
        blocks: What of the arena is free.
        young: Mappings of late.
        old: Mappings before these.
        counters: How much is in use.
        high: Upper half of its DSN, or `UNKNOWN`.
        low: Lower half.
        ssn: Subflow sequence number, relative to the ISN.
        length: Data-Level Length, not 0.
        fin: 1 if its last byte is the DATA_FIN.
        checksum: As sent, or `UNKNOWN`.
        now_ns: Time of the segment.
    """
    one = directions[direction]
    place = direction * 0x1_0000_0000 + ssn
    content = low * 0x2_0000 + length * 2 + fin
    if one.last_place == place and one.last_content == content:
        return
    one.last_place = place
    one.last_content = content
    if is_known(young, place, content):
        return
    known = is_known(old, place, content)
    enter(young, counters, place, content)
    if known:
        return
    whole_set, own_set = SETS * one.counted_in + ALL_DATA, SETS * direction + OWN_DATA
    whole = directions[one.counted_in]
    reference = sets[whole_set].high
    empty = sets[whole_set].low == reference
    start = data_offset(whole, high, low, reference)
    size = length - fin
    one.mappings += 1
    if checksum != UNKNOWN:
        dsn_high = (whole.dsn_high + ((whole.dsn_low + start) >> 32)) & LOW_32_BITS
        if whole.dsn_high == UNKNOWN:
            one.checksums += 1
        else:
            pseudo = words_of(dsn_high, low) + words_of(0, ssn) + length + checksum
            first = int64(ssn) - 1
            if ssn != 0 and one.origin != UNKNOWN:
                # SSN 1 is the first byte of payload; after 4 GiB the number starts again.
                first += (sets[SETS * direction].high - first + HALF_32) >> 32 << 32
            expect(one, arena, blocks, first, first + size, pseudo)
    forgetful = counters[MAPPINGS_FORGOTTEN] > 0
    if size <= 0 or start >= LARGEST or start <= -LARGEST:
        one.mappings_in_doubt += forgetful
        return
    end = start + size
    if empty:
        whole.data_first_ns = now_ns
    elif start > reference:
        whole.data_gaps += 1
    fresh, waited, longest = add(sets, whole_set, arena, blocks, start, end, now_ns)
    own_fresh, _, _ = add(sets, own_set, arena, blocks, start, end, now_ns)
    if fresh > 0:
        if not empty and start < reference:
            whole.data_out_of_order += 1
        whole.data_last_ns = now_ns
        whole.data_bytes += fresh
        whole.head_of_line_ns += waited
        whole.head_of_line_max_ns = max(whole.head_of_line_max_ns, longest)
        if sets[whole_set].count > 0:
            behind = sets[whole_set].high - lowest_end(sets, whole_set, arena)
            whole.reorder_max = max(whole.reorder_max, behind)
    one.mappings_in_doubt += forgetful and own_fresh < size
    one.mapped += own_fresh
    one.fresh += fresh
    one.duplicate_mapped += size - fresh
    # What was new to this subflow and not to the connection, another subflow had carried.
    reinjected = max(own_fresh - fresh, 0)
    one.reinjected += reinjected
    whole.data_duplicate += size - fresh
    whole.data_reinjected += reinjected


@kernel
def take_data_ack(directions: Any, sender: int, sets: Any, high: int, low: int) -> None:  # noqa: ANN401 - a kernel
    """Take a DATA_ACK: RFC 8684, section 3.3.2.

    Args:
        directions: All directions.
        sender: The one whose data is acknowledged, or one that joined it.
        sets: Interval sets.
        high: Upper half of the number, or `UNKNOWN`.
        low: Lower half.
    """
    counted_in = directions[sender].counted_in
    whole = directions[counted_in]
    if whole.dsn_low == UNKNOWN:
        return
    acked = data_offset(whole, high, low, whole.data_acked)
    # Half of the space beyond what was captured is crafted, or of another connection.
    if whole.data_acked < acked < sets[SETS * counted_in + ALL_DATA].high + HALF_32:
        whole.data_acked = acked
