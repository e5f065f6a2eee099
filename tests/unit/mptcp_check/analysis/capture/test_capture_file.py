import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture import kernels
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packets import empty, rows_of
from mptcp_check.analysis.flows.connections import connections
from segments import Segment

GOLDEN = Path(__file__).parents[4] / "golden" / "captures"
KERNEL = (GOLDEN / "kernel_v1.pcapng").read_bytes()

INTERPRETED = """
import json, sys, zlib
from mptcp_check.analysis.capture import kernels
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.flows.connections import connections
from mptcp_check.analysis.capture.packets import rows_of
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.series.extraction import series_of
with open(sys.argv[1], "rb") as file:
    capture = read(file.read())
packets = capture.packets
digests = {
    f"{number}.{name}": zlib.crc32(column.tobytes())
    for number, table in enumerate((packets, packets.dss, packets.signals))
    for name, column in rows_of(table, slice(None)).items()
}
flows = [
    [c.kind, c.close, c.token_server, [[s.hmac, s.rows_c2s.tolist()] for s in c.subflows]]
    for c in connections(packets)
]
# What is measured, and what is drawn.
found = inspect(capture)
flows += [repr(found.totals), repr(tuple(found.connections))]
for c in connections(packets):
    for d in series_of(packets, c).directions:
        columns = [d.sent.start, d.sent.fresh_bytes, d.sent.sending, d.acknowledged.data_ack]
        columns += [each.value for s in d.subflows for each in (s.rtt_acks, s.rtt_timestamps)]
        flows.append([zlib.crc32(column.tobytes()) for column in columns])
print(json.dumps([kernels.NUMBA_WORKS, digests, flows]))
"""


def digested(path: Path, *, compiled: bool) -> tuple[bool, object, object]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0" if compiled else "1"}
    command = [sys.executable, "-W", "error", "-c", INTERPRETED, str(path)]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    works, digests, flows = json.loads(done.stdout)
    return works, digests, flows


def test_a_machine_without_numba_gets_the_same_answers() -> None:
    """Decoding, connections, metrics and series."""
    for path in sorted(GOLDEN.iterdir()):
        compiled = digested(path, compiled=True)
        interpreted = digested(path, compiled=False)

        assert (compiled[0], interpreted[0]) == (True, False)
        assert interpreted[1:] == compiled[1:]


def test_the_buffer_may_be_bytes_a_view_or_an_array_and_is_not_copied() -> None:
    array = np.frombuffer(bytearray(KERNEL), dtype=np.uint8)
    frames = {len(read(form).packets) for form in (KERNEL, memoryview(KERNEL), array)}

    assert frames == {len(read(KERNEL).packets)}
    assert np.shares_memory(read(array).buffer, array)
    assert array.flags.writeable


def test_a_segment_full_of_options_makes_the_tables_grow() -> None:
    prio = bytes.fromhex("1e0350") * 13
    segment = Segment(options=prio)
    packets = read(cf.pcap([cf.ethernet(segment.packet())] * 500)).packets

    assert len(packets.signals) == 500 * 13
    assert (np.bincount(packets.signals.packet) == 13).all()
    dss = Segment(options=bytes.fromhex("1e042000") * 10)
    packets = read(cf.pcap([cf.ethernet(dss.packet())] * 500)).packets
    assert len(packets.dss) == 5000


def test_an_empty_table_has_every_column() -> None:
    nothing = empty()

    assert (len(nothing), len(nothing.dss), len(nothing.signals)) == (0, 0, 0)
    assert connections(nothing) == ()
    assert rows_of(nothing, slice(None)).keys() == rows_of(read(KERNEL).packets, slice(5)).keys()


def test_numba_works_on_the_machine_that_runs_the_tests() -> None:
    """Otherwise the tests would say nothing of the compiled code."""
    assert kernels.NUMBA_WORKS or os.environ.get("NUMBA_DISABLE_JIT") == "1"


@given(
    st.lists(st.tuples(st.integers(0, len(KERNEL) - 1), st.integers(0, 255)), max_size=20),
    st.integers(0, len(KERNEL)),
)
def test_damage_anywhere_never_raises(damage: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(KERNEL)
    for place, value in damage:
        octets[place] = value
    capture = read(bytes(octets[:cut]))

    packets = capture.packets
    assert (packets.tcp_offset + 20 + packets.options_bytes <= cut).all()
    read_bytes = packets.payload_offset + packets.captured_bytes
    assert (read_bytes[packets.captured_bytes > 0] <= cut).all()
    rows = sum(len(s.rows_c2s) + len(s.rows_s2c) for c in connections(packets) for s in c.subflows)
    assert rows == len(packets)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a"]))
def test_any_bytes_are_read(octets: bytes, magic: bytes) -> None:
    capture = read(magic + octets)

    assert capture.format or capture.problems
