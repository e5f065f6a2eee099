"""A middlebox changes a key in MP_CAPABLE."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Present, Subtype
from mptcp_check.analysis.pairing.mptcp_options import find
from mptcp_check.analysis.pairing.paired import (
    Crossing,
    Crossings,
    Half,
    Lane,
    MatchedBy,
    PairedConnection,
    PairedSubflow,
)
from mptcp_check.analysis.verdict import CONFIDENCE, Verdict, frames, receiver, sender
from mptcp_check.model import Evidence, Finding

ID = "mp_capable_key_altered"

_COLUMNS: Final = ((Present.KEY, "key"), (Present.PEER_KEY, "peer_key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A segment of the handshake with keys at both ends."""

    name: str
    lane: Lane
    crossing: Crossing
    sent: tuple[int | None, ...]
    received: tuple[int | None, ...]

    @property
    def known(self) -> list[tuple[int, int]]:
        """The keys that both ends hold: a snap length may have cut the second one off at one."""
        pairs = zip(self.sent, self.received, strict=True)
        return [(a, b) for a, b in pairs if a is not None and b is not None]

    @property
    def changed(self) -> bool:
        """Whether one of them arrived with another value."""
        return any(a != b for a, b in self.known)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a key arrived with another value than it was sent with.

    Keys are in the SYN/ACK and the third ACK, in version 1 also in the first data, in version 0
    also in the SYN (RFC 8684 and RFC 6824, section 3.1).  Tokens and initial data sequence numbers
    are hashes of them, so from there on the two ends speak of different connections.

    Limits: an option that comes back as the opener sent it is `mptcp_option_echoed`; where two
    connections meet at a proxy that speaks Multipath TCP itself, the keys are its own.  One
    capture shows no change.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the first segment whose key differs and ``handshake_step`` (1 SYN, 2 SYN/ACK,
        3 third ACK or first data); ``NOT_SEEN`` if all keys that could be compared agree.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if connection.one_sided:
        return verdict.not_measured("one capture does not show both what was sent and what arrived")
    if subflow is None:
        return verdict.not_measured("the first subflow is not in the captures")
    steps = list(_steps(subflow))
    changed = [s for s in steps if s.changed]
    if changed and not subflow.is_one_connection:
        return verdict.not_measured(
            f"cannot tell: {ID}, or connection_proxied, as nothing else ties the two ends together"
        )
    if not changed:
        if not steps:
            return verdict.not_measured("no key is in a segment that both captures hold")
        return verdict.not_seen(
            "the keys arrived as they were sent",
            subflow=subflow,
            evidence=_evidence(steps[0]),
        )
    first = changed[0]
    return verdict.seen(
        f"the {first.name} left the {sender(first.lane)} with key {_text(first.sent)} and reached"
        f" the {receiver(first.lane)} with {_text(first.received)}",
        subflow=subflow,
        direction=first.lane.direction,
        evidence=_evidence(first),
        confidence=CONFIDENCE[first.crossing.by],
        measures={"handshake_step": {"SYN": 1, "SYN/ACK": 2}.get(first.name, 3)},
    )


def _steps(subflow: PairedSubflow) -> Iterator[_Step]:
    handshake = subflow.handshake
    rows: tuple[tuple[str, Lane, Crossings, MatchedBy], ...] = (
        ("SYN", subflow.opener, handshake.syns, MatchedBy.TIME),
        ("SYN/ACK", subflow.listener, handshake.synacks, MatchedBy.TIME),
        # bare ACKs look alike: only timestamps or IP identifications tell which is which
        ("third ACK", subflow.opener, handshake.acks, MatchedBy.FIELDS),
    )
    for name, lane, crossings, least in rows:
        if lane.sent is None or lane.received is None:
            continue
        for crossing in crossings.arrived:
            sent = _keys(lane.sent, crossing.sent)
            received = _keys(lane.received, crossing.received)
            if sent is None or received is None or crossing.by < least:
                continue
            step = _Step(name=name, lane=lane, crossing=crossing, sent=sent, received=received)
            # equal keys are nobody's echo
            if step.known and (not step.changed or not _is_echo(subflow, lane, received)):
                yield step


def _keys(half: Half, row: int) -> tuple[int | None, ...] | None:
    """Return (the sender's key, the peer's key) of a segment; none without a key at all."""
    index = find(half, row, Subtype.MP_CAPABLE)
    if index is None:
        return None
    signals = half.capture.packets.signals
    present = int(signals.present[index])
    keys = tuple(
        int(getattr(signals, column)[index]) if present & bit else None for bit, column in _COLUMNS
    )
    return keys if any(key is not None for key in keys) else None


def _is_echo(subflow: PairedSubflow, lane: Lane, received: tuple[int | None, ...]) -> bool:
    """Say whether a SYN/ACK brings back the key of the opener's own SYN (version 0)."""
    opened = subflow.opener.sent
    if lane is not subflow.listener or opened is None:
        return False
    return received in {_keys(opened, row) for row in subflow.handshake.syns.at_sender.tolist()}


def _evidence(step: _Step) -> tuple[Evidence, ...]:
    return frames(
        (step.lane.sent, step.crossing.sent), (step.lane.received, step.crossing.received)
    )


def _text(keys: tuple[int | None, ...]) -> str:
    return "/".join("-" if key is None else f"0x{key:016x}" for key in keys)
