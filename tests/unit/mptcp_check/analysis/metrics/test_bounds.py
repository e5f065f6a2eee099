"""Where memory has a bound, numbers beyond it say so: each test goes past one."""

import struct
from ipaddress import IPv4Address

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.inspector import BATCH_FRAMES, Inspector
from mptcp_check.analysis.metrics.state_tables import BLOCK_WORDS, LARGEST_CLASS, MAPPING_SLOTS
from mptcp_check.analysis.metrics.values import Inspection
from mptcp_check.analysis.options.mptcp_values import AddAddr
from mptcp_check.analysis.reporting.inspect_document import InspectedFile, document
from segments import ACK, CLIENT_KEY, SERVER_KEY, Segment, Talk

HOLES = (BLOCK_WORDS << LARGEST_CLASS) // 3
"""Intervals below the highest one that a set remembers."""
MAPPINGS = MAPPING_SLOTS // 4
"""Mappings of one generation."""


def of_frames(frames: list[bytes], times_ns: list[int] | None = None) -> Inspection:
    return inspect(read(cf.pcap(frames, link_type=RAW, times_ns=times_ns)))


def with_holes(count: int) -> list[bytes]:
    """Every second byte of a stream."""
    return [Segment(seq=1000 + 2 * at, payload=b"x").packet() for at in range(count)]


def test_as_many_holes_as_are_remembered_are_exact() -> None:
    filled = [Segment(seq=1001, payload=b"x").packet()]
    (connection,) = of_frames(with_holes(HOLES) + filled).connections
    one = connection.subflows[0].c2s

    assert (one.unique_bytes, one.retransmitted_bytes) == (HOLES + 1, 0)
    assert (one.forgotten_hole_bytes, connection.c2s.forgotten_hole_bytes) == (0, 0)


def test_a_hole_that_was_forgotten_is_told_and_bounds_what_is_wrong() -> None:
    filled = [Segment(seq=1001, payload=b"x").packet()]
    (connection,) = of_frames(with_holes(HOLES + 10) + filled).connections
    one = connection.subflows[0].c2s
    truth = HOLES + 11

    assert one.forgotten_hole_bytes > 0
    assert one.unique_bytes < truth <= one.unique_bytes + one.forgotten_hole_bytes
    assert one.retransmitted_bytes == 1
    assert connection.c2s.forgotten_hole_bytes == one.forgotten_hole_bytes


def mapped(count: int, again: int) -> list[bytes]:
    """Mappings one after the other, and the first of them again."""
    talk = Talk()
    flow = talk.capable(talk.subflow())
    frames = talk.packets()
    base = crypto.initial_data_sequence_number(CLIENT_KEY, 1) + 1
    for at in [*range(count), *range(again)]:
        dsn = (base + at) % (1 << 64)
        option = struct.pack(">BBBBQIH", 30, 18, 0x20, 0x0C, dsn, 1 + at, 1)
        segment = Segment(
            seq=flow.isn[0] + flow.sent[0] + at, ack=9001, options=option, payload=b"x"
        )
        frames.append(segment.packet())
    return frames


def test_a_mapping_that_comes_again_soon_counts_once() -> None:
    (connection,) = of_frames(mapped(MAPPINGS, 100)).connections
    one = connection.subflows[0].c2s

    assert (one.mapping_count, one.duplicate_mapped_bytes) == (MAPPINGS, 0)
    assert one.doubtful_mapping_count == 0


def test_mappings_that_may_have_been_counted_before_are_told() -> None:
    count = 3 * MAPPINGS
    (connection,) = of_frames(mapped(count, 100)).connections
    one = connection.subflows[0].c2s

    assert one.mapped_bytes == count
    assert one.doubtful_mapping_count == one.mapping_count - count == 100
    assert one.duplicate_mapped_bytes == 100


def fed(octets: bytes) -> Inspection:
    found = Inspector()
    found.feed(octets, last=True)
    return found.finish()


def test_segments_too_late_to_be_put_in_order_are_counted() -> None:
    frames = [Segment(seq=1000 + at, payload=b"x").packet() for at in range(BATCH_FRAMES + 2)]
    times = [cf.START_NS + 1000 * at for at in range(len(frames))]
    in_time = fed(cf.pcap(frames, link_type=RAW, times_ns=times))
    times[-1] = cf.START_NS + 500
    late = fed(cf.pcap(frames, link_type=RAW, times_ns=times))

    assert (in_time.late_count, late.late_count) == (0, 1)
    (file,) = document([InspectedFile(path="x", inspection=late)])["files"]
    assert file["late_segments"] == 1


def test_within_a_batch_any_order_of_time_is_restored() -> None:
    frames = [Segment(seq=1000 + at, payload=b"x").packet() for at in range(100)]
    times = [cf.START_NS + 1000 * at for at in range(100)]
    found = fed(cf.pcap(frames[::-1], link_type=RAW, times_ns=times[::-1]))
    one = found.connections[0].subflows[0].c2s

    assert (found.late_count, one.out_of_order_count, one.unique_bytes) == (0, 0, 100)


def test_the_truncation_of_an_early_linux_is_right_and_told() -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow())
    address = IPv4Address("192.0.2.9")
    for leftmost in (False, True):
        proof = crypto.add_addr_hmac(
            own_key=SERVER_KEY,
            peer_key=CLIENT_KEY,
            address_id=4,
            address=address.packed,
            port=0,
            leftmost=leftmost,
        )
        flow.send(1, ACK, [AddAddr(flags=0, address_id=4, address=address, hmac=proof)])
    flow.send(1, ACK, [AddAddr(flags=0, address_id=4, address=address, hmac=bytes(8))])
    (one,) = of_frames(talk.packets()).connections

    assert (one.add_addr_ok_count, one.add_addr_bad_count, one.add_addr_leftmost_count) == (2, 1, 1)
