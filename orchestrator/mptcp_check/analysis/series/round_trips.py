"""Round-trip times from the capture point to a subflow's receiver and back."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag, Packets
from mptcp_check.analysis.series.coverage import fresh_bytes
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.numbering import unwrapped
from mptcp_check.analysis.series.values import Steps

_TIMESTAMPS: Final = 1 << 8
"""Bit of ``option_kinds``: RFC 7323, section 3.2."""


def by_acks(sender: Lane, receiver: Lane) -> Steps:
    """Return a sample for each ACK whose number is the end of a segment.

    Karn's algorithm (RFC 6298, section 3): no sample where any byte that the ACK acknowledges was
    sent twice or came late, below the highest one: one cannot tell which of the two it answers, and
    a hole that was filled would look like a long round trip.  The same samples are counted in the
    metrics, of 1024 segments in flight, where all between two resent pieces are left out.
    """
    carriers = np.flatnonzero(sender.end > sender.start)
    answers = np.flatnonzero(receiver.ack >= 0)
    if not len(carriers) or not len(answers):
        return Steps(time_ns=sender.time_ns[:0], value=sender.time_ns[:0])
    start, end = sender.start[carriers], sender.end[carriers]
    reached = np.maximum.accumulate(end)
    late = np.zeros(len(end), np.bool_)
    late[1:] = start[1:] < reached[:-1]
    repeated = late | (fresh_bytes(start, end) < end - start)
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
    4.1), and where one had the TSval first, an echo would say nothing.  The clock of the timestamps
    may tick slowly: it does not enter the result.  What is older than one before, as it was
    overtaken, counts neither as question nor as answer.  The same samples are counted in the
    metrics, of 1024 timestamps on their way.
    """
    sent, back = sender.rows, receiver.rows
    alive = (packets.flags[sent] & Flag.RST) == 0
    stamped = (packets.option_kinds[sent] & _TIMESTAMPS) != 0
    answered = (packets.payload_bytes[sent] > 0) | (
        (packets.flags[sent] & (Flag.SYN | Flag.FIN)) != 0
    )
    questions = np.flatnonzero(stamped & alive)
    echoing = (packets.option_kinds[back] & _TIMESTAMPS) != 0
    answers = np.flatnonzero(echoing & ((packets.flags[back] & (Flag.ACK | Flag.RST)) == Flag.ACK))
    if not len(questions) or not len(answers):
        return Steps(time_ns=sender.time_ns[:0], value=sender.time_ns[:0])
    first = int(packets.ts_value[sent[questions[0]]])
    values = unwrapped(packets.ts_value[sent[questions]], first)
    echoes = unwrapped(packets.ts_echo[back[answers]], first)
    new, heard = _rising(values), _rising(echoes)
    new &= answered[questions]
    questions, values, answers, echoes = questions[new], values[new], answers[heard], echoes[heard]
    _, asked, echoed = np.intersect1d(values, echoes, assume_unique=True, return_indices=True)
    asked_ns = sender.time_ns[questions[asked]]
    echoed_ns = receiver.time_ns[answers[echoed]]
    good = echoed_ns >= asked_ns
    order = np.argsort(echoed_ns[good], kind="stable")
    return Steps(time_ns=echoed_ns[good][order], value=(echoed_ns - asked_ns)[good][order])


def _rising(numbers: Column) -> Column:
    """Say which numbers are above all before."""
    highest = np.maximum.accumulate(numbers)
    rising = np.ones(len(numbers), np.bool_)
    rising[1:] = numbers[1:] > highest[:-1]
    return rising
