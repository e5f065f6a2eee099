"""What several packets tell together agrees with tshark's analysis, packet by packet.

Where the definitions differ, the test says how, and holds one to follow from the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.packets import DssFlag, Flag, Packets, Subtype
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.connections import Connection, Kind, Role, Subflow, connections
from mptcp_check.analysis.flows.grouping import group
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.lanes import Lane, lanes
from mptcp_check.analysis.series.numbering import HALF, LARGEST
from mptcp_check.analysis.series.values import ConnectionSeries, Sending
from oracle_captures import CAPTURES
from tshark_oracle import ANALYSED, ANALYSIS, Row, fields, in_order, numbers

LOW_32 = 0xFFFF_FFFF
MODULUS = 1 << 64


@dataclass(frozen=True)
class Both:
    """A capture as both see it."""

    capture: Capture
    theirs: list[Row]

    @property
    def packets(self) -> Packets:
        return self.capture.packets

    def having(self, *names: str) -> set[int]:
        """Return the rows on which tshark shows any of some fields."""
        return {row for row, frame in enumerate(self.theirs) if any(frame[n] for n in names)}


@pytest.fixture(scope="module", params=[name for name in CAPTURES if name != "odd packets"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Not the odd packets: half of them are no connection at all.

    tshark analyses in the order of the file, we in the order of time: the file is put in order.
    """
    folder = tmp_path_factory.mktemp("oracle")
    path = in_order(CAPTURES[request.param](), folder / "capture", folder / "in_order")
    wanted = ("frame.number", "tcp.len", *ANALYSIS)
    return Both(read(path.read_bytes()), fields(path, *wanted, preferences=ANALYSED))


def every_lane(packets: Packets) -> Iterator[tuple[Connection, Subflow, Lane, Lane]]:
    """Yield each direction of each TCP connection with its answers."""
    for connection in connections(packets):
        for subflow in connection.subflows:
            client, server = lanes(packets, subflow)
            yield connection, subflow, client, server
            yield connection, subflow, server, client


def every_series(packets: Packets) -> Iterator[tuple[Connection, ConnectionSeries]]:
    for connection in connections(packets):
        if connection.kind is Kind.MPTCP:
            yield connection, series_of(packets, connection)


def test_tcp_connections_have_the_same_numbers(both: Both) -> None:
    flows = group(both.packets)

    assert flows.flow_of.tolist() == [int(frame["tcp.stream"][0]) for frame in both.theirs]


def test_multipath_connections_have_the_same_members(both: Both) -> None:
    """tshark leaves out segments before the first option that names a connection."""
    theirs: dict[int, int] = {}
    for connection in connections(both.packets):
        for subflow in connection.subflows:
            for row in (*subflow.rows_c2s.tolist(), *subflow.rows_s2c.tolist()):
                frame = both.theirs[row]
                if not frame["mptcp.stream"]:
                    continue
                stream = int(frame["mptcp.stream"][0])
                assert theirs.setdefault(stream, connection.id) == connection.id
                if connection.kind is not Kind.TCP:  # a join that lost its option is none
                    master = numbers(frame["mptcp.master"]) == [1]
                    assert master is (subflow.role is Role.INITIAL)
                for cell in frame["mptcp.analysis.subflows"]:
                    listed = {int(each) for each in cell.split()}
                    assert subflow.flow in listed
                    assert listed <= {each.flow for each in connection.subflows}
    assert len(set(theirs.values())) == len(theirs)


def test_tokens_and_initial_data_numbers_agree(both: Both) -> None:
    packets = both.packets
    for connection in connections(packets):
        first = connection.subflows[0]
        ends = (
            (first.rows_c2s, connection.key_client, connection.token_client),
            (first.rows_s2c, connection.key_server, connection.token_server),
        )
        for rows, key, token in ends:
            for row in rows.tolist():
                frame = both.theirs[row]
                if frame["mptcp.expected_token"]:
                    assert numbers(frame["mptcp.expected_token"]) == [token]
                if frame["mptcp.expected_idsn"]:
                    assert key is not None
                    assert connection.mptcp_version is not None
                    idsn = crypto.initial_data_sequence_number(key, connection.mptcp_version)
                    assert numbers(frame["mptcp.expected_idsn"]) == [idsn]


def test_scaled_windows_agree(both: Both) -> None:
    for _, _, lane, _ in every_lane(both.packets):
        for row, window in zip(lane.rows.tolist(), lane.window.tolist(), strict=True):
            if window >= 0:
                assert numbers(both.theirs[row]["tcp.window_size"]) == [window]


def beyond(theirs: int, ours: int) -> bool:
    """Say whether ours is at the limit, and tshark's on that side of it."""
    return (theirs if ours > 0 else MODULUS - theirs) >= LARGEST and abs(ours) == LARGEST


def data_fins_before(
    packets: Packets,
    connection: Connection,
    idsn: int,
    from_client: bool,  # noqa: FBT001 - of a direction
) -> dict[int, set[int]]:
    """Return of the segments that begin where a DATA_FIN before them would be: its numbers."""
    dss = packets.dss
    fins = (dss.flags & DssFlag.DATA_FIN != 0) & (dss.parts & DssFlag.MAPPING != 0)
    found: dict[int, set[int]] = {}
    for subflow in connection.subflows:
        lane = lanes(packets, subflow)[0 if from_client else 1]
        for row, start in zip(lane.rows.tolist(), lane.start.tolist(), strict=True):
            last = dss.ssn.astype(np.int64) + dss.data_length - 1
            there = fins & (last == start) & (dss.packet < row) & np.isin(dss.packet, lane.rows)
            found[row] = {
                (int(dss.dsn[at]) + int(dss.data_length[at]) - 1 - idsn) % MODULUS
                for at in np.flatnonzero(there)
            }
    return found


def test_data_numbers_agree(both: Both) -> None:
    """Where the key was captured, 0 is the IDSN for both.

    Further from it than `LARGEST` ours is at that limit: a middlebox altered the key.  And tshark
    lets a DATA_FIN take up a byte of the subflow, which it does not (RFC 8684, section 3.3.3): it
    gives a segment that begins there the number of the DATA_FIN before it.
    """
    packets = both.packets
    compared = 0
    for connection, series in every_series(packets):
        for direction in series.directions:
            if not direction.origin_known:
                continue
            key = connection.key_client if direction.from_client else connection.key_server
            assert key is not None
            assert connection.mptcp_version is not None
            idsn = crypto.initial_data_sequence_number(key, connection.mptcp_version)
            data_fins = data_fins_before(packets, connection, idsn, direction.from_client)
            starts: dict[int, int] = {}
            for row, start in zip(
                direction.sent.row.tolist(), direction.sent.start.tolist(), strict=True
            ):
                starts.setdefault(row, start)
            for row, start in starts.items():
                frame = both.theirs[row]
                if frame["mptcp.dsn"]:
                    (theirs,) = numbers(frame["mptcp.dsn"])
                    if theirs != start:
                        assert theirs in data_fins[row] or beyond(theirs, start)
                    assert numbers(frame["mptcp.rawdsn64"]) == [(idsn + theirs) % MODULUS]
                    compared += 1
            acks = direction.acknowledged
            for row, ack in zip(acks.row.tolist(), acks.data_ack.tolist(), strict=True):
                (theirs,) = numbers(both.theirs[row]["mptcp.ack"])
                assert theirs == ack or beyond(theirs, ack)
                compared += 1
    assert compared or not any(series.directions for _, series in every_series(packets))


def test_reinjections_agree(both: Both) -> None:
    """What TCP sends again is a retransmission for us; for tshark also a reinjection.

    It is that for tshark where another subflow had carried any of it before, and only there.
    """
    ours: set[int] = set()
    carried_elsewhere: set[int] = set()
    for _, series in every_series(both.packets):
        for direction in series.directions:
            sent = direction.sent
            ours |= set(sent.row[sent.sending == Sending.REINJECTED].tolist())
            for at in np.flatnonzero(sent.sending == Sending.RETRANSMITTED):
                same = (sent.start[:at] < sent.end[at]) & (sent.end[:at] > sent.start[at])
                if (same & (sent.subflow[:at] != sent.subflow[at])).any():
                    carried_elsewhere.add(int(sent.row[at]))

    assert ours | carried_elsewhere == both.having("mptcp.reinjection_of")


def test_infinite_mappings_agree(both: Both) -> None:
    dss = both.packets.dss
    ours = set(dss.packet[(dss.parts & 4 != 0) & (dss.data_length == 0)].tolist())

    assert ours == both.having("mptcp.dss.infinite_mapping")


RESENT = (
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
    "tcp.analysis.out_of_order",
)


def places(lane: Lane) -> list[tuple[int, bool, bool]]:
    """Say of each segment with payload whether it begins below, and above, the highest end."""
    highest: int | None = None
    found = []
    for row, start, end in zip(
        lane.rows.tolist(), lane.start.tolist(), lane.end.tolist(), strict=True
    ):
        if end == start:
            continue
        below = highest is not None and start < highest
        above = highest is not None and start > highest
        found.append((row, below, above))
        highest = end if highest is None else max(highest, end)
    return found


def test_what_comes_below_the_highest_number_was_sent_again_or_is_out_of_order(both: Both) -> None:
    """tshark guesses which of the two by the time between; our metrics by the bytes."""
    found = [place for _, _, lane, _ in every_lane(both.packets) for place in places(lane)]
    resent = both.having(*RESENT)
    with_payload = {row for row, _, _ in found}
    below = {row for row, is_below, _ in found if is_below}

    assert below <= resent
    # tshark takes the number of a bare ACK for the end of what came: a path that held data back
    # let such ACKs pass
    assert (resent & with_payload) - below <= behind_bare_acks(both.packets)


def behind_bare_acks(packets: Packets) -> set[int]:
    """Return segments with payload that came after a bare one with a higher sequence number."""
    found: set[int] = set()
    for connection, _, _, _ in every_lane(packets):
        for subflow in connection.subflows:
            for rows in (subflow.rows_c2s, subflow.rows_s2c):
                bare = rows[packets.payload_bytes[rows] == 0]
                for row in rows[packets.payload_bytes[rows] > 0].tolist():
                    ahead = packets.seq[bare[bare < row]] - packets.seq[row]
                    if (ahead.astype(np.int32) > 0).any():
                        found.add(row)
    return found


def test_holes_agree(both: Both) -> None:
    found = [place for _, _, lane, _ in every_lane(both.packets) for place in places(lane)]
    with_payload = {row for row, _, _ in found}

    assert {row for row, _, above in found if above} == (
        both.having("tcp.analysis.lost_segment") & with_payload
    )


def test_zero_windows_agree(both: Both) -> None:
    """tshark leaves SYNs and FINs out, we only RSTs."""
    packets = both.packets
    quiet = packets.flags & (Flag.SYN | Flag.FIN | Flag.RST) == 0
    ours = np.flatnonzero((packets.window == 0) & quiet)

    assert set(ours.tolist()) == both.having("tcp.analysis.zero_window")
    counted = sum(
        one.zero_window_count
        for connection in inspect(both.capture).connections
        for subflow in connection.subflows
        for one in (subflow.c2s, subflow.s2c)
    )
    assert counted == int(((packets.window == 0) & (packets.flags & Flag.RST == 0)).sum())


def passed_over(packets: Packets) -> set[int]:
    """Return the repeated ACKs between which and the segment before a kind of option was new."""
    carriers = np.concatenate([packets.signals.packet, packets.dss.packet])
    kinds = np.concatenate([packets.signals.subtype, np.full(len(packets.dss.packet), Subtype.DSS)])
    found: set[int] = set()
    for connection, _, receiver, _ in every_lane(packets):
        rows = [row for own in connection.subflows for row in (*own.rows_c2s, *own.rows_s2c)]
        own_options = np.isin(carriers, rows)
        first = [
            int(carriers[own_options & (kinds == kind)].min())
            for kind in np.unique(kinds[own_options])
        ]
        changing = Flag.SYN | Flag.FIN | Flag.RST
        for before, row in pairwise(receiver.rows.tolist()):
            same = all(column[before] == column[row] for column in (packets.ack, packets.window))
            quiet = not packets.payload_bytes[row] and not packets.flags[row] & changing
            if same and quiet and any(before <= at < row for at in first):
                found.add(row)
    return found


def test_duplicate_acks_are_those_with_data_in_flight(both: Both) -> None:
    """tshark counts every repeated ACK, ours are those of RFC 5681: data has to be in flight.

    It passes over one in whose connection another kind of option was seen for the first time since
    that end's last segment, on whatever subflow, and cites RFC 8684, section 4; but that speaks of
    options on the ACK itself.
    """
    duplicates = both.having("tcp.analysis.duplicate_ack") | passed_over(both.packets)
    expected = 0
    for _, _, receiver, sender in every_lane(both.packets):
        for row, ack, time_ns in zip(
            receiver.rows.tolist(), receiver.ack.tolist(), receiver.time_ns.tolist(), strict=True
        ):
            if row in duplicates:
                earlier = (sender.time_ns < time_ns) | (
                    (sender.time_ns == time_ns) & (sender.rows < row)
                )
                sent = sender.end[earlier & (sender.end > sender.start)]
                expected += bool(len(sent)) and int(sent.max()) > ack
    counted = sum(
        one.duplicate_ack_count
        for connection in inspect(both.capture).connections
        for subflow in connection.subflows
        for one in (subflow.c2s, subflow.s2c)
    )

    assert counted == expected


def test_round_trips_by_acks_are_among_those_of_tshark(both: Both) -> None:
    """tshark times SYNs, FINs and what was sent twice as well, but not by an ACK with data.

    And it takes a RST for an ACK, after which an ACK of no more than its number is none to it.
    """
    packets = both.packets
    compared = 0
    for _, series in every_series(packets):
        for direction in series.directions:
            for subflow in direction.subflows:
                own = series.connection.subflows[subflow.subflow]
                back = own.rows_s2c if direction.from_client else own.rows_c2s
                with_data = set(packets.time_ns[back[packets.payload_bytes[back] > 0]].tolist())
                after_reset: set[int] = set()
                for row in back[packets.flags[back] & Flag.RST != 0].tolist():
                    if both.theirs[row]["tcp.analysis.ack_rtt"]:
                        behind = packets.ack[row].astype(np.int64) - packets.ack[back]
                        covered = back[(behind & LOW_32 < HALF) & (back > row)]
                        after_reset |= set(packets.time_ns[covered].tolist())
                theirs: dict[int, list[int]] = {}
                for row in back.tolist():
                    for cell in both.theirs[row]["tcp.analysis.ack_rtt"]:
                        found = theirs.setdefault(int(packets.time_ns[row]), [])
                        found.append(round(float(cell) * 1e9))
                for at, value in zip(
                    subflow.rtt_acks.time_ns.tolist(), subflow.rtt_acks.value.tolist(), strict=True
                ):
                    if at not in with_data | after_reset:
                        assert value in theirs[at]
                        compared += 1
    assert compared <= len(both.having("tcp.analysis.ack_rtt"))
