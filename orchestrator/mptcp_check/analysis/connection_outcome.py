"""What became of one connection, as the packets show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag, Subtype
from mptcp_check.analysis.flows.connections import Role
from mptcp_check.analysis.pairing.data_mappings import Mapped, mapped
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import Half, PairedConnection, PairedSubflow
from mptcp_check.model import Direction, Outcome, Side

_FIN: Final = int(Flag.FIN)
_RST: Final = int(Flag.RST)
_CLOSING_NS: Final = 25_000_000
"""A join that races the end of its connection is answered with RST; seen up to 25 ms around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOutcome:
    """An outcome with its reason; complete subflows are counted as the stricter end shows."""

    outcome: Outcome
    because: str
    subflows_count: int
    """Subflows whose handshake was completed with the options, the initial one included."""


def connection_outcome(connection: PairedConnection) -> ConnectionOutcome:
    """Say what became of one connection: the two ends may differ, the worse one counts.

    Packets cannot show what an application got, so ``corrupted`` and ``hung`` are not said here.
    """
    initial = connection.initial
    if initial is None:
        return _outcome(Outcome.NOT_MEASURED, "the capture began after the connection", 0)
    early = _handshake_outcome(initial)
    if early is not None:
        return early
    maps = [
        (direction, mapped(half))
        for direction, lane in initial.lanes.items()
        if (half := lane.sent or lane.received) is not None
    ]
    complete = [s for s in connection.subflows if all(v.complete for v in s.views.values())]
    count = max(1, len(complete))
    later = _data_outcome(initial, maps, count)
    if later is not None:
        return later
    closing_ns = {side: _closing_ns(connection, side) for side in connection.views}
    lost = [subflow for subflow in connection.subflows if _is_lost(subflow, closing_ns)]
    if lost:
        return _outcome(
            Outcome.MPTCP_DEGRADED,
            f"lost or never complete: {len(lost)} of {len(connection.subflows)} subflows",
            count,
        )
    return _outcome(Outcome.MPTCP, "options in the handshake and mappings to the end", count)


def _handshake_outcome(initial: PairedSubflow) -> ConnectionOutcome | None:
    """Judge by SYN and SYN/ACK; none if both had the option at the opener."""
    opener, listener = initial.opener, initial.listener
    syns = opener.sent or opener.received
    answers = listener.received or listener.sent
    if syns is None or not len(_with_flags(syns, Flag.SYN)):
        return _outcome(Outcome.NOT_MEASURED, "the SYN is not in the captures", 0)
    offered = carriers(syns, _with_flags(syns, Flag.SYN), Subtype.MP_CAPABLE)
    synacks = (
        np.empty(0, np.int64) if answers is None else _with_flags(answers, Flag.SYN | Flag.ACK)
    )
    if answers is None or not len(synacks):
        reset = answers is not None and len(_with_flags(answers, Flag.RST, Flag.RST))
        if reset:
            return _outcome(Outcome.REFUSED, "the SYN was answered with RST", 0)
        return _outcome(Outcome.TIMED_OUT, "no SYN was answered", 0)
    if not len(offered):
        return _outcome(Outcome.TCP, "no SYN asked for Multipath TCP", 1)
    if not len(carriers(answers, synacks, Subtype.MP_CAPABLE)):
        return _outcome(
            Outcome.FELL_BACK_AT_HANDSHAKE, "the SYN/ACK that arrived has no MP_CAPABLE", 1
        )
    return None


def _data_outcome(
    initial: PairedSubflow, maps: list[tuple[Direction, Mapped]], count: int
) -> ConnectionOutcome | None:
    """Judge by the mappings of the first subflow; only there a connection can fall back."""
    for direction, found in maps:
        if found.is_unmapped:
            return _outcome(
                Outcome.FELL_BACK_AT_FIRST_DATA,
                f"no payload {_way(direction)} is mapped to the connection",
                count,
            )
    for direction, found in maps:
        if found.ends_unmapped:
            reason = "an infinite mapping" if found.infinite else "payload without a mapping"
            place = "" if found.infinite else f" from byte {found.mapped_bytes}"
            return _outcome(
                Outcome.FELL_BACK_MIDSTREAM, f"{reason} {_way(direction)}{place}", count
            )
    if not any(found.mapped_bytes for _, found in maps) and not any(
        view.complete for view in initial.views.values()
    ):
        return _outcome(Outcome.NOT_MEASURED, "the handshake was not completed, no data", count)
    return None


def _is_lost(subflow: PairedSubflow, closing_ns: Mapping[Side, int | None]) -> bool:
    """Say whether a subflow failed while the connection still needed it."""
    halves = _halves(subflow)
    closing = [closing_ns[half.side] for half in halves]
    whole = all(view.complete for view in subflow.views.values())
    if whole or subflow.role is Role.INITIAL:
        return any(_reset_before(half, limit) for half, limit in zip(halves, closing, strict=True))
    if _joined_by_a_stranger(subflow):
        return True
    if _refused_by_its_host(subflow):
        return False
    # a join that races the end is refused by whichever end is done first: it is no loss
    return not any(
        limit is not None and len(half.rows) and _last_ns(half) >= limit
        for half, limit in zip(halves, closing, strict=True)
    )


def _joined_by_a_stranger(join: PairedSubflow) -> bool:
    """Say whether the answer to a join lacks MP_JOIN: the listener took it for a new connection."""
    answers = join.listener.received or join.listener.sent
    if answers is None:
        return False
    synacks = _with_flags(answers, Flag.SYN | Flag.ACK)
    return len(carriers(answers, synacks, Subtype.MP_JOIN)) < len(synacks)


def _refused_by_its_host(join: PairedSubflow) -> bool:
    """Say whether the machine itself refused a join that reached it as it was sent.

    A host answers RST where nobody listens: the client of active FTP closes its listening socket
    once it has accepted, and Linux may join the server's port 20.  That is no deed of the path, and
    only the capture at the refusing machine can tell.
    """
    sent, received, answers = join.opener.sent, join.opener.received, join.listener.sent
    if sent is None or received is None or answers is None:
        return False
    asked, came = _with_flags(sent, Flag.SYN), _with_flags(received, Flag.SYN)
    if not len(asked) or not len(came) or len(_with_flags(answers, Flag.SYN | Flag.ACK)):
        return False
    as_sent = sent.capture.packets.option_bytes(int(asked[0]))
    unchanged = received.capture.packets.option_bytes(int(came[0])) == as_sent
    return unchanged and bool(len(_with_flags(answers, Flag.RST, Flag.RST)))


def _halves(subflow: PairedSubflow) -> list[Half]:
    return [half for lane in subflow.lanes.values() for half in (lane.sent, lane.received) if half]


def _last_ns(half: Half) -> int:
    return int(half.capture.packets.time_ns[half.rows[-1]])


def _reset_before(half: Half, limit_ns: int | None) -> bool:
    reset_ns = half.table.once(_first_resets_ns)[half.number]
    return reset_ns is not None and (limit_ns is None or reset_ns < limit_ns)


def _closing_ns(connection: PairedConnection, at: Side) -> int | None:
    """Return when the end of a connection began, a little early, by the clock of one capture."""
    ends = []
    for subflow in connection.subflows:
        for half in _halves(subflow):
            if half.side is not at:
                continue
            found = mapped(half)
            fin_ns = half.table.once(_first_fins_ns)[half.number]
            if found.data_fin_ns is not None:
                ends.append(found.data_fin_ns)
            if fin_ns is not None and subflow.role is Role.INITIAL:
                ends.append(fin_ns)
            if found.aborted:
                ends.append(_last_ns(half))
    return min(ends) - _CLOSING_NS if ends else None


def _first_fins_ns(table: HalfTable) -> list[int | None]:
    return _first_ns(table, _FIN)


def _first_resets_ns(table: HalfTable) -> list[int | None]:
    return _first_ns(table, _RST)


def _first_ns(table: HalfTable, flag: int) -> list[int | None]:
    """Return when each half had a flag for the first time."""
    found: list[int | None] = [None] * len(table)
    places = np.flatnonzero(table.flags & flag)[::-1]  # the first one is written last
    for number, time_ns in zip(
        table.half_of[places].tolist(), table.time_ns[places].tolist(), strict=True
    ):
        found[number] = time_ns
    return found


def _with_flags(half: Half, wanted: int, mask: int = Flag.SYN | Flag.ACK) -> Column:
    return np.asarray(half.rows[(half.capture.packets.flags[half.rows] & mask) == wanted])


def _way(direction: Direction) -> str:
    return "from client to server" if direction is Direction.C2S else "from server to client"


def _outcome(outcome: Outcome, because: str, subflows_count: int) -> ConnectionOutcome:
    return ConnectionOutcome(outcome=outcome, because=because, subflows_count=subflows_count)
