"""A middlebox changes payload bytes and keeps the length."""

from dataclasses import dataclass

from mptcp_check.analysis.pairing.byte_comparison import Alteration, Comparison, compare
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Direction, Finding, Side

ID = "payload_altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """One lane of one subflow, compared."""

    subflow: PairedSubflow
    lane: Lane
    result: Comparison


def detect(connection: PairedConnection) -> Finding:
    """Say whether bytes arrived that differ from those sent at the same place of the stream.

    Every received segment is held against the sender's byte ranges, so splits, merges and
    retransmissions do not matter.  Bytes that differ in a segment with a wrong TCP checksum were
    damaged on the wire: the receiver drops them.  Where the rest of the stream has moved as well,
    the length was changed, which is another behaviour (payload_resized).

    Limits: one capture says nothing, and captures with a snap length hold no payload.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the first differing byte's frames and the measures ``offset`` (place in the
        subflow's stream), ``segment_offset``, ``bytes_altered`` (distinct places),
        ``segments_altered``, ``compared_bytes``; ``NOT_SEEN`` with ``compared_bytes`` if every
        received byte that was compared is the one sent.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured("one capture does not show both what was sent and what arrived")
    compared = [
        _Compared(subflow=subflow, lane=lane, result=result)
        for subflow in connection.subflows
        for lane in subflow.lanes.values()
        if (result := compare(lane)) is not None
    ]
    altered = [item for item in compared if item.result.first is not None]
    in_place = [item for item in altered if item.result.drift_bytes == 0]
    if in_place:
        return _seen(verdict, connection, in_place)
    if altered:
        drift = altered[0].result.drift_bytes
        return verdict.not_measured(
            f"the stream is {abs(drift)} bytes {'longer' if drift > 0 else 'shorter'} at the"
            f" {receiver(altered[0].lane)}: its length was changed, which is payload_resized"
        )
    whole = sum(item.result.compared_bytes for item in compared)
    cut = sum(item.result.cut_bytes for item in compared)
    if cut:
        return verdict.not_measured(f"the snap length cut {counted(cut, 'byte')} of the payload")
    if not whole:
        return verdict.not_measured("no payload is in both captures")
    unsent = sum(item.result.unsent_bytes for item in compared)
    damaged = sum(item.result.damaged_segments_count for item in compared)
    missing = f"; {counted(unsent, 'byte')} are not in the sender's capture" if unsent else ""
    dropped = (
        f"; {counted(damaged, 'segment')} came with a wrong TCP checksum and will be dropped"
        if damaged
        else ""
    )
    return verdict.not_seen(
        f"all {counted(whole, 'received byte')} compared are those sent{missing}{dropped}",
        measures={"compared_bytes": whole, "uncompared_bytes": unsent},
    )


def _seen(verdict: Verdict, connection: PairedConnection, altered: list[_Compared]) -> Finding:
    """Name the byte that arrived first, and count over all lanes."""
    first, change = min(
        ((item, item.result.first) for item in altered if item.result.first is not None),
        key=lambda pair: _received_ns(connection, pair[0].lane, pair[1]),
    )
    lane = first.lane
    sent, received = lane.sent, lane.received
    directions = {item.lane.direction for item in altered}
    total = sum(item.result.altered_bytes for item in altered)
    because = (
        f"byte {change.offset} of the stream left the {sender(lane)} as 0x{change.before:02x}"
        f" and reached the {receiver(lane)} as 0x{change.after:02x};"
        f" {counted(total, 'byte differs', 'bytes differ')} at the same length"
    )
    return verdict.seen(
        because,
        subflow=first.subflow,
        direction=lane.direction if len(directions) == 1 else Direction.BOTH,
        evidence=frames((sent, change.sent), (received, change.received)),
        measures={
            "offset": change.offset,
            "segment_offset": change.segment_offset,
            "bytes_altered": total,
            "segments_altered": sum(item.result.altered_segments_count for item in altered),
            "compared_bytes": sum(item.result.compared_bytes for item in altered),
        },
    )


def _received_ns(connection: PairedConnection, lane: Lane, change: Alteration) -> int:
    """Return when the changed byte arrived, by the client machine's clock."""
    if lane.received is None:
        return 0
    ahead_ns = connection.clock.middle_ns if connection.clock is not None else 0
    at_server = lane.received.side is Side.SERVER
    time_ns = int(lane.received.capture.packets.time_ns[change.received])
    return time_ns - ahead_ns if at_server else time_ns
