"""From batches of segments to connections: who belongs together, while the file still goes on."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import (
    Note,
    Packets,
    Present,
    Subtype,
)
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.endpoints import Endpoint, address_text
from mptcp_check.analysis.flows.flow_kernel import NOBODY
from mptcp_check.analysis.flows.grouping import FlowFinder, headers_of, time_order
from mptcp_check.analysis.flows.handshakes import Handshake, collect
from mptcp_check.analysis.flows.keys import keys_of
from mptcp_check.analysis.metrics.state import State
from mptcp_check.analysis.metrics.state_tables import UNKNOWN

LOW_64_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF
V4_HALF: Final = 0xFFFF
"""Bytes 8 to 11 of an IPv4 address in its IPv6 form: RFC 4291, section 2.5.5.2."""
SUBTYPES: Final = 16
HEADER_CUT: Final = int(Note.HEADER_CUT)

_PLAIN: Final = Handshake()
_NO_ROWS: Final = np.empty(0, np.int64)
_NO_CAPABLE: Final = np.empty((0, 5), np.int64)


class Tracker:
    """Takes batches of segments; knows in the end what `flows.connections` knows of a capture.

    It is the `Facts` that `assemble` makes connections of; rows of segments it does not keep.
    """

    def __init__(self) -> None:
        self.state = State()
        self.options = np.zeros(SUBTYPES, np.int64)
        """Count of options by subtype."""
        self.packets_count = 0
        self._finder = FlowFinder()
        self._handshakes: dict[int, Handshake] = {}
        self._owners: dict[int, tuple[int, bool]] = {}
        """By token: the TCP connection whose data numbers count, and whether the token is the
        client's, so that who joins is the server."""
        self._placed: set[int] = set()
        """TCP connections whose token is in `_owners`, or which joined."""
        self._cut = np.zeros(0, np.bool_)

    def take(self, packets: Packets) -> tuple[Column, Column]:
        """Take a batch; return the TCP connection and the sending end of each segment."""
        order = time_order(packets.time_ns)
        flow_of, end_of = self._finder.take(headers_of(packets), order)
        self.packets_count += len(packets)
        self.state.add_flows(self._finder.count)
        cut = np.flatnonzero(packets.notes & HEADER_CUT)
        if len(cut):
            self._cut = np.concatenate(
                [self._cut, np.zeros(self._finder.count - len(self._cut), np.bool_)]
            )
            self._cut[flow_of[cut]] = True
        self.options[Subtype.DSS] += len(packets.dss)
        capable = _NO_CAPABLE
        signals = packets.signals
        if len(signals):
            known = signals.subtype < SUBTYPES
            self.options += np.bincount(signals.subtype[known], minlength=SUBTYPES)
            collect(self._handshakes, packets, flow_of, end_of, self._openers())
            for flow in np.unique(flow_of[signals.packet]).tolist():
                self._place(flow)
            capable = _capable_mappings(packets)
        self.state.measure(packets, order, flow_of, end_of, capable)
        return flow_of, end_of

    def _openers(self) -> Column:
        table, count = self._finder.table, self._finder.count
        opener = table.opener[:count]
        guess = (table.src_port[:count] < table.dst_port[:count]).astype(np.int64)
        return np.where(opener == NOBODY, guess, opener)

    def _place(self, flow: int) -> None:
        """Remember a connection's tokens, or let a joining one count with the one it joins."""
        handshake = self._handshakes.get(flow)
        if handshake is None or flow in self._placed:
            return
        if not handshake.joining:
            keys = keys_of(handshake)
            for token, by_server in ((keys.token_server, False), (keys.token_client, True)):
                if token is not None:
                    self._owners[token] = (flow, by_server)
            if keys.token_server is not None and keys.token_client is not None:
                self._placed.add(flow)
            return
        syn = handshake.join_syn
        if syn is None:
            return
        self._placed.add(flow)
        owner, by_server = self._owners.setdefault(syn.token, (flow, False))
        if owner == flow:
            return
        opener = int(self._finder.table.opener[flow])
        client = opener ^ int(by_server)
        owner_client = int(self._finder.table.opener[owner])
        if NOBODY in (opener, owner_client):
            return
        self.state.join(2 * flow + client, 2 * owner + owner_client)
        self.state.join(2 * flow + 1 - client, 2 * owner + 1 - owner_client)

    def finish(self) -> None:
        """Read out what `Facts` asks of every TCP connection; nothing is taken after this."""
        self._owners.clear()
        self._placed.clear()
        table, count = self._finder.table, self._finder.count
        directions = self.state.directions[: 2 * count]
        self.openers: list[int] = self._openers().tolist()
        self.midstream: list[bool] = (table.opener[:count] == NOBODY).tolist()
        self.isn: list[list[int]] = table.isn[:count].tolist()
        self.flags: list[list[int]] = table.flags[:count].tolist()
        self.data_fin: list[list[bool]] = (directions["data_fins"] > 0).reshape(count, 2).tolist()
        speaks: Column = np.any((directions["options"] > 0).reshape(count, 2), axis=1)
        self.speaks_mptcp: list[bool] = speaks.tolist()
        cut = np.zeros(count, np.bool_)
        cut[: len(self._cut)] = self._cut
        self.options_cut: list[bool] = cut.tolist()
        first = np.where(directions["packets"] > 0, directions["first_ns"], np.iinfo(np.int64).max)
        last = np.where(directions["packets"] > 0, directions["last_ns"], np.iinfo(np.int64).min)
        self.start_ns: list[int] = first.reshape(count, 2).min(axis=1).tolist()
        self._end_ns: list[int] = last.reshape(count, 2).max(axis=1).tolist()

    @property
    def handshakes(self) -> Mapping[int, Handshake]:
        """The options of the handshakes of all TCP connections that have any."""
        return self._handshakes

    def handshake(self, flow: int) -> Handshake:
        """Return the options of a TCP connection's handshake."""
        return self._handshakes.get(flow, _PLAIN)

    def ends(self, flow: int) -> tuple[Endpoint, Endpoint]:
        """Return the two ends of a TCP connection."""
        table = self._finder.table
        return (
            _endpoint(table.src_high[flow], table.src_low[flow], table.src_port[flow]),
            _endpoint(table.dst_high[flow], table.dst_low[flow], table.dst_port[flow]),
        )

    def end_ns(self, flow: int) -> int:
        """Return the time of a TCP connection's last segment."""
        return self._end_ns[flow]

    def rows(self, flow: int, end: int) -> Column:  # noqa: ARG002 - what `Facts` asks
        """Return no rows: they are not kept."""
        return _NO_ROWS


def _endpoint(high: np.int64, low: np.int64, port: np.int64) -> Endpoint:
    upper, lower = int(high) & LOW_64_BITS, int(low) & LOW_64_BITS
    family = 4 if upper == 0 and lower >> 32 == V4_HALF else 6
    return Endpoint(address=address_text(family, upper, lower), port=int(port))


def _capable_mappings(packets: Packets) -> Column:
    """Return the mappings of MP_CAPABLE with data: RFC 8684, section 3.1.

    The data begins with the first number of the sender, IDSN + 1, which follows from its key.
    """
    table = packets.signals
    wanted = (table.subtype == Subtype.MP_CAPABLE) & (table.present & Present.DATA_LENGTH > 0)
    found = []
    for option in np.flatnonzero(wanted).tolist():
        length = int(table.data_length[option])
        if not length:
            continue
        start = crypto.initial_data_sequence_number(int(table.key[option]), 1) + 1
        checksum = UNKNOWN
        if int(table.present[option]) & Present.CHECKSUM:
            checksum = int(table.checksum[option])
        high, low = (start >> 32) & 0xFFFF_FFFF, start & 0xFFFF_FFFF
        found.append((int(table.packet[option]), high, low, length, checksum))
    return np.array(found, dtype=np.int64) if found else _NO_CAPABLE
