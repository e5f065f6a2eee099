"""A middlebox drops segments with TCP options that it does not know."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.fates import in_vain, sort_out
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.option_changes import is_unknown, walk
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.paired import Half, PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames_of, receiver, sender
from mptcp_check.model import Finding

ID = "unknown_option_dropped"

_HIGH_KIND: Final = 31
"""The bit of ``option_kinds`` that stands for every kind above 30."""
_UNKNOWN: Final = np.uint32(
    sum(1 << kind for kind in range(2, _HIGH_KIND) if is_unknown(kind)) | 1 << _HIGH_KIND
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether segments with an option of an unknown kind vanish where others pass.

    RFC 9293, section 3.1.  Ordinary applications send no such options; the probe suite does.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the segments in vain, then one that passed, and ``segments_lost``;
        ``NOT_SEEN`` if one arrived.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    tried = 0
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            sent = lane.sent
            if sent is None:
                continue
            if not sent.table.once(_may_have_unknown)[sent.number]:
                continue
            unknown = _with_unknown(sent)
            if not unknown.any():
                continue
            with_it, without = sort_out(lane, sent, unknown), sort_out(lane, sent, ~unknown)
            tried += len(with_it.vanished)
            if len(with_it.passed):
                return verdict.not_seen(
                    "a segment with an option of an unknown kind arrived",
                    subflow=subflow,
                    direction=lane.direction,
                    evidence=frames_of(sent, with_it.passed[:1].tolist()),
                )
            if with_it.only_vanished and len(without.passed):
                lost = with_it.vanished.tolist()
                return verdict.seen(
                    f"{counted(len(lost), 'segment')} with an option of an unknown kind left the"
                    f" {sender(lane)} and none reached the {receiver(lane)}; others did",
                    subflow=subflow,
                    direction=lane.direction,
                    evidence=in_vain(lane, lost, int(without.passed[0])),
                    measures={"segments_lost": len(lost)},
                )
    if tried:
        return verdict.not_measured(
            f"cannot tell: {ID}, or loss, as {counted(tried, 'segment')} vanished and none passed"
        )
    return verdict.not_measured("no segment was sent with an option of an unknown kind")


def _may_have_unknown(table: HalfTable) -> list[bool]:
    """Say of each half whether any segment may have such an option."""
    found = np.zeros(len(table), np.bool_)
    found[table.half_of[_candidates(table.capture.packets.option_kinds[table.rows])]] = True
    halves: list[bool] = found.tolist()
    return halves


def _candidates(kinds: Column) -> Column:
    return np.asarray((kinds & _UNKNOWN) != 0)


def _with_unknown(half: Half) -> Column:
    """Say of each segment whether it has such an option; only candidates are walked."""
    packets = half.capture.packets
    found = _candidates(packets.option_kinds[half.rows])
    for at in np.flatnonzero(found).tolist():
        raw = packets.option_bytes(int(half.rows[at]))
        found[at] = any(is_unknown(octets[0]) for octets in walk(raw))
    return np.asarray(found)
