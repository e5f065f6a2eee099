"""What a capture's connections said: each byte once, however often it was sent."""

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.flows.connections import Connection, Kind, connections
from mptcp_check.analysis.series.coverage import fresh_bytes
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.lanes import lanes


def letters(capture: Capture, marker: str) -> tuple[set[bytes], int]:
    """Return what letters a capture's payloads hold besides the marker's lines, and how many.

    A byte that is sent again counts once.  Where it was sent again tells nothing: TCP cuts a
    retransmission as it likes, and Multipath TCP may reinject data on another subflow, as
    machines that are busy do.  So places in the stream count, and with Multipath TCP places in
    the data (RFC 8684, section 3.3.1).
    """
    packets, seen, count = capture.packets, set(), 0
    for connection in connections(packets):
        line = b""
        for row in _rows(connection):
            payload = packets.payload(row)
            if marker.encode() in payload:
                head, end, payload = payload.partition(b"\n")
                line = head + end
            seen |= {bytes([one]) for one in set(payload)}
        count += _data_bytes(capture, connection) - len(line)
    return seen, count


def _rows(connection: Connection) -> list[int]:
    both = [rows for one in connection.subflows for rows in (one.rows_c2s, one.rows_s2c)]
    found: list[int] = np.concatenate(both).tolist()
    return found


def _data_bytes(capture: Capture, connection: Connection) -> int:
    if connection.kind is Kind.MPTCP:
        directions = series_of(capture.packets, connection).directions
        assert not any(one.unmapped_bytes for one in directions)
        return sum(one.data_bytes for one in directions)
    sent = [lane for one in connection.subflows for lane in lanes(capture.packets, one)]
    return sum(int(fresh_bytes(lane.start, lane.end).sum()) for lane in sent)
