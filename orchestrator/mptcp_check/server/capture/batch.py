"""A batch of segments, and what the Multipath TCP options of each say; PURE."""

import numpy as np

from mptcp_check.analysis.capture.packet_blocks import blocks
from mptcp_check.analysis.capture.packets import Packets, Present, Subtype
from mptcp_check.analysis.capture.records import Records
from mptcp_check.analysis.flows import crypto
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import Rows


class Batch:
    """Segments that were captured together.

    Args:
        packets: Their columns.
        records: Their frames.
    """

    def __init__(self, packets: Packets, records: Records) -> None:
        self.packets = packets
        self._records = records
        signals = packets.signals
        self._bounds: Rows = np.searchsorted(signals.packet, np.arange(len(packets) + 1))
        """Where each packet's options begin in the table of signals."""

    def blocks(self, rows: Rows) -> bytes:
        """Return packets as they stand in a file."""
        frames = self.packets.frame[rows].astype(np.int64) - 1
        return blocks(self.packets.buffer, self._records, frames)

    def join(self, row: int) -> tuple[bool, int]:
        """Return whether a SYN joins, and the token of what it joins."""
        signals = self.packets.signals
        for option in self._options(row, Subtype.MP_JOIN):
            if signals.present[option] & Present.TOKEN:
                return True, int(signals.token[option])
        return False, 0

    def capable(self, row: int) -> bool:
        """Return whether a SYN carries MP_CAPABLE."""
        return bool(self._options(row, Subtype.MP_CAPABLE))

    def agrees(self, flow: Flow, row: int) -> bool:
        """Return whether a packet carries the Multipath TCP option of its connection's SYN."""
        wanted = Subtype.MP_JOIN if flow.join else Subtype.MP_CAPABLE
        return bool(self._options(row, wanted))

    def keys(self, row: int) -> list[tuple[int, int]]:
        """Return the sender's key and the version of each MP_CAPABLE that has one."""
        signals = self.packets.signals
        return [
            (int(signals.key[option]), int(signals.version[option]))
            for option in self._options(row, Subtype.MP_CAPABLE)
            if signals.present[option] & Present.KEY
            and int(signals.version[option]) in crypto.VERSIONS
        ]

    def _options(self, row: int, subtype: Subtype) -> list[int]:
        found = range(int(self._bounds[row]), int(self._bounds[row + 1]))
        return [option for option in found if self.packets.signals.subtype[option] == subtype]
