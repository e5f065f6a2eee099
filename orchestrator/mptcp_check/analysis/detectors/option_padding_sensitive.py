"""A middlebox treats segments by how their options are padded."""

from collections import defaultdict
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.fates import Sorted, in_vain, sort_out
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.option_changes import walk
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, receiver, sender
from mptcp_check.model import Finding

ID = "option_padding_sensitive"

_SYN: Final = int(Flag.SYN)
_Layouts = dict[bytes, Sorted]


def detect(connection: PairedConnection) -> Finding:
    """Say whether SYNs with the same options fared differently by their padding alone.

    RFC 9293, section 3.1: NOPs may stand between options or not, and the list may end with an
    end-of-list mark or not.  A kernel pads all its SYNs alike, so that only the probe suite, or
    a fallback to another layout, shows such a box.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` where one layout vanished again and again and another with the same kinds of
        options passed; ``NOT_SEEN`` if several layouts passed.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    several = None
    for subflow in connection.subflows:
        lane = subflow.opener
        if lane.sent is None:
            continue
        for layouts in _by_kinds(lane, lane.sent):
            lost = [fate for fate in layouts.values() if fate.only_vanished]
            passed = [fate for fate in layouts.values() if len(fate.passed)]
            if lost and passed:
                rows = lost[0].vanished.tolist()
                return verdict.seen(
                    f"{counted(len(rows), 'SYN')} left the {sender(lane)} and none reached the"
                    f" {receiver(lane)}; with the same options padded in another way it did",
                    subflow=subflow,
                    direction=lane.direction,
                    evidence=in_vain(lane, rows, int(passed[0].passed[0])),
                    measures={"segments_lost": len(rows)},
                )
            if len(passed) > 1:
                several = subflow
    if several is not None:
        return verdict.not_seen(
            "SYNs with their options padded in several ways arrived", subflow=several
        )
    return verdict.not_measured("all SYNs with the same options were padded alike")


def _by_kinds(lane: Lane, sent: Half) -> list[_Layouts]:
    """Group a lane's SYNs by the kinds of their options, then by how the list is laid out."""
    packets = sent.capture.packets
    syns = np.flatnonzero(packets.flags[sent.rows] & _SYN)
    if len(syns) == 1:
        return []
    groups: dict[tuple[int, ...], dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at in syns.tolist():
        raw = packets.option_bytes(int(sent.rows[at]))
        kinds = [octets[0] for octets in walk(raw)]
        groups[tuple(sorted(kinds))][_layout(raw)].append(at)
    found = []
    for layouts in groups.values():
        if len(layouts) > 1:
            sorted_out = {}
            for layout, places in layouts.items():
                chosen = np.zeros(len(sent.rows), dtype=bool)
                chosen[places] = True
                sorted_out[layout] = sort_out(lane, sent, chosen)
            found.append(sorted_out)
    return found


def _layout(raw: bytes) -> bytes:
    """Return an option list with the contents blanked: kinds, lengths and padding remain."""
    layout = bytearray(raw)
    at = 0
    while at + 1 < len(raw) and raw[at] != 0:
        length = 1 if raw[at] == 1 else max(raw[at + 1], 2)
        layout[at + 2 : at + length] = bytes(max(0, min(length, len(raw) - at) - 2))
        at += length
    return bytes(layout)
