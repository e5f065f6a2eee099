"""Whose a packet is: batches of segments in, blocks of pcapng per session out; no input, no output.

A connection belongs to a session when its initiator says the session's marker among its first
bytes, when it joins a connection that does (by the token of MP_JOIN), when FTP's control
connection announced it, or when its client claims it by 64 bits of its handshake.  Until then its
packets wait, for some seconds and within bounds; then they are dropped.

What may never happen is that a packet comes into a file that it does not belong to.  Hence: only
connections whose SYN was seen are looked at; a SYN with another sequence number is another
connection, though its addresses and ports be the same; what is ambiguous belongs to nobody.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.packets import Flag, Packets
from mptcp_check.analysis.capture.records import Records
from mptcp_check.analysis.flows import crypto
from mptcp_check.server.capture.announced_data import AnnouncedData
from mptcp_check.server.capture.batch import Batch
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import FlowKey, destination, groups, source
from mptcp_check.server.capture.ftp_data import Lines
from mptcp_check.server.capture.handshakes import Handshake, Handshakes
from mptcp_check.server.capture.service import Claim
from mptcp_check.server.capture.waiting import Waiting

Deliver = Callable[[str, bytes, int], None]
"""Takes a session's blocks and how many packets they are."""

_SYN, _ACK = int(Flag.SYN), int(Flag.ACK)


@dataclass(slots=True, kw_only=True)
class Claims:
    """Connections that a session named by the numbers of their handshake."""

    keys: set[int] = field(default_factory=set)
    sequence_numbers: set[tuple[int, int]] = field(default_factory=set)


class Demultiplexer:
    """Knows which session a connection belongs to.

    Args:
        deliver: Called with packets whose session is known, in the order of their connection.
        flow_known: Called once for each connection that became a session's.
        multipliers: See `flow_groups.groups`.
        waiting: Bounds of what is not known yet.
        ftp_ports: Where FTP's servers are: at no other port is an announcement believed, or who
            has an echo's words could announce somebody else's connection.
    """

    def __init__(
        self,
        *,
        deliver: Deliver,
        flow_known: Callable[[str, Flow], None],
        multipliers: npt.NDArray[np.uint64],
        waiting: Waiting,
        ftp_ports: frozenset[int],
    ) -> None:
        self._deliver = deliver
        self._flow_known = flow_known
        self._multipliers = multipliers
        self.waiting = waiting
        self._ftp_ports = ftp_ports
        self._sessions: dict[str, str] = {}
        """Marker -> session."""
        self._claims: dict[str, Claims] = {}
        self._flows: dict[FlowKey, Flow] = {}
        self._ended: dict[str, Handshakes] = {}
        """Session -> its connections whose place another one took."""
        self._tokens: dict[int, tuple[Flow, ...]] = {}
        """Token -> the connections it stands for: one, or nobody knows which."""
        self._announced = AnnouncedData()

    def open(self, session_id: str, marker: str) -> None:
        """Look for a session's connections from now on."""
        self._sessions[marker] = session_id
        self._claims[session_id] = Claims()
        self._ended[session_id] = Handshakes()

    def close(self, session_id: str) -> None:
        """Forget a session and its connections."""
        self._sessions = {m: s for m, s in self._sessions.items() if s != session_id}
        self._claims.pop(session_id, None)
        for key in [key for key, flow in self._flows.items() if flow.session_id == session_id]:
            self._forget(key)
        self._ended.pop(session_id, None)
        self._announced.forget(session_id)

    def handshakes(self, session_id: str) -> Handshakes:
        """Return how a session's connections were opened; nothing for one that is not open."""
        found = self._ended.get(session_id, Handshakes())
        for flow in self._flows.values():
            if flow.session_id == session_id:
                found += flow.handshake.counts()
        return found

    def restore(self, key: FlowKey, flow: Flow) -> None:
        """Take back a connection that was known before a restart."""
        self._flows[key] = flow
        for token in flow.initiator_tokens | flow.responder_tokens:
            self._register(token, flow)

    @property
    def idle(self) -> bool:
        """Whether there is no session: then nothing has to be looked at."""
        return not self._sessions

    @property
    def flow_count(self) -> int:
        """Connections that are remembered."""
        return len(self._flows)

    def take(self, packets: Packets, records: Records) -> None:
        """Take a batch of segments."""
        batch = Batch(packets, records)
        flags = packets.flags
        single: list[tuple[int, FlowKey]] = []
        for key, rows in groups(packets, self._multipliers):
            syns = (flags[rows] & _SYN) != 0
            flow = self._flows.get(key)
            known = flow is not None and flow.session_id and flow.spoke and not flow.ftp
            if flow is not None and known and not syns.any():
                # The bulk of all traffic: no look at single packets.
                self._deliver(flow.session_id, batch.blocks(rows), len(rows))
            elif flow is not None or syns.any():
                single += [(row, key) for row in rows.tolist()]
        # In the order in which they came: a join comes after the connection that it joins, and
        # FTP's data after their announcement, also when a batch holds both.
        for row, key in sorted(single):
            self._look(key, row, batch)
        self.waiting.shed(self._drop)

    def claim(self, session_id: str, claims: Iterable[Claim]) -> int:
        """Add claims of a session; return how many connections are known by now."""
        own = self._claims.get(session_id)
        if own is None:
            return 0
        wanted = list(claims)
        for one in wanted:
            if one.server_key is not None:
                own.keys.add(one.server_key)
            if one.client_isn is not None and one.server_isn is not None:
                own.sequence_numbers.add((one.client_isn, one.server_isn))
        for flow in self.waiting.flows():
            if self._claimant(flow) == session_id:
                self._known(flow, session_id)
        flows = [flow for flow in self._flows.values() if flow.session_id == session_id]
        pairs = {(flow.initiator_isn, flow.responder_isn) for flow in flows}
        keys = set().union(*(flow.responder_tokens for flow in flows)) if flows else set()
        return sum(
            (one.client_isn, one.server_isn) in pairs
            or any(one.server_key is not None and t in keys for t in _tokens(one.server_key or 0))
            for one in wanted
        )

    def expire(self, now_ns: int) -> None:
        """Drop what has waited too long."""
        self.waiting.expire(now_ns, self._drop)
        self._announced.expire(now_ns)

    # --------------------------------------------------------------------- one connection

    def _look(self, key: FlowKey, row: int, batch: Batch) -> None:
        """Take a single packet."""
        flow = self._flow(key, row, batch)
        if flow is None:
            return
        self._learn(flow, row, batch)
        octets = batch.blocks(np.array([row], dtype=np.int64))
        if flow.session_id:
            self._deliver(flow.session_id, octets, 1)
            if flow.ftp is not None:
                self._announced.hear(flow, flow.ftp, batch.packets, row)
            return
        flow.hold(octets, 1)
        self.waiting.held(flow, len(octets))
        session_id = self._session(flow, row, batch)
        if session_id:
            self._known(flow, session_id)

    def _flow(self, key: FlowKey, row: int, batch: Batch) -> Flow | None:
        """Return the connection that a packet is part of; a SYN may begin one."""
        packets = batch.packets
        flags = int(packets.flags[row])
        flow = self._flows.get(key)
        if flags & (_SYN | _ACK) != _SYN:
            return flow
        sequence, sender = int(packets.seq[row]), source(packets, row)
        if flow is not None and (flow.initiator_isn, flow.initiator) == (sequence, sender):
            return flow  # the SYN again
        if flow is not None:
            self._forget(key)
        joins, token = batch.join(row)
        flow = Flow(
            initiator=sender,
            responder=destination(packets, row),
            initiator_isn=sequence,
            first_ns=int(packets.time_ns[row]),
            handshake=Handshake(join=joins, capable=batch.capable(row)),
        )
        self._flows[key] = flow
        self.waiting.add(key, flow)
        if joins:
            named = self._tokens.get(token, ())
            parent = named[0] if len(named) == 1 else None
            if parent is not None:
                # A token is of the key of whom it is sent to.
                to_initiator = token in parent.initiator_tokens
                flow.handshake.by_server = to_initiator != parent.handshake.by_server
            if parent is not None and parent.session_id:
                self._known(flow, parent.session_id)
            elif parent is not None:
                parent.children.append(flow)
        else:
            expected, by_server = self._announced.take(flow)
            flow.handshake.by_server = by_server
            if expected:
                self._known(flow, expected)
        return flow

    def _learn(self, flow: Flow, row: int, batch: Batch) -> None:
        """Take keys and sequence numbers from a handshake."""
        packets = batch.packets
        from_initiator = source(packets, row) == flow.initiator
        if not from_initiator and int(packets.flags[row]) & _SYN and flow.responder_isn is None:
            flow.responder_isn = int(packets.seq[row])
            flow.handshake.answered = batch.agrees(flow, row)
        if from_initiator and not int(packets.flags[row]) & _SYN and not flow.spoke:
            flow.spoke = True
            flow.handshake.confirmed = batch.agrees(flow, row)
            self.waiting.spoke(flow)
        # What the other side's key is, only the other side can say: with somebody else's key one
        # would get his joins.  And a connection has one key a side.
        tokens = flow.initiator_tokens if from_initiator else flow.responder_tokens
        for key, version in batch.keys(row):
            if not tokens:
                tokens.add(crypto.token(key, version))
                self._register(crypto.token(key, version), flow)

    def _register(self, token: int, flow: Flow) -> None:
        self._tokens[token] = (*self._tokens.get(token, ()), flow)

    def _session(self, flow: Flow, row: int, batch: Batch) -> str:
        """Return whose a waiting connection is, by what this packet says; empty if unknown."""
        packets = batch.packets
        if source(packets, row) == flow.initiator and not flow.join:
            said = flow.says(int(packets.seq[row]), packets.payload(row))
            if said in self._sessions:
                return self._sessions[said]
        return self._claimant(flow)

    def _claimant(self, flow: Flow) -> str:
        for session_id, claims in self._claims.items():
            if not claims.keys and not claims.sequence_numbers:
                continue
            if (flow.initiator_isn, flow.responder_isn) in claims.sequence_numbers:
                return session_id
            if any(t in flow.responder_tokens for key in claims.keys for t in _tokens(key)):
                return session_id
        return ""

    def _known(self, flow: Flow, session_id: str) -> None:
        """Give a connection, and those that joined it, to a session."""
        if flow.session_id:
            return
        flow.session_id = session_id
        self.waiting.remove(flow)
        octets, count = flow.release()
        self._flow_known(session_id, flow)
        if count:
            self._deliver(session_id, octets, count)
        if flow.responder.port in self._ftp_ports:
            flow.ftp = (Lines(), Lines())
        flow.said = bytearray()
        children, flow.children = flow.children, []
        for child in children:
            self._known(child, session_id)

    def _forget(self, key: FlowKey) -> None:
        flow = self._flows.pop(key)
        if flow.session_id in self._ended:
            self._ended[flow.session_id] += flow.handshake.counts()
        self.waiting.remove(flow)
        for token in flow.initiator_tokens | flow.responder_tokens:
            left = tuple(one for one in self._tokens.get(token, ()) if one is not flow)
            if left:
                self._tokens[token] = left
            else:
                self._tokens.pop(token, None)

    def _drop(self, key: FlowKey, flow: Flow) -> None:
        flow.release()
        flow.children = []
        if self._flows.get(key) is flow:
            self._forget(key)


def _tokens(key: int) -> tuple[int, ...]:
    return tuple(crypto.token(key, version) for version in sorted(crypto.VERSIONS))
