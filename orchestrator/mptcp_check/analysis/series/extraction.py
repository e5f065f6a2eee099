"""From the columns of a capture to the time series of one connection.

Each step is one module: `lanes` (sequence numbers of one direction of one subflow), `mappings`
(their place in the data), `sent_data` (which bytes were there before), `acknowledged`, `flight`,
`round_trips`, `rates`, `signals`.  All of it is array arithmetic: nothing is done per packet.
"""

from collections.abc import Sequence

import numpy as np

from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.connections import Connection
from mptcp_check.analysis.series.acknowledged import (
    ack_numbers,
    acknowledged,
    outstanding,
    window,
)
from mptcp_check.analysis.series.flight import ack_sizes, flight, together
from mptcp_check.analysis.series.lanes import Lane, lanes
from mptcp_check.analysis.series.mappings import (
    Numbers,
    follow_all,
    mapping_numbers,
    mappings_of,
)
from mptcp_check.analysis.series.rates import average_span_ns, moving_average
from mptcp_check.analysis.series.round_trips import by_acks, by_timestamps
from mptcp_check.analysis.series.sent_data import sent_data
from mptcp_check.analysis.series.signals import events
from mptcp_check.analysis.series.values import (
    Acknowledged,
    ConnectionSeries,
    DirectionSeries,
    SentData,
    Steps,
    SubflowSeries,
)


def series_of(packets: Packets, connection: Connection) -> ConnectionSeries:
    """Extract everything that is drawn of a connection.

    Args:
        packets: The capture.
        connection: One of its connections.

    Returns:
        The series of the directions that carried payload.
    """
    both = [lanes(packets, subflow) for subflow in connection.subflows]
    directions = [
        _direction(packets, connection, [pair[end] for pair in both], [p[1 - end] for p in both])
        for end in range(2)
        if any(bool((pair[end].end > pair[end].start).any()) for pair in both)
    ]
    return ConnectionSeries(
        connection=connection,
        directions=tuple(directions),
        events=events(packets, connection),
    )


def _direction(
    packets: Packets, connection: Connection, senders: Sequence[Lane], receivers: Sequence[Lane]
) -> DirectionSeries:
    from_client = senders[0].from_client
    mapped = [mapping_numbers(packets, lane) for lane in senders]
    acked = [ack_numbers(packets, lane) for lane in receivers]
    origin = _idsn(connection, from_client=from_client)
    known = origin is not None
    if origin is None:
        origin = _first([n for n, _ in mapped]) or _first([n for n, _ in acked]) or 0
    dsns, dsns_believed = follow_all([n for n, _ in mapped], origin, 0)
    acks, acks_believed = follow_all([n for n, _ in acked], origin, 0)
    mappings = [
        mappings_of(packets, lane, chosen, dsn, good, origin_known=known)
        for lane, (_, chosen), dsn, good in zip(senders, mapped, dsns, dsns_believed, strict=True)
    ]
    sent, unmapped_bytes = sent_data(senders, mappings)
    answers = acknowledged(receivers, [at for _, at in acked], acks, acks_believed)
    doubted = [*dsns_believed, *acks_believed]
    span_ns = average_span_ns(connection.end_ns - connection.start_ns)
    subflows = tuple(
        _subflow(packets, connection, pair, span_ns)
        for pair in zip(senders, receivers, strict=True)
    )
    return DirectionSeries(
        from_client=from_client,
        sent=sent,
        unmapped_bytes=unmapped_bytes,
        acknowledged=answers,
        implausible_count=sum(int((~believed).sum()) for believed in doubted),
        origin_known=known,
        outstanding=outstanding(sent, answers),
        flight=together([subflow.flight for subflow in subflows]),
        window=window(answers),
        goodput=_goodput(connection, sent, answers, span_ns),
        goodput_from_acks=len(answers) > 0,
        average_ns=span_ns,
        subflows=subflows,
    )


def _subflow(
    packets: Packets, connection: Connection, pair: tuple[Lane, Lane], span_ns: int
) -> SubflowSeries:
    sender, receiver = pair
    return SubflowSeries(
        subflow=sender.subflow,
        flight=flight(sender, receiver),
        rtt_acks=by_acks(sender, receiver),
        rtt_timestamps=by_timestamps(packets, sender, receiver),
        ack_sizes=ack_sizes(receiver),
        throughput=moving_average(
            sender.time_ns,
            sender.end - sender.start,
            start_ns=connection.start_ns,
            end_ns=connection.end_ns,
            span_ns=span_ns,
        ),
    )


def _goodput(connection: Connection, sent: SentData, answers: Acknowledged, span_ns: int) -> Steps:
    from_acks = len(answers) > 0
    return moving_average(
        answers.time_ns if from_acks else sent.time_ns,
        answers.advance_bytes if from_acks else sent.fresh_bytes,
        start_ns=connection.start_ns,
        end_ns=connection.end_ns,
        span_ns=span_ns,
    )


def _idsn(connection: Connection, *, from_client: bool) -> int | None:
    """Return the number that the sender's data counts from: RFC 8684, section 3.1."""
    key = connection.key_client if from_client else connection.key_server
    version = connection.mptcp_version
    if key is None or version is None or version not in crypto.VERSIONS:
        return None
    return crypto.initial_data_sequence_number(key, version)


def _first(parts: Sequence[Numbers]) -> int | None:
    """Return the earliest number, of 64 bits if there is any such."""
    wide = np.concatenate([part.wide for part in parts])
    time_ns = np.concatenate([part.time_ns for part in parts])
    raw = np.concatenate([part.raw for part in parts])
    if not len(raw):
        return None
    order = np.lexsort((time_ns, ~wide))
    return int(raw[order[0]])
