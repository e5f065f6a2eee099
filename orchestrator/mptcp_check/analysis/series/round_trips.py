"""Round-trip times from the capture point to a subflow's receiver and back."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import Flag, Packets
from mptcp_check.analysis.series.coverage import fresh_bytes
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.values import Steps

_TIMESTAMPS: Final = 1 << 8
"""Bit of ``option_kinds``: RFC 7323, section 3.2."""


def by_acks(sender: Lane, receiver: Lane) -> Steps:
    """Return a sample for each ACK whose number is the end of a segment.

    Karn's algorithm (RFC 6298, section 3): no sample where any byte that the ACK acknowledges was
    sent twice, as one cannot tell which of the two it answers; a hole that a retransmission filled
    would otherwise look like a long round trip.
    """
    carriers = np.flatnonzero(sender.end > sender.start)
    answers = np.flatnonzero(receiver.ack >= 0)
    if not len(carriers) or not len(answers):
        return Steps(time_ns=sender.time_ns[:0], value=sender.time_ns[:0])
    start, end = sender.start[carriers], sender.end[carriers]
    repeated = fresh_bytes(start, end) < end - start
    highest = np.maximum.accumulate(receiver.ack[answers])
    before = np.append(highest[:1], highest[:-1])
    grown = highest > before
    ack_ns = receiver.time_ns[answers][grown]
    ack, before = highest[grown], before[grown]
    by_end = np.argsort(end, kind="stable")
    place = np.minimum(np.searchsorted(end[by_end], ack), len(end) - 1)
    segment = by_end[place]
    # Repeated segments that end beyond what was acknowledged before and start below the ACK.
    starts, ends = np.sort(start[repeated]), np.sort(end[repeated])
    tainted = np.searchsorted(starts, ack) > np.searchsorted(ends, before, side="right")
    value = ack_ns - sender.time_ns[carriers][segment]
    good = (end[segment] == ack) & ~tainted & (value >= 0)
    return Steps(time_ns=ack_ns[good], value=value[good])


def by_timestamps(packets: Packets, sender: Lane, receiver: Lane) -> Steps:
    """Return the time from the first segment with a TSval to the first that echoes it.

    Only segments with payload, SYN or FIN count: an ACK alone is not answered (RFC 7323, section
    4.1).  The clock of the timestamps may tick slowly: it does not enter the result.
    """
    sent = sender.rows
    stamped = (packets.option_kinds[sent] & _TIMESTAMPS) != 0
    answered = (packets.payload_bytes[sent] > 0) | (
        (packets.flags[sent] & (Flag.SYN | Flag.FIN)) != 0
    )
    questions = np.flatnonzero(stamped & answered)
    back = receiver.rows
    echoing = (packets.option_kinds[back] & _TIMESTAMPS) != 0
    answers = np.flatnonzero(echoing & ((packets.flags[back] & Flag.ACK) != 0))
    values, first = np.unique(packets.ts_value[sent[questions]], return_index=True)
    echoes, first_echo = np.unique(packets.ts_echo[back[answers]], return_index=True)
    _, asked, echoed = np.intersect1d(values, echoes, assume_unique=True, return_indices=True)
    asked_ns = sender.time_ns[questions[first[asked]]]
    echoed_ns = receiver.time_ns[answers[first_echo[echoed]]]
    good = echoed_ns >= asked_ns
    order = np.argsort(echoed_ns[good], kind="stable")
    return Steps(time_ns=echoed_ns[good][order], value=(echoed_ns - asked_ns)[good][order])
