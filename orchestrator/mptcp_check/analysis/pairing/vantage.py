"""Who is at which end: a connection's client is not always at the client machine (active FTP).

The capture at the opener sees the whole wait from SYN to SYN/ACK; the one at the listener sees
only how long the listener took.  So the longer wait is the opener's, with any two clocks.
"""

from collections import Counter
from collections.abc import Iterable

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.clock_offset import ClockOffset
from mptcp_check.analysis.pairing.flow_matching import Match
from mptcp_check.analysis.pairing.flow_views import FlowView
from mptcp_check.analysis.pairing.paired import OTHER_SIDE
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
            client_ns, server_ns = pair.client.waits.answer_ns, pair.server.waits.answer_ns
            if client_ns is not None and server_ns is not None and client_ns != server_ns:
                self._vote(pair.client, near_opener=client_ns > server_ns)
                self._vote(pair.server, near_opener=server_ns > client_ns)
        for view in alone:
            answer_ns, third_ns = view.waits.answer_ns, view.waits.third_ns
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


def clock_offset(crossings: Iterable[tuple[Side, Column]]) -> ClockOffset | None:
    """Bound how far the server's clock is ahead, by segments that crossed in both directions.

    A segment arrives after it was sent: each one bounds the offset from one side.  Clocks that
    drift during the capture can make the bounds cross; then they are taken the other way round.

    Args:
        crossings: Who sent, and by how much the receiver's clock reading is above the sender's.

    Returns:
        None without a sure crossing in each direction.
    """
    upper: list[int] = []
    lower: list[int] = []
    for sender, differences_ns in crossings:
        if not len(differences_ns):
            continue
        least_ns = int(differences_ns.min())
        if sender is Side.CLIENT:
            upper.append(least_ns)
        else:
            lower.append(-least_ns)
    if not upper or not lower:
        return None
    low, high = sorted((max(lower), min(upper)))
    return ClockOffset(low_ns=low, high_ns=high)
