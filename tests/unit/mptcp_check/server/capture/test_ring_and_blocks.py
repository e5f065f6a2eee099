"""From a block of the kernel's ring to blocks of pcapng."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packet_blocks import blocks, head, tail
from mptcp_check.analysis.capture.ring_block import IN, OUT, frames
from mptcp_check.server.capture.warm_up import Frame, block

FRAMES = st.lists(
    st.builds(
        Frame,
        time_ns=st.integers(0, 2**32 * 10**9 - 1),
        octets=st.binary(max_size=70),
        way=st.sampled_from([IN, OUT]),
    ),
    max_size=20,
)


@given(FRAMES)
def test_frames_come_through_the_ring_and_a_file_as_they_were(held: list[Frame]) -> None:
    made = block(held)
    records = frames(made)
    assert [
        Frame(time_ns, made[at : at + length].tobytes(), way)
        for time_ns, at, length, way in zip(
            records.time_ns.tolist(),
            records.offset.tolist(),
            records.captured.tolist(),
            records.interface.tolist(),
            strict=True,
        )
    ] == held
    rows = np.arange(len(held), dtype=np.int64)
    file = (
        head(link_type=101, name="eth0", application="test")
        + blocks(made, records, rows)
        + tail(time_ns=5, dropped_count=3, comment="truncated: bytes")
    )
    capture = read(file)
    assert capture.problems == ()
    (interface,) = capture.interfaces
    assert (interface.name, interface.link_type) == ("eth0", 101)
    assert interface.dropped_count == 3
    assert capture.records.time_ns.tolist() == [frame.time_ns for frame in held]
    assert [
        capture.buffer[at : at + length].tobytes()
        for at, length in zip(
            capture.records.offset.tolist(), capture.records.captured.tolist(), strict=True
        )
    ] == [frame.octets for frame in held]


@given(st.binary(max_size=300), st.data())
def test_a_damaged_block_gives_frames_within_it_or_none(octets: bytes, data: st.DataObject) -> None:
    made = bytearray(block([Frame(1, octets), Frame(2, b"x")]).tobytes())
    for _ in range(data.draw(st.integers(1, 8))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    array = np.frombuffer(bytes(made), dtype=np.uint8)
    array.flags.writeable = False
    records = frames(array)
    ends = records.offset + records.captured
    assert (ends <= len(array)).all()
    assert len(blocks(array, records, np.arange(len(records.offset), dtype=np.int64))) % 4 == 0
