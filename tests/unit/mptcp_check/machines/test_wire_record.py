import json
import os
import subprocess
from pathlib import Path

from mptcp_check.machines.wire_record import WireCapture, WireRecord, frame_digest
from mptcp_check.model import Direction
from wire_frames import CLIENT, SERVER, ethernet, ip, tcp_frame

ARP = tcp_frame()[:12] + b"\x08\x06" + bytes(28)
UDP = ethernet(4, ip(4, 17, CLIENT[4], SERVER[4], bytes(8)))


def test_padding_is_no_part_of_a_frames_identity_and_every_other_byte_is() -> None:
    frame = tcp_frame(payload=b"a")

    assert frame_digest(frame + bytes(5)) == frame_digest(frame)
    assert frame_digest(tcp_frame(payload=b"b")) != frame_digest(frame)


def test_only_tcp_is_recorded_in_order_with_time_and_direction() -> None:
    record = WireRecord()
    record.add(tcp_frame(), 5, Direction.C2S)
    record.add(ARP, 6, Direction.C2S)
    record.add(UDP, 7, Direction.C2S)
    record.add(tcp_frame(from_client=False), 8, Direction.S2C)

    assert [(f.time_ns, f.direction) for f in record.frames()] == [
        (5, Direction.C2S),
        (8, Direction.S2C),
    ]
    assert record.frames()[0].digest == frame_digest(tcp_frame())


def test_tshark_reads_a_wire_capture_to_the_nanosecond(tmp_path: Path) -> None:
    capture = WireCapture(tmp_path / "wire.pcap")
    capture.write(tcp_frame(), 1_700_000_000_123_456_789)
    capture.write(ARP, 1_700_000_001_000_000_001)
    capture.close()

    command = ["tshark", "-r", str(tmp_path / "wire.pcap"), "-T", "json", "-e", "frame.time_epoch"]
    done = subprocess.run(command, check=True, capture_output=True)
    fields = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    assert [f["frame.time_epoch"] for f in fields] == [
        ["1700000000.123456789"],
        ["1700000001.000000001"],
    ]
    assert capture.problem == ""


def test_a_write_that_fails_ends_the_capture_with_a_word_and_no_exception(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    capture = WireCapture(path)
    os.close(reader)
    for _ in range(1000):
        capture.write(tcp_frame(payload=bytes(1400)), 1)
    capture.close()

    assert capture.problem == f"the wire capture {path} is not whole: Broken pipe"
