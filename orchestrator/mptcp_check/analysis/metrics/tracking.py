"""From batches of segments to connections: who belongs together, while the file still goes on."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import (
    Packets,
    Present,
    Subtype,
)
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.endpoints import address_text
from mptcp_check.analysis.flows.flow_kernel import NOBODY
from mptcp_check.analysis.flows.grouping import FlowFinder, headers_of, time_order
from mptcp_check.analysis.flows.handshakes import Handshakes
from mptcp_check.analysis.flows.keys import NO_TOKEN, HandshakeColumns, key_columns
from mptcp_check.analysis.metrics.state import State
from mptcp_check.analysis.metrics.state_tables import UNKNOWN

LOW_64_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF
V4_HALF: Final = 0xFFFF
"""Bytes 8 to 11 of an IPv4 address in its IPv6 form: RFC 4291, section 2.5.5.2."""
SUBTYPES: Final = 16
NEVER: Final = int(np.iinfo(np.int64).min)

_NO_CAPABLE: Final = np.empty((0, 5), np.int64)


class Tracker:
    """Takes batches of segments; knows in the end what `flows.connections` knows of a capture.

    It is the `Facts` that `Assembly` makes connections of; rows of segments it does not keep.
    """

    def __init__(self) -> None:
        self.state = State()
        self.options = np.zeros(SUBTYPES, np.int64)
        """Count of options by subtype."""
        self.packets_count = 0
        self.late_count = 0
        """Segments earlier than the latest of the batches before."""
        self._latest_ns = NEVER
        self._finder = FlowFinder()
        self.handshakes = Handshakes()
        self._owners: dict[int, int] = {}
        """By token: twice the TCP connection whose data numbers count, and one more if the token
        is the client's, so that who joins is the server."""
        self._unasked: list[tuple[Column, Column]] = []
        """What goes into `_owners` as soon as anyone joins: tokens and those numbers.
        In a capture without joins, the dictionary would take as much memory as the options."""
        self._placed = np.zeros(0, np.bool_)
        """TCP connections whose tokens are both in `_owners`, or which joined."""

    def take(self, packets: Packets) -> tuple[Column, Column]:
        """Take a batch; return the TCP connection and the sending end of each segment."""
        order = time_order(packets.time_ns)
        flow_of, end_of = self._finder.take(headers_of(packets), order)
        self.packets_count += len(packets)
        self._count_late(packets.time_ns)
        self.state.add_flows(self._finder.count)
        self.options[Subtype.DSS] += len(packets.dss)
        capable = _NO_CAPABLE
        signals = packets.signals
        if len(signals):
            known = signals.subtype < SUBTYPES
            self.options += np.bincount(signals.subtype[known], minlength=SUBTYPES)
            flows, ends = flow_of[signals.packet], end_of[signals.packet]
            self.handshakes.make_room(self._finder.count)
            self.handshakes.take(packets, flows, ends, ends == self._openers(flows))
            self._place(np.unique(flows))
            capable = _capable_mappings(packets)
        self.state.measure(packets, order, flow_of, end_of, capable)
        return flow_of, end_of

    def _count_late(self, time_ns: Column) -> None:
        if len(time_ns):
            self.late_count += int((time_ns < self._latest_ns).sum())
            self._latest_ns = max(self._latest_ns, int(time_ns.max()))

    def _openers(self, flows: Column | slice) -> Column:
        table = self._finder.table
        opener = table.opener[flows]
        guess = (table.src_port[flows] < table.dst_port[flows]).astype(np.int64)
        return np.where(opener == NOBODY, guess, opener)

    def _place(self, flows: Column) -> None:
        """Remember connections' tokens, and let joining ones count with those they join."""
        count = self._finder.count
        if count > len(self._placed):
            self._placed.resize(max(count, len(self._placed) * 9 // 8), refcheck=False)
        flows = flows[~self._placed[flows]]
        handshakes = HandshakeColumns(self.handshakes, flows)
        keys = key_columns(handshakes)
        asked = handshakes.asked
        both = (keys.token_server != NO_TOKEN) & (keys.token_client != NO_TOKEN)
        done = np.where(handshakes.joining, asked != NO_TOKEN, both)
        tokens = np.stack([keys.token_server, keys.token_client], axis=1)
        numbers = np.stack([2 * flows, 2 * flows + 1], axis=1)
        tokens[handshakes.joining] = NO_TOKEN
        if not self._owners and not handshakes.joining.any():
            known = tokens != NO_TOKEN
            self._unasked.append((tokens[known].astype(np.uint32), numbers[known]))
        else:
            for past_tokens, past_numbers in self._unasked:
                self._owners.update(zip(past_tokens.tolist(), past_numbers.tolist(), strict=True))
            self._unasked.clear()
            for place, (flow, token) in enumerate(zip(flows.tolist(), asked.tolist(), strict=True)):
                if token != NO_TOKEN and handshakes.joining[place]:
                    self._join(flow, token)
                for side, own in enumerate(tokens[place].tolist()):
                    if own != NO_TOKEN:
                        self._owners[own] = 2 * flow + side
        self._placed[flows[done]] = True

    def _join(self, flow: int, token: int) -> None:
        owner, by_server = divmod(self._owners.setdefault(token, 2 * flow), 2)
        if owner == flow:
            return
        opener = int(self._finder.table.opener[flow])
        client = opener ^ by_server
        owner_client = int(self._finder.table.opener[owner])
        if NOBODY in (opener, owner_client):
            return
        self.state.join(2 * flow + client, 2 * owner + owner_client)
        self.state.join(2 * flow + 1 - client, 2 * owner + 1 - owner_client)

    def finish(self) -> None:
        """Read out what `Facts` asks of every TCP connection; nothing is taken after this."""
        self._owners.clear()
        self._unasked.clear()
        table, count = self._finder.table, self._finder.count
        directions = self.state.directions[: 2 * count]
        self.openers = self._openers(slice(0, count))
        self.midstream: Column = table.opener[:count] == NOBODY
        self.isn: Column = table.isn[:count]
        self.flags: Column = table.flags[:count]
        self.data_fin: Column = (directions["data_fins"] > 0).reshape(count, 2)
        spoken: Column = directions["options"].reshape(count, 2).max(axis=1, initial=0)
        self.speaks_mptcp: Column = spoken > 0
        silent = directions["packets"] == 0
        first = np.where(silent, np.iinfo(np.int64).max, directions["first_ns"])
        last = np.where(silent, np.iinfo(np.int64).min, directions["last_ns"])
        self.start_ns: Column = first.reshape(count, 2).min(axis=1)
        self.end_ns: Column = last.reshape(count, 2).max(axis=1)
        # Batches without options of a handshake were not shown to it.
        self.handshakes.make_room(count)

    def release(self) -> None:
        """Forget what only `Assembly` asks."""
        del self.isn, self.flags, self.data_fin
        self.handshakes.release()
        self._finder.release()

    def end_texts(self, flows: Column, ends: Column) -> list[str]:
        """Return ends of TCP connections as `Endpoint` writes them."""
        table = self._finder.table
        own = np.asarray(ends, np.bool_)
        high = np.where(own, table.dst_high[flows], table.src_high[flows])
        low = np.where(own, table.dst_low[flows], table.src_low[flows])
        ports = np.where(own, table.dst_port[flows], table.src_port[flows])
        hosts: dict[tuple[int, int], str] = {}
        texts = []
        for upper, lower, port in zip(high.tolist(), low.tolist(), ports.tolist(), strict=True):
            host = hosts.get((upper, lower))
            if host is None:
                host = hosts[upper, lower] = _host(upper & LOW_64_BITS, lower & LOW_64_BITS)
            texts.append(f"{host}:{port}")
        return texts


def _host(high: int, low: int) -> str:
    """Return an address as it stands before a port: RFC 3986, section 3.2.2."""
    family = 4 if high == 0 and low >> 32 == V4_HALF else 6
    address = address_text(family, high, low)
    return f"[{address}]" if ":" in address else address


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
