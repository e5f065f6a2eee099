"""A middlebox drops segments whose TCP options are longer than some size."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP, Flag, Note
from mptcp_check.analysis.fates import LEAST_LOST, anything_lost, in_vain, sort_out
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.pairing.lane_crossing import NOWHERE
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, receiver, sender
from mptcp_check.model import Finding

ID = "long_options_dropped"

_MPTCP_BIT: Final = np.uint32(1 << KIND_MPTCP)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lengths:
    """Option lengths of what passed and what vanished on one lane."""

    subflow: PairedSubflow
    lane: Lane
    sent: Half
    passed: Column
    vanished: Column

    def sizes(self, rows: Column) -> Column:
        """Return the option bytes of some rows; of one that arrived, as it arrived.

        Which of several ACKs it was that arrived may be a guess, but not what arrived.
        """
        found = self.sent.capture.packets.options_bytes[rows].astype(np.int64)
        order = np.argsort(self.sent.rows, kind="stable")
        at = self.lane.crossing.at_sender[order[np.searchsorted(self.sent.rows[order], rows)]]
        crossed = at != NOWHERE
        if self.lane.received is not None and crossed.any():
            packets = self.lane.received.capture.packets
            arrived = packets.options_bytes[at[crossed]]
            cut = (packets.notes[at[crossed]] & Note.HEADER_CUT) != 0
            found[crossed] = np.where(cut, found[crossed], np.minimum(found[crossed], arrived))
        return found

    def with_mptcp(self, rows: Column) -> Column:
        """Say which rows carry an MPTCP option."""
        return np.asarray((self.sent.capture.packets.option_kinds[rows] & _MPTCP_BIT) != 0)


def detect(connection: PairedConnection) -> Finding:
    """Say whether the length of the options decides which segments pass, and not their kind.

    All segments with more option bytes than some limit vanish and all with fewer pass.  That is
    no proof yet, since segments with MPTCP options are the longest: only where MPTCP options
    passed in shorter segments, or plain segments vanished for their length, is it the length.

    Limits: where the SYN with MP_CAPABLE is the shortest that vanishes, length and kind cannot be
    told apart without the probe suite; RFC 9293, section 3.1, allows 40 bytes.  Where the
    receiver's capture is known to have lost segments of the lane, it may have lost these as well,
    and nothing is said.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with segments in vain, one that passed, and the measures ``segments_lost``,
        ``longest_passed_bytes``, ``shortest_lost_bytes``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    longest = 0
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            if lane.sent is None:
                continue
            if not anything_lost(lane):
                if lane.table is not None:
                    longest = max(longest, lane.table.once(_longest_crossed)[lane.number])
                continue
            fates = sort_out(lane, lane.sent, np.ones(len(lane.sent.rows), dtype=bool))
            found = _Lengths(
                subflow=subflow,
                lane=lane,
                sent=lane.sent,
                passed=fates.passed,
                vanished=_known_by_place(lane.sent, fates.vanished),
            )
            longest = max(longest, int(found.sizes(found.passed).max(initial=0)))
            if _is_by_length(found):
                return _seen(verdict, found)
    if longest == 0:
        return verdict.not_measured("no segment with options is in both captures")
    return verdict.not_seen(
        f"segments with up to {longest} bytes of options arrived",
        measures={"longest_passed_bytes": longest},
    )


def _longest_crossed(table: LaneTable) -> list[int]:
    """Return of each lane the most option bytes with which a segment crossed, as it was sent."""
    sent, _, lane = table.crossed
    found = np.zeros(len(table), np.int64)
    np.maximum.at(found, lane, table.here.capture.packets.options_bytes[sent])
    longest: list[int] = found.tolist()
    return longest


def _known_by_place(sent: Half, rows: Column) -> Column:
    """Leave bare ACKs out: which of several like ones was lost may be a guess."""
    packets = sent.capture.packets
    takes_place = (packets.flags[rows] & (Flag.SYN | Flag.FIN)) != 0
    return np.asarray(rows[takes_place | (packets.payload_bytes[rows] > 0)])


def _is_by_length(found: _Lengths) -> bool:
    if len(found.vanished) < LEAST_LOST or not len(found.passed):
        return False
    missed = found.lane.received_loss
    if missed is not None and missed.any:
        return False
    lost, passed = found.sizes(found.vanished), found.sizes(found.passed)
    if int(lost.min()) <= int(passed.max()):
        return False
    # something with MPTCP passed for being short, or something without vanished for being long
    return bool(found.with_mptcp(found.passed).any() or not found.with_mptcp(found.vanished).all())


def _seen(verdict: Verdict, found: _Lengths) -> Finding:
    lost, passed = found.sizes(found.vanished), found.sizes(found.passed)
    least, most = int(lost.min()), int(passed.max())
    lane = found.lane
    return verdict.seen(
        f"{counted(len(found.vanished), 'segment')} with {least} bytes of options and more left the"
        f" {sender(lane)} and none reached the {receiver(lane)}; those with up to {most} did",
        subflow=found.subflow,
        direction=lane.direction,
        evidence=in_vain(lane, found.vanished.tolist(), int(found.passed[int(passed.argmax())])),
        measures={
            "segments_lost": len(found.vanished),
            "longest_passed_bytes": most,
            "shortest_lost_bytes": least,
        },
    )
