"""A NAT rewrites addresses or ports."""

from typing import Final

from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.pairing.paired import Half, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Direction, Finding, Side

ID = "address_translated"

_FIELDS: Final = ("source_address", "source_port", "destination_address", "destination_port")


def detect(connection: PairedConnection) -> Finding:
    """Say whether the two ends name the same TCP connection by other addresses or ports.

    Translation is harmless: tokens and address identifiers exist because of it (RFC 8684, sections
    2.2 and 3.2).  Each subflow is looked at, as a NAT may be on one path only.  The answers are
    translated back, so the direction is both.

    Limits: a proxy's second connection has other addresses too; where nothing that the ends make
    themselves (keys, sequence numbers, timestamps) is equal at both, this detector is silent.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` for the first translated subflow with the first segment that both ends hold, and
        the measures ``source_address_changed``, ``source_port_changed``, ``destination_…`` (1 or
        0, of the opener's segments) and ``subflows_count``; ``NOT_SEEN`` if every subflow that is
        in both captures has the same four numbers.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured("one capture does not show the addresses at the other end")
    both = [s for s in connection.subflows if len(s.views) == len(Side)]
    if not both:
        return verdict.not_measured("no subflow of this connection is in both captures")
    translated = [subflow for subflow in both if _changed(subflow)]
    if not translated:
        return verdict.not_seen(
            f"addresses and ports are the same at both ends in {counted(len(both), 'subflow')}",
            subflow=both[0],
        )
    sure = [subflow for subflow in translated if subflow.is_one_connection]
    if not sure:
        return verdict.not_measured(
            f"cannot tell: {ID}, or connection_proxied, as sequence numbers and timestamps differ"
            " between the two ends as well"
        )
    subflow = sure[0]
    before, after = _names(subflow)
    lane = subflow.opener
    return verdict.seen(
        f"{before[0]} to {before[1]} at the {sender(lane)} is {after[0]} to {after[1]} at the"
        f" {receiver(lane)}",
        subflow=subflow,
        direction=Direction.BOTH,
        evidence=frames(*_first_segments(subflow)),
        measures={
            **{f"{field}_changed": int(field in _changed(subflow)) for field in _FIELDS},
            "subflows_count": len(sure),
        },
    )


def _names(subflow: PairedSubflow) -> tuple[tuple[Endpoint, Endpoint], tuple[Endpoint, Endpoint]]:
    """Return (opener, listener) as the opener's end sees them and as the listener's end does."""
    lane = subflow.opener
    near, far = subflow.views[lane.sender], subflow.views[_other(lane.sender)]
    return (
        (near.server, near.client) if near.opened_by_server else (near.client, near.server),
        (far.server, far.client) if far.opened_by_server else (far.client, far.server),
    )


def _other(side: Side) -> Side:
    return Side.SERVER if side is Side.CLIENT else Side.CLIENT


def _changed(subflow: PairedSubflow) -> set[str]:
    before, after = _names(subflow)
    values = (
        (before[0].address, after[0].address),
        (before[0].port, after[0].port),
        (before[1].address, after[1].address),
        (before[1].port, after[1].port),
    )
    return {name for name, (here, there) in zip(_FIELDS, values, strict=True) if here != there}


def _first_segments(subflow: PairedSubflow) -> list[tuple[Half | None, int]]:
    """Return one segment at both ends: the SYN, else whatever each end holds first."""
    lane = subflow.opener
    if subflow.handshake.syns.arrived:
        crossing = subflow.handshake.syns.arrived[0]
        return [(lane.sent, crossing.sent), (lane.received, crossing.received)]
    return [
        (half, int(half.rows[0])) for half in (lane.sent, lane.received) if half and len(half.rows)
    ]
