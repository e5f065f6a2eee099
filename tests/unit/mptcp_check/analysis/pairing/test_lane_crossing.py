"""Every segment of a lane has one fate: crossed, cut otherwise, lost by path or capture."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import (
    Fate,
    Lane,
    MatchedBy,
    Origin,
    PairedConnection,
)
from mptcp_check.model import Direction
from pcap_frames import pcap_records, pcap_with, tcp_frame
from traces import HANDSHAKE, TWO_PATHS, Path, captures, pcaps

START = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc
    0.040 > ACK mpc
"""
DATA = (
    START
    + """
    0.050 < PSH data=1000
    0.051 < PSH data=1000
    0.052 < PSH data=1000
    0.071 > ACK
    0.300 > FIN
    0.320 < FIN
"""
)
CLOCK_NS = 3_000_000_000
DELAY_NS = 10_000_000


def connection(text: str, path: Path | None = None) -> PairedConnection:
    (found,) = pair(*captures(text, path))
    return found


def lane_of(text: str, direction: Direction = Direction.S2C, path: Path | None = None) -> Lane:
    return connection(text, path).subflows[0].lanes[direction]


def without(file: bytes, dropped: Sequence[int]) -> bytes:
    """Return a capture file that lost some records."""
    return pcap_with([r for n, r in enumerate(pcap_records(file)) if n not in dropped])


def fates(lane: Lane) -> list[Fate]:
    return [Fate(value) for value in lane.crossing.fates.tolist()]


def origins(lane: Lane) -> list[Origin]:
    return [Origin(value) for value in lane.crossing.origins.tolist()]


def crossed_twins(lane: Lane) -> bool:
    """Say whether every match is of one segment, by the times that only the test knows."""
    assert lane.sent is not None
    assert lane.received is not None
    sent, received = lane.crossing.at_least(MatchedBy.TIME)
    sent_ns = lane.sent.capture.packets.time_ns[sent]
    received_ns = lane.received.capture.packets.time_ns[received]
    ahead_ns = CLOCK_NS if lane.direction is Direction.C2S else -CLOCK_NS
    return bool((received_ns - sent_ns == DELAY_NS + ahead_ns).all())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(Path(), id="as sent"),
        pytest.param(Path(seen_by_server={"0": ("198.51.100.7", 61_000)}), id="NAT"),
        pytest.param(Path(isn_shift={"0": (7, 1 << 31), "0.1": (9, 9)}), id="other numbers"),
    ],
)
def test_on_a_clean_path_every_segment_crosses(path: Path) -> None:
    for subflow in connection(TWO_PATHS, path).subflows:
        for lane in subflow.lanes.values():
            assert lane.sent is not None
            assert lane.received is not None
            assert lane.crossing.sent.tolist() == lane.sent.rows.tolist()
            assert lane.crossing.at_sender.tolist() == lane.received.rows.tolist()
            assert lane.crossing.at_receiver.tolist() == lane.sent.rows.tolist()
            assert set(lane.crossing.by.tolist()) == {MatchedBy.FIELDS}
            assert crossed_twins(lane)
            assert lane.table is not None
            assert lane.table.same_payload.all()


def test_what_the_path_lost_vanished_and_what_it_made_appeared() -> None:
    text = DATA.replace("0.051 < PSH data=1000", "0.051 < PSH data=1000 => lost")
    lane = lane_of(text.replace("0.071 > ACK\n", "0.072 < PSH data=1000 at=1000\n0.090 > ACK\n"))

    assert fates(lane).count(Fate.SENT_AGAIN) == 1
    assert crossed_twins(lane)

    resets = lane_of(START + "0.060 > PSH data=100\n0.070 < RST injected\n")
    assert origins(resets)[-1] is Origin.APPEARED
    assert len(resets.crossing.appeared) == 1

    silent = START + "0.060 < PSH data=100 => lost\n0.090 < PSH data=100 at=0 => lost\n"
    # nothing says that the other capture was still running
    assert fates(lane_of(silent))[-2:] == [Fate.AFTER_END, Fate.AFTER_END]
    running, _ = pair(*captures(silent + "1.000 1 > SYN\n1.020 1 < SYN/ACK\n"))
    assert fates(running.subflows[0].lanes[Direction.S2C])[1:] == [Fate.VANISHED] * 2


def test_a_segment_that_the_receivers_capture_lost_did_not_vanish() -> None:
    client, server = pcaps(DATA)
    lost = without(client, [4])  # the second data segment, acknowledged in the same capture
    (found,) = pair(read(lost), read(server))
    lane = found.subflows[0].lanes[Direction.S2C]

    assert fates(lane) == [
        Fate.CROSSED,
        Fate.CROSSED,
        Fate.CAPTURE_MAY_HAVE_LOST,
        Fate.CROSSED,
        Fate.CROSSED,
    ]
    assert len(lane.crossing.vanished) == 0
    assert lane.received_loss is not None
    assert (lane.received_loss.lost_bytes, lane.received_loss.seen_bytes) == (1000, 2000)
    assert lane.sent_loss is not None
    assert not lane.sent_loss.any


def test_a_segment_that_the_senders_capture_lost_was_not_injected() -> None:
    client, server = pcaps(DATA)
    (found,) = pair(read(client), read(without(server, [4])))
    lane = found.subflows[0].lanes[Direction.S2C]

    assert origins(lane)[2] is Origin.CAPTURE_MAY_HAVE_LOST
    assert len(lane.crossing.appeared) == 0
    assert lane.sent_loss is not None
    assert lane.sent_loss.lost_bytes == 1000


def test_a_syn_that_a_capture_lost_did_not_vanish() -> None:
    client, server = pcaps(DATA)
    (found,) = pair(read(client), read(without(server, [0])))
    lane = found.subflows[0].lanes[Direction.C2S]

    assert fates(lane)[0] is Fate.CAPTURE_MAY_HAVE_LOST
    assert lane.received_loss is not None
    assert lane.received_loss.lost_syn


def test_split_and_merged_segments_are_found_by_their_bytes() -> None:
    split = lane_of(
        START
        + """
        0.050 < PSH data=1000 => lost
        0.050 < PSH data=400 at=0 injected
        0.050 < PSH data=600 at=400 injected
        0.052 < PSH data=500 => lost
        0.053 < PSH data=500 => lost
        0.053 < PSH data=1000 at=1000 injected
        """
    )

    assert fates(split)[1:] == [Fate.RESEGMENTED] * 3
    assert origins(split)[1:] == [Origin.RESEGMENTED] * 3
    pieces = split.byte_map
    ranges = list(zip(pieces.start.tolist(), pieces.end.tolist(), strict=True))
    assert ranges == [(0, 400), (400, 1000), (1000, 1500), (1500, 2000)]
    assert split.sent is not None
    assert split.received is not None
    assert pieces.split_rows.tolist() == split.sent.rows[1:2].tolist()
    assert pieces.merged_rows.tolist() == split.received.rows[3:4].tolist()
    assert not pieces.resized


def test_bytes_after_an_insertion_stay_aligned() -> None:
    lane = lane_of(
        START
        + """
        0.050 < PSH data=1000
        0.051 < PSH data=100 => grow=7
        0.052 < PSH data=1000
        0.053 < PSH data=900
        0.080 > ACK
        """
    )

    pieces = lane.byte_map
    assert pieces.resized
    assert pieces.shifts[0] == (0, 0)
    assert pieces.shifts[-1][1] == 7
    assert lane.crossing.vanished.tolist() == []
    shift_of = dict(zip(pieces.start.tolist(), pieces.shift.tolist(), strict=True))
    assert (shift_of[0], shift_of[1100], shift_of[2100]) == (0, 7, 7)


def test_a_lane_at_one_end_has_no_crossing_and_no_blame() -> None:
    client, _ = captures(DATA)
    (alone,) = pair(client, None)
    lane = alone.subflows[0].lanes[Direction.S2C]

    assert set(origins(lane)) == {Origin.OUTSIDE}
    assert len(lane.crossing.appeared) == len(lane.crossing.sent) == 0
    assert (lane.sent_loss, len(lane.byte_map.sent)) == (None, 0)


def test_what_was_sent_while_the_other_capture_was_not_running_is_no_loss() -> None:
    talk = "".join(f"{n}.000 > PSH data=10\n{n}.050 < ACK\n" for n in range(1, 5))
    client, server = pcaps(TWO_PATHS + talk)
    records = pcap_records(server)

    for kept, direction in ((records[:-2], Direction.C2S), (records[6:], Direction.S2C)):
        (found,) = pair(read(client), read(pcap_with(kept)))
        lane = found.subflows[0].lanes[direction]
        assert len(lane.crossing.vanished) == len(lane.crossing.appeared) == 0
        assert crossed_twins(lane)


Lines = st.lists(
    st.tuples(st.sampled_from("><"), st.integers(0, 1500), st.booleans()), min_size=1, max_size=25
)


@settings(deadline=None, max_examples=60)
@given(
    lines=Lines,
    words=st.sampled_from(["", "nots", "id=0", "nots id=0"]),
    shift=st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1)),
    dropped=st.tuples(st.sets(st.integers(4, 60)), st.sets(st.integers(4, 60))),
)
def test_no_segment_is_ever_taken_for_another_one(
    lines: list[tuple[str, int, bool]],
    words: str,
    shift: tuple[int, int],
    dropped: tuple[set[int], set[int]],
) -> None:
    if words == "nots id=0":  # then only a complete capture says which copy is which
        dropped = (set(), set())
    text, place = HANDSHAKE, {">": 0, "<": 0}
    for number, (machine, count, lost) in enumerate(lines):
        word = f"PSH data={count} at={place[machine]}" if count else "ACK"
        time_s = 1 + number / 5
        text += f"{time_s:.4f} {machine} {word} {words}" + (" => lost\n" if lost else "\n")
        if lost and count:
            text += f"{time_s + 0.1:.4f} {machine} {word} {words}\n"
        place[machine] += count
    end_s = 2 + len(lines) / 5
    text += f"{end_s:.3f} > ACK {words}\n{end_s + 0.1:.3f} < ACK {words}\n"
    client, server = pcaps(text, Path(isn_shift={"0": shift}))

    kept = [
        # the last acknowledgements stay: without them nothing shows what a capture lost
        without(file, [n for n in lost if n < len(pcap_records(file)) - 2])
        for file, lost in zip((client, server), dropped, strict=True)
    ]

    (found,) = pair(*map(read, kept))

    for lane in found.subflows[0].lanes.values():
        assert crossed_twins(lane)
        assert lane.sent is not None
        packets = lane.sent.capture.packets
        # all data arrived in the end: whatever vanished was sent again, or a capture lost it
        assert not packets.payload_bytes[lane.crossing.vanished].any()
        assert lane.received is not None
        there = lane.received.capture.packets
        assert not there.payload_bytes[lane.crossing.appeared].any()
        for rows, looked_up in (
            (lane.sent.rows, lane.crossing.at_sender),
            (lane.received.rows, lane.crossing.at_receiver),
        ):
            assert len(rows) == len(looked_up)
            assert np.count_nonzero(looked_up >= 0) == len(lane.crossing.sent)


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 2999), max_size=6, unique=True))
def test_however_a_stream_is_cut_its_bytes_stay_where_they_are(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 3000]
    text = START
    for number, start in enumerate((0, 1000, 2000)):
        text += f"0.05{number} < PSH data=1000 at={start} => lost\n"
    for number, (start, end) in enumerate(pairwise(edges)):
        text += f"0.06{number} < PSH data={end - start} at={start} injected\n"

    pieces = lane_of(text).byte_map

    assert pieces.start.min() == 0
    assert int((pieces.end - pieces.start).sum()) == 3000
    assert (pieces.start[1:] == pieces.end[:-1]).all()
    assert not pieces.shift.any()


Frames = st.lists(
    st.builds(
        lambda up, seq, ack, flags, options, payload, moment: (
            moment,
            tcp_frame(
                *ENDS[:: 1 if up else -1],
                seq=seq,
                ack=ack,
                flags=flags,
                options=options * 4,
                payload=payload,
            ),
        ),
        up=st.booleans(),
        seq=st.sampled_from([0, 1, 5, 1 << 31, (1 << 32) - 1]) | st.integers(0, (1 << 32) - 1),
        ack=st.sampled_from([0, 1, 5]) | st.integers(0, (1 << 32) - 1),
        flags=st.integers(0, 0xFFF),
        options=st.binary(max_size=10),
        payload=st.binary(max_size=40),
        moment=st.integers(0, 1000),
    ),
    max_size=14,
)
ENDS = ("192.0.2.1", 1), ("192.0.2.2", 2)


def bits(values: npt.NDArray[np.uint8]) -> int:
    return sum(1 << value for value in set(values.tolist()))


@settings(deadline=None, max_examples=150)
@given(here=Frames, there=Frames, common=Frames)
def test_captures_may_hold_anything(
    here: list[tuple[int, bytes]],
    there: list[tuple[int, bytes]],
    common: list[tuple[int, bytes]],
) -> None:
    client, server = (read(pcap_with([*own, *common])) for own in (here, there))

    for found in pair(client, server):
        for subflow in found.subflows:
            steps = subflow.handshake
            assert len(steps.syns.arrived) + len(steps.acks.arrived) >= 0
            for lane in subflow.lanes.values():
                crossing, pieces = lane.crossing, lane.byte_map
                assert len(crossing.fates) == len(crossing.sent_rows)
                assert len(crossing.origins) == len(crossing.received_rows)
                assert (pieces.start < pieces.end).all()
                assert set(pieces.sent.tolist()) <= set(crossing.sent_rows.tolist())
                assert crossing.fate_bits == bits(crossing.fates)
                assert crossing.origin_bits == bits(crossing.origins)
                for loss in (lane.sent_loss, lane.received_loss):
                    assert loss is None or min(loss.seen_bytes, loss.lost_bytes) >= 0
