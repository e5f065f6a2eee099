"""Who is at which end: a connection's client is not always at the client machine (active FTP).

The capture at the opener sees the whole wait from SYN to SYN/ACK; the one at the listener sees
only how long the listener took.  So the longer wait is the opener's, with any two clocks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.flow_matching import Match
from mptcp_check.analysis.pairing.flow_views import FlowView, first_row
from mptcp_check.analysis.pairing.paired import OTHER_SIDE, ClockOffset, Crossings, Lane
from mptcp_check.model import Side


class Vantage:
    """Which addresses belong to the machine at each capture: the flows vote.

    One flow alone may mislead (a proxy answers at once, a capture lost the first SYN), and all
    flows of an address must agree, as the machine does not move.

    Args:
        matches: Flows seen at both ends.
        alone: Flows that one capture holds alone; they vote by the other half of the handshake.
    """

    def __init__(self, matches: Iterable[Match], alone: Iterable[FlowView]) -> None:
        self._home: dict[Side, Counter[str]] = {Side.CLIENT: Counter(), Side.SERVER: Counter()}
        for pair in matches:
            client_ns, server_ns = _answer_wait_ns(pair.client), _answer_wait_ns(pair.server)
            if client_ns is not None and server_ns is not None and client_ns != server_ns:
                self._vote(pair.client, near_opener=client_ns > server_ns)
                self._vote(pair.server, near_opener=server_ns > client_ns)
        for view in alone:
            answer_ns, third_ns = _answer_wait_ns(view), _third_wait_ns(view)
            if answer_ns is not None and third_ns is not None and answer_ns != third_ns:
                self._vote(view, near_opener=answer_ns > third_ns)

    def opener_side(self, view: FlowView) -> Side:
        """Say at which machine the opener of a flow is: the client's, unless votes say else."""
        home = self._home[view.side]
        balance = home[view.opener_endpoint.address] - home[view.listener_endpoint.address]
        if balance == 0:
            return Side.CLIENT
        return view.side if balance > 0 else OTHER_SIDE[view.side]

    def _vote(self, view: FlowView, *, near_opener: bool) -> None:
        vote = 1 if near_opener else -1
        self._home[view.side][view.opener_endpoint.address] += vote
        self._home[view.side][view.listener_endpoint.address] -= vote


def clock_offset(crossings: Sequence[tuple[Lane, Crossings]]) -> ClockOffset | None:
    """Bound how far the server's clock is ahead, by segments that crossed in both directions.

    A segment arrives after it was sent: each one bounds the offset from one side.  Clocks that
    drift during the capture can make the bounds cross; then they are taken the other way round.

    Returns:
        None without a sure crossing in each direction.
    """
    upper: list[int] = []
    lower: list[int] = []
    for lane, crossing in crossings:
        if lane.sent is None or lane.received is None:
            continue
        for pair in crossing.arrived:
            sent_ns = int(lane.sent.capture.packets.time_ns[pair.sent])
            received_ns = int(lane.received.capture.packets.time_ns[pair.received])
            if lane.sender is Side.CLIENT:
                upper.append(received_ns - sent_ns)
            else:
                lower.append(sent_ns - received_ns)
    if not upper or not lower:
        return None
    low, high = sorted((max(lower), min(upper)))
    return ClockOffset(low_ns=low, high_ns=high)


def _answer_wait_ns(view: FlowView) -> int | None:
    """Return the time from the first SYN to the first SYN/ACK, as this capture saw it."""
    syn = first_row(view.opener, Flag.SYN)
    synack = first_row(view.listener, Flag.SYN | Flag.ACK)
    times = view.opener.capture.packets.time_ns
    return None if syn is None or synack is None else int(times[synack] - times[syn])


def _third_wait_ns(view: FlowView) -> int | None:
    """Return the time from the first SYN/ACK to the opener's first ACK, as this capture saw it."""
    synack = first_row(view.listener, Flag.SYN | Flag.ACK)
    third = first_row(view.opener, Flag.ACK)
    times = view.opener.capture.packets.time_ns
    return None if synack is None or third is None else int(times[third] - times[synack])
