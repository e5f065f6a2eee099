"""Bytes on their way on each subflow, as the capture point sees them."""

from collections.abc import Sequence

import numpy as np

from mptcp_check.analysis.series.acknowledged import difference
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.values import Steps


def flight(sender: Lane, receiver: Lane) -> Steps:
    """Return what a sender has sent and its receiver has not acknowledged, on the level of TCP."""
    carriers = np.flatnonzero(sender.end > sender.start)
    # The place before the first byte stands for what the handshake acknowledged.
    at = np.concatenate([carriers[:1], carriers])
    ends = np.concatenate([sender.start[carriers[:1]], sender.end[carriers]])
    answers = receiver.ack >= 0
    return difference(
        (sender.time_ns[at], sender.rows[at], ends),
        (receiver.time_ns[answers], receiver.rows[answers], receiver.ack[answers]),
    )


def together(flights: Sequence[Steps]) -> Steps:
    """Return the sum of step functions that are 0 before their first step."""
    time_ns = np.concatenate([steps.time_ns for steps in flights])
    change = np.concatenate(
        [np.diff(steps.value, prepend=np.zeros(1, steps.value.dtype)) for steps in flights]
    )
    order = np.argsort(time_ns, kind="stable")
    return Steps(time_ns=time_ns[order], value=np.cumsum(change[order]))


def ack_sizes(receiver: Lane) -> Steps:
    """Return how many bytes each new ACK acknowledges beyond the ones before."""
    answers = receiver.ack >= 0
    highest = np.maximum.accumulate(receiver.ack[answers]) if answers.any() else receiver.ack[:0]
    advance = np.diff(highest, prepend=highest[:1])
    grown = advance > 0
    return Steps(time_ns=receiver.time_ns[answers][grown], value=advance[grown])
