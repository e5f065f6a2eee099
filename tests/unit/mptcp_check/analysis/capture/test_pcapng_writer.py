import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture, merge
from tshark_oracle import fields


def written() -> bytes:
    first = cf.pcap([b"one", b"three"], times_ns=[10, 30])
    second = cf.pcap([b"two", b"four"], times_ns=[20, 40], link_type=101, nanoseconds=True)
    return merge(
        [
            InterfaceCapture(name="eth0", octets=first, received_count=2, dropped_count=0),
            InterfaceCapture(name="eth1", octets=second, received_count=9, dropped_count=7),
        ],
        hardware="a machine",
        operating_system="Linux",
        application="mptcp-check",
    )


def test_packets_come_in_the_order_of_time_with_their_interface() -> None:
    capture = read(written())

    records = capture.records
    frames = [
        capture.buffer[at : at + length].tobytes()
        for at, length in zip(records.offset, records.captured, strict=True)
    ]
    assert frames == [b"one", b"two", b"three", b"four"]
    assert records.time_ns.tolist() == [10, 20, 30, 40]
    assert records.interface.tolist() == [0, 1, 0, 1]
    assert [known.link_type for known in capture.interfaces] == [1, 101]
    assert capture.problems == ()


def test_names_and_drop_counts_are_there_for_wireshark(tmp_path: Path) -> None:
    path = tmp_path / "merged.pcapng"
    path.write_bytes(written())

    told = subprocess.run(["capinfos", str(path)], capture_output=True, check=True, text=True)
    for line in ("= eth0", "= eth1", "a machine", "mptcp-check", "stat entries = 1"):
        assert line in told.stdout
    known = read(path.read_bytes()).interfaces
    assert [(one.name, one.received_count, one.dropped_count) for one in known] == [
        ("eth0", 2, 0),
        ("eth1", 9, 7),
    ]
    blocks = subprocess.run(
        ["tshark", "-r", str(path), "-X", "read_format:MIME Files Format", "-V"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert "Number of Dropped Packets: 7" in blocks


def test_tshark_reads_the_frames_of_real_traffic_back(tmp_path: Path) -> None:
    golden = Path(__file__).parents[4] / "golden" / "captures" / "kernel_v1_cooked.pcap"
    path = tmp_path / "merged.pcapng"
    path.write_bytes(merge([InterfaceCapture(name="any", octets=golden.read_bytes())]))
    names = ("frame.number", "frame.time_epoch", "frame.len", "tcp.seq_raw", "tcp.len")

    theirs, mine = fields(golden, *names), fields(path, *names)
    for frame in (*theirs, *mine):
        seconds, fraction = frame["frame.time_epoch"][0].split(".")
        frame["frame.time_epoch"] = [seconds, fraction.ljust(9, "0")]
    assert mine == theirs


def test_a_part_that_ends_in_a_packet_gives_its_whole_packets() -> None:
    cut = cf.pcap([b"whole", b"half"], times_ns=[1, 2])[:-2]
    capture = read(
        merge(
            [
                InterfaceCapture(name="eth0", octets=cut),
                InterfaceCapture(name="eth1", octets=b""),
            ]
        )
    )

    assert len(capture.records.offset) == 1
    assert [known.name for known in capture.interfaces] == ["eth0", "eth1"]
    assert capture.interfaces[0].dropped_count is None


def test_nothing_merged_is_an_empty_section() -> None:
    capture = read(merge([]))

    assert (capture.format, capture.problems, len(capture.records.offset)) == ("pcapng", (), 0)


PARTS = st.lists(
    st.lists(st.tuples(st.integers(0, 2**61), st.binary(max_size=9)), max_size=5), max_size=4
)


@given(PARTS)
def test_what_was_merged_is_read_back(parts: list[list[tuple[int, bytes]]]) -> None:
    captures = []
    expected = []
    for number, frames in enumerate(parts):
        pairs = [(time_ns % (2**32 * 10**9), data) for time_ns, data in frames]
        octets = cf.pcap([data for _, data in pairs], times_ns=[time for time, _ in pairs])
        captures.append(InterfaceCapture(name=f"if{number}", octets=octets))
        expected += [(time_ns, number, data) for time_ns, data in pairs]
    expected.sort(key=lambda entry: entry[0])

    capture = read(merge(captures))
    records = capture.records
    back = [
        (int(time_ns), int(number), capture.buffer[at : at + length].tobytes())
        for time_ns, number, at, length in zip(
            records.time_ns, records.interface, records.offset, records.captured, strict=True
        )
    ]
    assert back == expected
