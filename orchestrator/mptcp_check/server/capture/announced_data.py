"""Whose FTP's data connections are: what control connections announced, and for how long; PURE."""

from typing import Final

from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import source
from mptcp_check.server.capture.ftp_data import Lines, active_port, passive_port

EXPECTED_NS: Final = 30 * 10**9
"""How long an announced data connection is expected."""

AMBIGUOUS: Final = ""


class AnnouncedData:
    """Data connections that are expected."""

    def __init__(self) -> None:
        self._expected: dict[tuple[int, int, int, bool], tuple[str, int]] = {}
        """Client's address, a port, and whether the server will open the connection -> whose data
        comes there, and until when."""

    def hear(self, flow: Flow, lines: tuple[Lines, Lines], packets: Packets, row: int) -> None:
        """Hear whether a segment of a control connection announces a data connection.

        Args:
            flow: The control connection, a session's.
            lines: Those of its client and its server, so far.
            packets: Where the segment is.
            row: Which it is.
        """
        from_client = source(packets, row) == flow.initiator
        parse = active_port if from_client else passive_port
        client = flow.initiator
        until_ns = int(packets.time_ns[row]) + EXPECTED_NS
        for line in lines[0 if from_client else 1].add(packets.payload(row)):
            if port := parse(line):
                place = (client.high, client.low, port, from_client)
                known, _ = self._expected.get(place, (flow.session_id, 0))
                # Two users behind one address who announce one port: it is neither's.
                owner = flow.session_id if known == flow.session_id else AMBIGUOUS
                self._expected[place] = (owner, until_ns)

    def take(self, flow: Flow) -> tuple[str, bool]:
        """Return whose data a new connection is, and whether the server opened it; once."""
        for client, port, by_server in (
            (flow.initiator, flow.responder.port, False),
            (flow.responder, flow.responder.port, True),
        ):
            place = (client.high, client.low, port, by_server)
            session_id, until_ns = self._expected.get(place, ("", 0))
            if session_id and flow.first_ns <= until_ns:
                del self._expected[place]
                return session_id, by_server
        return "", False

    def forget(self, session_id: str) -> None:
        """Expect nothing more of a session."""
        self._expected = {k: v for k, v in self._expected.items() if v[0] != session_id}

    def expire(self, now_ns: int) -> None:
        """Expect no more what did not come."""
        self._expected = {k: v for k, v in self._expected.items() if v[1] > now_ns}
