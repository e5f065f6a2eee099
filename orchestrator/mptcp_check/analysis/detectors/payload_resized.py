"""A middlebox changes the length of the payload."""

from mptcp_check.analysis.field_changes import ONE_CAPTURE, direction_of
from mptcp_check.analysis.pairing.crossed_payload import crossed_payload
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "payload_resized"


def detect(connection: PairedConnection) -> Finding:
    """Say whether bytes were put into a stream, or taken out of it, on the way.

    Gateways do it that write addresses into FTP, SIP or IRC (RFC 3022, section 4.3): from there on
    the rest of the stream lies at another place, and the box moves sequence numbers so that TCP
    does not notice.  Mappings point to the old places (RFC 8684, section 3.3.1).

    Limits: without captured payload nothing is said; a proxy's two connections are compared by
    their bytes all the same.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the segments around the place and the measures ``offset`` (in the sender's
        stream), ``bytes_added`` (negative: removed), ``changes``; ``NOT_SEEN`` with
        ``compared_bytes``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    compared = 0
    resized: list[tuple[PairedSubflow, Lane]] = []
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            if lane.table is not None:
                compared += lane.table.once(crossed_payload).sent_bytes[lane.number]
            if lane.resized and lane.byte_map.resized:
                resized.append((subflow, lane))
    if not resized:
        if not compared:
            return verdict.not_measured("no payload is in both captures")
        return verdict.not_seen(
            "every byte compared lies where it was sent", measures={"compared_bytes": compared}
        )
    subflow, lane = resized[0]
    found = lane.byte_map
    (_, before), (place, after) = found.shifts[0], found.shifts[1]
    added = after - before
    at = int((found.start + found.shift >= place).argmax())
    many = counted(abs(added), "byte")
    return verdict.seen(
        f"{many} {'more' if added > 0 else 'fewer'} reached the {receiver(lane)} than the"
        f" {sender(lane)} sent, from byte {place - before} of the stream on",
        subflow=subflow,
        direction=direction_of([one for _, one in resized]),
        evidence=frames((lane.sent, int(found.sent[at])), (lane.received, int(found.received[at]))),
        confidence=Confidence.CONFIRMED if subflow.is_one_connection else Confidence.LIKELY,
        measures={
            "offset": place - before,
            "bytes_added": added,
            "changes": sum(len(one.byte_map.shifts) - 1 for _, one in resized),
        },
    )
