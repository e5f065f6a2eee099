"""Multipath TCP connections and their subflows, from the TCP connections of one capture.

Every TCP connection is one of: the initial subflow of a Multipath TCP connection; a further
subflow (MP_JOIN), found by its token; an attempt that fell back; plain TCP.  What a capture does
not show is left open: a join whose connection began earlier stands in a connection of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Flag, Note, OptionProblem, Packets
from mptcp_check.analysis.flows.endpoints import Endpoint, destination, source
from mptcp_check.analysis.flows.grouping import Flows, group
from mptcp_check.analysis.flows.handshakes import BACKUP, Handshake, handshakes
from mptcp_check.analysis.flows.keys import (
    Keys,
    check_add_addr,
    check_join,
    keys_of,
)
from mptcp_check.analysis.flows.subflows import Close, Connection, HmacState, Kind, Role, Subflow

__all__ = [
    "Close",
    "Connection",
    "Facts",
    "HmacState",
    "Kind",
    "Plan",
    "Role",
    "Subflow",
    "assemble",
    "connection",
    "connections",
    "plan_of",
]

FIN: Final = int(Flag.FIN)
RST: Final = int(Flag.RST)

_PLAIN: Final = Handshake()
"""Of the TCP connections without any option of a handshake; nobody writes to it."""


def connections(packets: Packets) -> tuple[Connection, ...]:
    """Find the connections of a capture.

    Args:
        packets: A capture's segments.

    Returns:
        All connections, plain TCP too, in the order of their first segments.
    """
    return assemble(_View(packets))


class Facts(Protocol):
    """What was found out on each TCP connection, however: `assemble` makes connections of it."""

    openers: list[int]
    """The end that opened it."""
    midstream: list[bool]
    """Neither SYN nor SYN/ACK was captured."""
    isn: list[list[int]]
    """Initial sequence number of each end, negative if unknown."""
    flags: list[list[int]]
    """TCP flags of all segments of each end."""
    data_fin: list[list[bool]]
    """Each end sent a DATA_FIN."""
    speaks_mptcp: list[bool]
    """Any kind-30 option."""
    options_cut: list[bool]
    """The options of some segment were cut."""
    start_ns: list[int]

    def handshake(self, flow: int) -> Handshake:
        """Return the options of its handshake."""

    def ends(self, flow: int) -> tuple[Endpoint, Endpoint]:
        """Return its two ends."""

    def end_ns(self, flow: int) -> int:
        """Return the time of its last segment."""

    def rows(self, flow: int, end: int) -> Column:
        """Return the rows of what an end sent, as far as rows are known."""


def assemble(facts: Facts) -> tuple[Connection, ...]:
    """Make connections of TCP connections.

    Args:
        facts: On each TCP connection, in the order of their first segments.

    Returns:
        All connections, plain TCP too, in the same order.
    """
    return tuple(connection(facts, id_, plan) for id_, plan in enumerate(plan_of(facts)))


class _View:
    """A capture grouped into TCP connections, with what every later step asks of it."""

    def __init__(self, packets: Packets) -> None:
        self.packets = packets
        self.flows: Flows = group(packets)
        self.handshakes = handshakes(packets, self.flows)
        count = len(self.flows)
        self.speaks_mptcp = self._any(packets.dss.packet, packets.signals.packet)
        """One per TCP connection: any kind-30 option."""
        self.options_cut = self._any(np.flatnonzero(packets.notes & Note.HEADER_CUT))
        """One per TCP connection: the options of some segment were cut."""
        self.data_fin: list[list[bool]] = self._data_fins(count).tolist()
        """Two per TCP connection: each end sent a DATA_FIN."""
        times = packets.time_ns[self.flows.first_row]
        self.start_ns: list[int] = times.tolist()
        self.openers: list[int] = self.flows.opener.tolist()
        self.midstream: list[bool] = self.flows.midstream.tolist()
        self.isn: list[list[int]] = self.flows.isn.tolist()
        self.flags: list[list[int]] = self.flows.flags.tolist()

    def _any(self, *rows: Column) -> list[bool]:
        """Say for each TCP connection whether one of the rows belongs to it."""
        found = np.zeros(len(self.flows), dtype=np.bool_)
        for some in rows:
            found[self.flows.flow_of[some]] = True
        answer: list[bool] = found.tolist()
        return answer

    def handshake(self, flow: int) -> Handshake:
        """Return the options of a TCP connection's handshake."""
        return self.handshakes.get(flow, _PLAIN)

    def ends(self, flow: int) -> tuple[Endpoint, Endpoint]:
        """Return the two ends of a TCP connection."""
        row = int(self.flows.first_row[flow])
        return source(self.packets, row), destination(self.packets, row)

    def end_ns(self, flow: int) -> int:
        """Return the time of a TCP connection's last segment."""
        sent = (self.flows.rows(flow, 0), self.flows.rows(flow, 1))
        return max(int(self.packets.time_ns[rows[-1]]) for rows in sent if len(rows))

    def rows(self, flow: int, end: int) -> Column:
        """Return the rows of what an end sent, in the order of time."""
        return self.flows.rows(flow, end)

    def _data_fins(self, count: int) -> npt.NDArray[np.bool_]:
        dss, flows = self.packets.dss, self.flows
        both = DssFlag.DATA_FIN | DssFlag.MAPPING
        carriers = dss.packet[(dss.flags & both == both) & (dss.problem == OptionProblem.NONE)]
        seen = np.zeros((count, 2), dtype=np.bool_)
        seen[flows.flow_of[carriers], flows.end_of[carriers]] = True
        return seen


class Plan(NamedTuple):
    """Which TCP connections make a connection; the first one comes first."""

    flows: tuple[int, ...]
    opened_by_server: tuple[bool, ...]
    """One per TCP connection."""
    token: int | None
    """The token that joins name whose connection was not captured."""


_ALONE: Final = (False,)


def plan_of(facts: Facts) -> list[Plan]:
    """Give every TCP connection its place: joins go to the connection that their token names.

    A token may be used again in a long capture: the youngest connection that began before the
    join has it.  Joins whose token nobody has go together by their token.
    """
    plans: list[Plan] = []
    owners: dict[int, tuple[int, bool]] = {}
    every = range(len(facts.openers))
    if not any(facts.handshake(flow).joining for flow in every):  # nobody asks for a token
        return [Plan((flow,), _ALONE, None) for flow in every]
    for flow in every:
        handshake = facts.handshake(flow)
        if not handshake.joining:
            keys = keys_of(handshake)
            for token, by_server in ((keys.token_server, False), (keys.token_client, True)):
                if token is not None:
                    owners[token] = (len(plans), by_server)
            plans.append(Plan((flow,), _ALONE, None))
            continue
        syn = handshake.join_syn
        owner = owners.get(syn.token) if syn else None
        if owner is not None:
            place, by_server = owner
            known = plans[place]
            plans[place] = Plan(
                (*known.flows, flow), (*known.opened_by_server, by_server), known.token
            )
            continue
        if syn:
            owners[syn.token] = (len(plans), False)
        plans.append(Plan((flow,), _ALONE, syn.token if syn else None))
    return plans


def connection(facts: Facts, id_: int, plan: Plan) -> Connection:
    """Make one connection.

    Args:
        facts: On each TCP connection.
        id_: The connection's number.
        plan: What it is made of.
    """
    first_handshake = facts.handshake(plan.flows[0])
    keys = Keys(token_server=plan.token) if first_handshake.joining else keys_of(first_handshake)
    members = zip(plan.flows, plan.opened_by_server, strict=True)
    subflows = tuple(
        _subflow(facts, position, flow, keys, by_server=by_server)
        for position, (flow, by_server) in enumerate(members)
    )
    announced = [
        verdict
        for flow, by_server in zip(plan.flows, plan.opened_by_server, strict=True)
        for verdict in _announcements(facts, flow, keys, by_server=by_server)
    ]
    first = subflows[0]
    return Connection(
        id=id_,
        kind=_kind(facts, first),
        mptcp_version=keys.version,
        client=first.client,
        server=first.server,
        key_client=keys.client,
        key_server=keys.server,
        token_client=keys.token_client,
        token_server=keys.token_server,
        checksum_required=keys.checksum_required,
        add_addr_ok_count=announced.count(HmacState.OK),
        add_addr_bad_count=announced.count(HmacState.BAD),
        subflows=subflows,
        close=_close(facts, subflows),
        start_ns=min(subflow.start_ns for subflow in subflows),
        end_ns=max(subflow.end_ns for subflow in subflows),
    )


def _subflow(facts: Facts, position: int, flow: int, keys: Keys, *, by_server: bool) -> Subflow:
    handshake = facts.handshake(flow)
    client_end = facts.openers[flow] ^ int(by_server)
    ends = facts.ends(flow)
    verdicts = check_join(handshake, keys, opened_by_server=by_server)
    return Subflow(
        id=position,
        flow=flow,
        role=Role.JOIN if handshake.joining else Role.INITIAL,
        complete=handshake.joined if handshake.joining else handshake.capable,
        midstream=facts.midstream[flow],
        opened_by_server=by_server,
        client=ends[client_end],
        server=ends[1 - client_end],
        isn_client=_known(facts.isn[flow][client_end]),
        isn_server=_known(facts.isn[flow][1 - client_end]),
        rows_c2s=facts.rows(flow, client_end),
        rows_s2c=facts.rows(flow, 1 - client_end),
        hmac=_overall(verdicts),
        hmac_ok_count=verdicts.count(HmacState.OK),
        hmac_bad_count=verdicts.count(HmacState.BAD),
        backup=any(
            option is not None and bool(option.flags & BACKUP)
            for option in (handshake.join_syn, handshake.join_synack)
        ),
        speaks_mptcp=facts.speaks_mptcp[flow],
        options_cut=facts.options_cut[flow],
        handshake=handshake,
        start_ns=facts.start_ns[flow],
        end_ns=facts.end_ns(flow),
    )


def _announcements(facts: Facts, flow: int, keys: Keys, *, by_server: bool) -> Iterable[HmacState]:
    client_end = facts.openers[flow] ^ int(by_server)
    for option in facts.handshake(flow).add_addrs:
        yield check_add_addr(option, keys, by_client=option.end == client_end)


def _kind(facts: Facts, first: Subflow) -> Kind:
    """Say what the first subflow makes of its connection.

    Options on a connection whose SYN was captured without one do not make it Multipath TCP.
    """
    if first.role is Role.JOIN or first.complete:
        return Kind.MPTCP
    if first.handshake.capable_syn:
        return Kind.FALLBACK
    began = not first.midstream and first.isn_client is not None
    late = first.midstream or (began and first.handshake.capable_synack is not None)
    return Kind.MPTCP if late and facts.speaks_mptcp[first.flow] else Kind.TCP


def _close(facts: Facts, subflows: Sequence[Subflow]) -> Close:
    """Say how a connection ended; joins that were never complete have no say in it."""
    if any(subflow.handshake.fastclose for subflow in subflows):
        return Close.FASTCLOSE
    by_client = by_server = False
    for subflow in subflows:
        client_end = facts.openers[subflow.flow] ^ int(subflow.opened_by_server)
        by_client |= facts.data_fin[subflow.flow][client_end]
        by_server |= facts.data_fin[subflow.flow][1 - client_end]
    if by_client and by_server:
        return Close.FIN
    flags = [facts.flags[s.flow] for s in subflows if s.complete or s.role is Role.INITIAL]
    flags = flags or [facts.flags[s.flow] for s in subflows]
    finished = [bool(one & two & FIN) for one, two in flags]
    reset = [bool((one | two) & RST) for one, two in flags]
    if all(finished):
        return Close.FIN
    if all(a or b for a, b in zip(finished, reset, strict=True)):
        return Close.RST
    return Close.OPEN


def _overall(verdicts: Sequence[HmacState]) -> HmacState:
    if HmacState.BAD in verdicts:
        return HmacState.BAD
    return HmacState.OK if HmacState.OK in verdicts else HmacState.UNKNOWN


def _known(isn: int) -> int | None:
    return isn if isn >= 0 else None
