"""A capture goes through a box: times and bytes of what passes stay."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capture_files
import wire_frames as wf
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.capture_input import read
from mptcp_check.errors import CaptureError
from mptcp_check.lab.rewriting import Rewritten, rewrite
from mptcp_check.middleboxes.behaviour import Behaviour, Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link
from mptcp_check.middleboxes.mp_capable_removed_from_syn import MpCapableRemovedFromSyn
from mptcp_check.model import Direction

SYN = wf.tcp_frame(options=wf.MP_CAPABLE_SYN, flags=wf.SYN)
SYN_ACK = wf.tcp_frame(options=wf.MP_CAPABLE_SYN_ACK, flags=wf.SYN_ACK, from_client=False)
DATA = wf.tcp_frame(options=wf.DSS, flags=wf.ACK, payload=b"x" * 100)


class Watching:
    """A box that only looks which way frames go."""

    def __init__(self) -> None:
        self.directions: list[Direction] = []

    acted_count = 0

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        self.directions.append(direction)
        return (Emission(frame=frame, direction=direction, at_ns=now_ns),)


def rewritten(
    source: bytes, *boxes: Behaviour, directory: Path, out: str = "out.pcapng", client: str = ""
) -> tuple[Rewritten, Path]:
    path, target = directory / "in.pcap", directory / out
    path.write_bytes(source)
    address = ipaddress.ip_address(client) if client else None
    return rewrite(path, target, Chain(boxes), client=address), target


def frames(path: Path) -> list[bytes]:
    capture = read(path)
    records = capture_file.frame(capture.buffer).records
    content = capture.buffer.tobytes()
    ends = zip(records.offset.tolist(), records.captured.tolist(), strict=True)
    return [content[at : at + size] for at, size in ends]


@pytest.mark.parametrize("out", ["out.pcap", "out.pcapng"])
def test_what_passes_keeps_its_bytes_and_its_time(tmp_path: Path, out: str) -> None:
    source = capture_files.pcap([SYN, SYN_ACK, DATA])
    done, target = rewritten(source, Watching(), directory=tmp_path, out=out)

    before, after = capture_file.read(source), read(target)
    assert (done.read_count, done.written_count) == (3, 3)
    assert after.format == target.suffix.removeprefix(".")
    assert not after.problems
    assert after.packets.time_ns.tolist() == before.packets.time_ns.tolist()
    assert frames(target) == [SYN, SYN_ACK, DATA]


def test_the_box_acts_on_the_packets_of_the_file(tmp_path: Path) -> None:
    source = capture_files.pcap([SYN, SYN_ACK])
    done, target = rewritten(source, MpCapableRemovedFromSyn(), directory=tmp_path)

    assert done.acted_count == 1
    assert wf.MP_CAPABLE_SYN not in target.read_bytes()
    assert wf.MP_CAPABLE_SYN_ACK in target.read_bytes()


def test_the_client_is_who_sent_the_syn_wherever_it_stands_in_the_file(tmp_path: Path) -> None:
    box = Watching()
    rewritten(capture_files.pcap([SYN_ACK, DATA, SYN]), box, directory=tmp_path)

    assert box.directions == [Direction.S2C, Direction.C2S, Direction.C2S]


def test_a_syn_ack_alone_tells_the_client_too(tmp_path: Path) -> None:
    box = Watching()
    rewritten(capture_files.pcap([SYN_ACK, DATA]), box, directory=tmp_path)

    assert box.directions == [Direction.S2C, Direction.C2S]


def test_without_a_syn_segments_pass_and_are_counted(tmp_path: Path) -> None:
    box = Watching()
    done, target = rewritten(capture_files.pcap([DATA]), box, directory=tmp_path)

    assert box.directions == []
    assert (done.undirected_count, done.written_count) == (1, 1)
    assert DATA in target.read_bytes()


@pytest.mark.parametrize(
    ("client", "direction"), [("10.77.0.1", Direction.C2S), ("10.77.0.2", Direction.S2C)]
)
def test_an_address_can_say_who_the_client_is(
    tmp_path: Path, client: str, direction: Direction
) -> None:
    box = Watching()
    rewritten(capture_files.pcap([DATA]), box, directory=tmp_path, client=client)

    assert box.directions == [direction]


def test_what_is_delayed_comes_out_in_the_order_of_time(tmp_path: Path) -> None:
    source = capture_files.pcap([SYN, SYN_ACK, DATA])
    _, target = rewritten(source, Link(), directory=tmp_path)

    times = read(target).packets.time_ns.tolist()
    assert times == sorted(times)
    assert len(times) == 3
    assert times[0] >= capture_files.START_NS + 5_000_000


def test_a_frame_that_was_cut_stays_cut(tmp_path: Path) -> None:
    source = capture_files.pcap([SYN, DATA], snap_bytes=80)
    _, target = rewritten(source, Watching(), directory=tmp_path, out="out.pcap")

    framing = capture_file.frame(read(target).buffer)
    assert framing.records.captured.tolist() == [len(SYN), 80]
    assert framing.records.wire.tolist() == [len(SYN), len(DATA)]


@pytest.mark.parametrize(
    ("link_type", "cut"), [(101, lambda f: f[14:]), (113, lambda f: bytes(14) + f[12:])]
)
def test_captures_without_ethernet_get_one(tmp_path: Path, link_type: int, cut: object) -> None:
    assert callable(cut)
    source = capture_files.pcap([cut(SYN), cut(DATA)], link_type=link_type)
    done, target = rewritten(source, MpCapableRemovedFromSyn(), directory=tmp_path)

    after = read(target)
    assert done.acted_count == 1
    assert after.interfaces[0].link_type == 1
    assert int(after.packets.flags[0]) & Flag.SYN
    assert [wf.problems(frame) for frame in frames(target)] == [[], []]


def test_frames_of_another_link_type_are_left_out_and_counted(tmp_path: Path) -> None:
    done, _ = rewritten(capture_files.pcap([SYN], link_type=147), directory=tmp_path)

    assert (done.unreadable_count, done.written_count) == (1, 0)


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no magic number"):
        rewritten(b"# a text", directory=tmp_path)


@settings(max_examples=50)
@given(frames=st.lists(st.one_of(st.binary(max_size=200), wf.damaged_frames()), max_size=6))
def test_whatever_the_frames_hold_it_ends(
    frames: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("any")
    source = capture_files.pcap(frames)
    done, _ = rewritten(source, MpCapableRemovedFromSyn(), directory=directory)

    assert done.read_count == done.written_count == len(frames)
