"""DSS checksums of a real kernel: all right, and each changed byte makes its mapping wrong."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packets import CHECKSUM_READ, Packets
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import DirectionMetrics, Inspection

GOLDEN = Path(__file__).parents[4] / "golden" / "captures"
OCTETS = {
    name: (GOLDEN / name).read_bytes() for name in ("kernel_v1.pcapng", "kernel_v1_lossy.pcapng")
}


@pytest.fixture(params=OCTETS)
def octets(request: pytest.FixtureRequest) -> bytes:
    return OCTETS[request.param]


def directions(found: Inspection) -> Iterator[DirectionMetrics]:
    for connection in found.connections:
        for subflow in connection.subflows:
            yield from (subflow.c2s, subflow.s2c)


def checksums(octets: bytes) -> tuple[int, int, int]:
    """Return how many mappings there are whose checksum is right, wrong, not judged."""
    found = list(directions(inspect(read(octets))))
    return (
        sum(one.dss_checksum_ok_count for one in found),
        sum(one.dss_checksum_bad_count for one in found),
        sum(one.dss_checksum_unknown_count for one in found),
    )


def mapped_payloads(packets: Packets) -> list[int]:
    """Return the rows with payload of connections whose mappings have checksums."""
    dss = packets.dss
    carriers = dss.packet[dss.parts & CHECKSUM_READ != 0]
    return [int(row) for row in np.unique(carriers) if packets.payload_bytes[row]]


def test_every_mapping_of_the_kernel_has_a_right_checksum(octets: bytes) -> None:
    found = inspect(read(octets))
    mappings = sum(one.mapping_count for one in directions(found))

    assert mappings > 10
    assert checksums(octets) == (mappings, 0, 0)
    assert (found.totals.dss_checksum_ok, found.totals.dss_checksum_bad) == (mappings, 0)


def test_a_changed_byte_makes_one_mapping_wrong(octets: bytes) -> None:
    packets = read(octets).packets
    right, _, _ = checksums(octets)
    rows = mapped_payloads(packets)
    assert rows
    for row in rows[:: max(1, len(rows) // 8)]:
        first, last = int(packets.payload_offset[row]), int(packets.payload_bytes[row]) - 1
        for place in (first, first + last):
            changed = bytearray(octets)
            changed[place] ^= 0x40
            ok, bad, unknown = checksums(bytes(changed))
            # Of what TCP sent twice the first copy is summed up.
            assert (ok, bad, unknown) in {(right - 1, 1, 0), (right, 0, 0)}
            if row == rows[0]:
                assert bad == 1


def test_all_payload_changed_makes_every_mapping_with_payload_wrong(octets: bytes) -> None:
    packets = read(octets).packets
    changed = bytearray(octets)
    for row in mapped_payloads(packets):
        changed[int(packets.payload_offset[row])] ^= 0x01
    before = list(directions(inspect(read(octets))))
    after = list(directions(inspect(read(bytes(changed)))))
    carrying = sum(one.dss_checksum_bad_count for one in after)
    ends = sum(one.dss_checksum_ok_count for one in after)

    # What is left right are DATA_FINs without data, and sums in which changes cancelled out.
    assert carrying > ends
    assert carrying + ends == sum(one.mapping_count for one in before)


def test_swapped_words_are_not_seen_by_a_sum_of_words() -> None:
    """The checksum is that of TCP: RFC 1071; what it cannot see is not called wrong."""
    octets = OCTETS["kernel_v1.pcapng"]
    packets = read(octets).packets
    row = max(mapped_payloads(packets), key=lambda row: int(packets.payload_bytes[row]))
    at = int(packets.payload_offset[row])
    changed = bytearray(octets)
    changed[at : at + 4] = octets[at + 2 : at + 4] + octets[at : at + 2]

    assert bytes(changed) != octets
    assert checksums(bytes(changed)) == checksums(octets)
