"""Captures on disk: quotas, a full disk, crashes, and what each says of itself."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from measurement_server import Clock
from mptcp_check.analysis.capture.capture_file import Decoder, read
from mptcp_check.analysis.capture.ring_block import frames
from mptcp_check.server.capture import session_file
from mptcp_check.server.capture.journal import FLOWS, ORDER
from mptcp_check.server.capture.recorder import Recorder
from mptcp_check.server.capture.service import FILE, Order
from mptcp_check.server.capture.waiting import Waiting
from mptcp_check.server.capture.warm_up import Frame, block
from mptcp_check.server.problem import ProblemError
from ring_frames import LINK_TYPES, MULTIPLIERS, S, multipath, nonce_marker, plain

ID = "0a" * 16
NAT = "198.51.100.9"


@dataclass
class Place:
    """A folder in which recorders come and go."""

    folder: Path
    clock: Clock
    free: int = 10**12
    dropped: int = 0

    def recorder(self, *, flows_max: int = 1000) -> Recorder:
        return Recorder(
            self.folder,
            waiting=Waiting(hold_ns=5 * S, flows_max=flows_max, bytes_max=10**7),
            multipliers=MULTIPLIERS,
            wall_ns=self.clock,
            ring_dropped=lambda: self.dropped,
            free_bytes=lambda _: self.free,
            disk_free_min_bytes=1000,
            ftp_ports=frozenset({21}),
        )

    def order(self, **changes: int) -> Order:
        return Order(
            session_id=ID,
            marker=nonce_marker(1),
            bytes_max=changes.get("bytes_max", 10**6),
            packets_max=changes.get("packets_max", 10**5),
            until_ns=self.clock.now_ns + 600 * S,
        )

    @property
    def file(self) -> Path:
        return self.folder / ID / FILE


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path / "captures", clock=Clock())


def take(recorder: Recorder, packets: list[bytes], at_ns: int) -> None:
    made = block([Frame(at_ns + n, packet) for n, packet in enumerate(packets)])
    records = frames(made)
    recorder.take(Decoder().decode(made, records, LINK_TYPES), records)


def held(path: Path) -> list[bytes]:
    capture = read(path.read_bytes())
    assert capture.problems == ()
    assert capture.format == "pcapng"
    assert list(capture.records.time_ns) == sorted(capture.records.time_ns)
    starts, lengths = capture.records.offset.tolist(), capture.records.captured.tolist()
    return [
        capture.buffer[at : at + length].tobytes()
        for at, length in zip(starts, lengths, strict=True)
    ]


def ours(port: int, isn: int = 5) -> list[bytes]:
    return plain(nonce_marker(1).encode(), client=(NAT, port), isn=isn)


def test_a_capture_is_whole_ordered_hashed_and_says_the_same_again(place: Place) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    packets = multipath(nonce_marker(1).encode(), client=(NAT, 1), other=(NAT, 2))
    take(recorder, packets, place.clock.now_ns)
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    assert held(place.file) == packets
    octets = place.file.read_bytes()
    assert summary.sha256 == hashlib.sha256(octets).hexdigest()
    assert (summary.file_bytes, summary.packet_count) == (len(octets), len(packets))
    assert (summary.mp_capable_count, summary.mp_join_count, summary.flow_count) == (1, 1, 2)
    assert summary.complete
    assert recorder.stop(ID, "again") == summary == place.recorder().summary(ID)
    with pytest.raises(ProblemError, match="a session has one"):
        recorder.start(place.order())


@pytest.mark.parametrize(
    ("quota", "reason"), [({"bytes_max": 3000}, "bytes"), ({"packets_max": 20}, "packets")]
)
def test_a_quota_truncates_and_says_so_in_the_summary_and_in_the_file(
    place: Place, quota: dict[str, int], reason: str
) -> None:
    recorder = place.recorder()
    recorder.start(place.order(**quota))
    sent = []
    for number in range(10):
        packets = ours(1 + number, isn=5 + number)
        take(recorder, packets, place.clock.now_ns + number * 1000)
        sent += packets
    place.clock.forward(1)
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    assert (summary.truncated, summary.complete) == (reason, False)
    assert summary.truncated_ns is not None
    got = held(place.file)
    assert got == sent[: len(got)]
    assert len(got) + summary.missed_packet_count == len(sent)
    assert place.file.stat().st_size <= quota.get("bytes_max", 10**9) + 200
    assert f"truncated: {reason}".encode() in place.file.read_bytes()


def failing_writes(after_bytes: int) -> Callable[[int, memoryview, int], int]:
    real = os.pwrite

    def pwrite(descriptor: int, octets: memoryview, at: int) -> int:
        if at + len(octets) > after_bytes:
            if at >= after_bytes:
                raise OSError(errno.ENOSPC, "No space left on device")
            octets = octets[: after_bytes - at]
        return real(descriptor, octets, at)

    return pwrite


def test_a_disk_that_fills_ends_the_file_where_it_was_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    first, second = ours(1), ours(2)
    take(recorder, first, place.clock.now_ns)
    recorder.flush()
    size = place.file.stat().st_size
    monkeypatch.setattr(session_file.os, "pwrite", failing_writes(size + 20))
    take(recorder, second, place.clock.now_ns + 1000)
    recorder.flush()
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    assert (summary.truncated, summary.missed_packet_count) == ("disk_full", len(second))
    assert held(place.file) == first
    assert summary.sha256 == hashlib.sha256(place.file.read_bytes()).hexdigest()


@pytest.mark.parametrize("room", range(40, 400, 40))
def test_what_of_one_write_went_in_whole_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    recorder.flush()
    sent = ours(1)
    start = place.file.stat().st_size
    monkeypatch.setattr(session_file.os, "pwrite", failing_writes(start + room))
    monkeypatch.setattr(session_file, "ROOM_LEFT_BYTES", 0)
    take(recorder, sent, place.clock.now_ns)
    recorder.flush()
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    got = held(place.file)
    assert got == sent[: len(got)]
    assert len(got) + summary.missed_packet_count == len(sent)
    left = room - (place.file.stat().st_size - start)
    assert 0 <= left < 200  # the next packet did not fit


def test_without_room_no_capture_begins_and_nothing_is_left(place: Place) -> None:
    recorder = place.recorder()
    place.free = 999
    with pytest.raises(ProblemError) as refused:
        recorder.start(place.order())
    assert refused.value.problem.name == "disk-full"
    assert not (place.folder / ID).exists()


def test_a_crash_in_mid_capture_is_taken_up_and_told(place: Place) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    packets = multipath(nonce_marker(1).encode(), client=(NAT, 1), other=(NAT, 2), early=True)
    take(recorder, packets[:8], place.clock.now_ns)
    recorder.flush()
    with place.file.open("ab") as file:
        file.write(b"\x06\x00\x00\x00\x60\x00\x00\x00 half a block")  # as a crash leaves it
    recorder.beat()
    alive_ns = place.clock.now_ns
    place.clock.forward(7)

    again = place.recorder()
    # Connections that were known go on, also those that join them.
    take(again, packets[8:], place.clock.now_ns)
    take(again, ours(9), place.clock.now_ns + 1000)
    summary = again.stop(ID, "stopped")
    assert summary is not None
    (gap,) = summary.interruptions
    assert (gap.from_ns, gap.until_ns) == (alive_ns, place.clock.now_ns)
    assert not summary.complete
    assert held(place.file) == packets + ours(9)
    assert summary.packet_count == len(packets) + len(ours(9))
    assert summary.mp_join_count == 1


def test_two_crashes_are_two_interruptions_and_a_cut_line_costs_one_connection(
    place: Place,
) -> None:
    place.recorder().start(place.order())
    flows = place.folder / ID / FLOWS
    flows.write_text('{"initiator": [0, 1')
    place.clock.forward(1)
    place.recorder()
    place.clock.forward(1)
    last = place.recorder()
    summary = last.summary(ID)
    assert summary is not None
    assert len(summary.interruptions) == 2
    assert summary.flow_count == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"session_id": 1}', "null"])
def test_an_order_that_was_not_written_whole_is_no_capture(place: Place, text: str) -> None:
    folder = place.folder / ID
    folder.mkdir(parents=True)
    (folder / ORDER).write_text(text)
    assert place.recorder().running_count == 0


def test_a_client_that_is_gone_is_ended_by_the_clock(place: Place) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    take(recorder, ours(1), place.clock.now_ns)
    place.clock.forward(600)
    recorder.tidy()
    summary = recorder.summary(ID)
    assert summary is not None
    assert (summary.running, summary.because) == (False, "expired")
    assert held(place.file) == ours(1)


def test_what_the_kernel_lost_and_what_was_shed_is_told(place: Place) -> None:
    place.dropped = 5
    recorder = place.recorder(flows_max=3)
    recorder.start(place.order())
    place.dropped = 9
    take(recorder, [plain(b"x", client=(NAT, n), isn=n)[0] for n in range(1, 8)], 1)
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    assert (summary.ring_dropped_count, summary.shed_flow_count) == (4, 4)
    assert not summary.complete


def test_a_forgotten_capture_leaves_no_file(place: Place) -> None:
    recorder = place.recorder()
    recorder.start(place.order())
    recorder.forget(ID)
    recorder.forget(ID)
    assert [path.name for path in place.folder.iterdir()] == ["alive"]
    take(recorder, ours(1), place.clock.now_ns)
    assert recorder.running_count == 0


def test_a_session_with_too_many_connections_is_truncated(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mptcp_check.server.capture.recorder.FLOWS_MAX", 3)
    recorder = place.recorder()
    recorder.start(place.order())
    for number in range(5):
        take(recorder, ours(1 + number, isn=number), place.clock.now_ns + number * 1000)
    summary = recorder.stop(ID, "stopped")
    assert summary is not None
    assert summary.truncated == "flows"
    assert held(place.file) == [packet for n in range(3) for packet in ours(1 + n, isn=n)]
    assert json.loads((place.folder / ID / "summary.json").read_text())["flow_count"] == 5


def test_ten_thousand_sessions_leave_no_memory_behind(place: Place) -> None:
    recorder = place.recorder()
    demultiplexer = recorder.demultiplexer
    for number in range(10_000):
        name = f"{number:032x}"
        demultiplexer.open(name, nonce_marker(number))
        demultiplexer.close(name)
    sizes = [len(getattr(demultiplexer, name)) for name in ("_sessions", "_claims", "_flows")]
    assert sizes == [0, 0, 0]
    assert np.array_equal(MULTIPLIERS % 2, np.ones(6))
