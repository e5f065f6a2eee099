"""A middlebox silently drops SYNs that carry MP_CAPABLE, and lets plain SYNs pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carries
from mptcp_check.analysis.pairing.paired import Half, MatchedBy, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, chosen, counted, frames_of, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "mp_capable_syn_dropped"

_LEAST_LOST: Final = 2
"""One lost SYN is no proof of anything: Linux may fall back after a single one."""
_LOST_FOR_SURE: Final = 3
"""At 5 % loss three in a row are one attempt in 8000."""
_ONE_LOST: Final = f"cannot tell: {ID}, or one SYN lost by chance, as it was sent only once"


def detect(connection: PairedConnection) -> Finding:
    """Say whether only the SYNs without MP_CAPABLE reached the other end.

    A sender whose SYNs stay unacknowledged falls back to plain SYNs after a number of attempts
    that is local policy (RFC 8684, section 3.7; on Linux
    ``net.mptcp.syn_retrans_before_tcp_fallback``, 2 retransmissions by default).  A black hole for
    MP_CAPABLE and that many losses in a row look alike, so one lost SYN says nothing here, and
    `diagnose` believes two only where no other connection's SYN passed with the option.

    Limits: from the opener alone, SYN/ACKs that a path drops because of MP_CAPABLE look the same
    with a server that answers each SYN for itself (SYN cookies).

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the frames of the SYNs in vain, then the plain SYN's, and the measures
        ``unanswered_syns`` (a count) and ``setup_delay_ns`` (from the first SYN to the first plain
        one, all of it lost to the user); ``NOT_SEEN`` if any SYN with the option arrived, whatever
        it had when it arrived; ``NOT_MEASURED`` if nothing arrived at all, as the host may be down.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None or subflow.opener.sent is None:
        return verdict.not_measured("the opener's capture does not hold the SYN")
    sent = subflow.opener.sent
    times = sent.capture.packets.time_ns
    syns = sorted(subflow.handshake.syns.at_sender.tolist(), key=lambda row: int(times[row]))
    tried = _Tried(
        with_option=[r for r in syns if carries(sent, r, Subtype.MP_CAPABLE)],
        plain=[r for r in syns if carries(sent, r, Subtype.MP_CAPABLE) is False],
        sent=sent,
    )
    if not tried.with_option:
        return verdict.not_measured(f"the {sender(subflow.opener)} sent no SYN with MP_CAPABLE")
    return (_from_opener if connection.one_sided else _from_both)(verdict, subflow, tried)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """The opener's SYNs, oldest first: rows of its capture."""

    with_option: Sequence[int]
    plain: Sequence[int]
    sent: Half

    def delay_ns(self, plain: int) -> int:
        """Return how long after the first SYN a plain one was sent."""
        times = self.sent.capture.packets.time_ns
        return int(times[plain] - times[self.with_option[0]])


def _from_both(verdict: Verdict, subflow: PairedSubflow, tried: _Tried) -> Finding:
    """Judge by which SYN arrived."""
    lane = subflow.opener
    arrived = {c.sent: c for c in subflow.handshake.syns.arrived}
    doubtful = any(c.by is MatchedBy.ORDER for c in arrived.values())
    passed = [row for row in tried.plain if row in arrived]
    kept = [row for row in tried.with_option if row in arrived]
    if not doubtful and (kept or _answered_with_option(subflow)):
        return verdict.not_seen(
            "a SYN that was sent with MP_CAPABLE arrived",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames_of(lane.sent, kept[:1]),
        )
    lost = len(tried.with_option)
    if doubtful or not passed or lost < _LEAST_LOST:
        return verdict.not_measured(
            chosen(
                (doubtful, "cannot tell which of the SYNs sent is the one that arrived"),
                (not passed, "no SYN arrived, with MP_CAPABLE or without"),
                (True, _ONE_LOST),
            )
        )
    crossing, delay_ns = arrived[passed[0]], tried.delay_ns(passed[0])
    return verdict.seen(
        f"{counted(lost, 'SYN')} with MP_CAPABLE left the {sender(lane)} and none reached the"
        f" {receiver(lane)}; the plain SYN {delay_ns / 1e9:.2f} s after the first one did",
        subflow=subflow,
        direction=lane.direction,
        evidence=(
            *frames_of(lane.sent, [*tried.with_option, passed[0]]),
            *frames_of(lane.received, [crossing.received]),
        ),
        confidence=(
            Confidence.CONFIRMED
            if lost >= _LOST_FOR_SURE and crossing.by > MatchedBy.TIME
            else Confidence.LIKELY
        ),
        measures={"unanswered_syns": lost, "setup_delay_ns": delay_ns},
    )


def _answered_with_option(subflow: PairedSubflow) -> bool:
    """Say whether a SYN/ACK carries MP_CAPABLE: it can answer only a SYN that had it."""
    lane, synacks = subflow.listener, subflow.handshake.synacks
    return any(
        half is not None and carries(half, int(row), Subtype.MP_CAPABLE)
        for half, rows in ((lane.sent, synacks.at_sender), (lane.received, synacks.at_receiver))
        for row in rows
    )


def _from_opener(verdict: Verdict, subflow: PairedSubflow, tried: _Tried) -> Finding:
    """Judge by which SYN the answer followed, which is all that the opener's capture has."""
    lane, answers = subflow.opener, subflow.listener.received
    synacks = subflow.handshake.synacks.at_receiver
    if answers is None or not len(synacks):
        return verdict.not_measured("no SYN was answered, with MP_CAPABLE or without")
    answer_times = answers.capture.packets.time_ns[synacks]
    answer = int(synacks[answer_times.argmin()])
    times = tried.sent.capture.packets.time_ns
    # SYNs may overtake each other: an answer that came before the plain SYN, or that carries the
    # option, answers one that had it (RFC 8684, section 3.1)
    if (
        not tried.plain
        or carries(answers, answer, Subtype.MP_CAPABLE) is not False
        or int(answer_times.min()) <= int(times[tried.plain[0]])
    ):
        return verdict.not_seen(
            "a SYN with MP_CAPABLE was answered",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames_of(answers, [answer]),
        )
    lost, delay_ns = len(tried.with_option), tried.delay_ns(tried.plain[0])
    if lost < _LEAST_LOST:
        return verdict.not_measured(_ONE_LOST)
    return verdict.seen(
        f"{counted(lost, 'SYN')} with MP_CAPABLE stayed unanswered, the plain SYN"
        f" {delay_ns / 1e9:.2f} s after the first one did not",
        subflow=subflow,
        direction=lane.direction,
        evidence=(
            *frames_of(lane.sent, [*tried.with_option, tried.plain[0]]),
            *frames_of(answers, [answer]),
        ),
        measures={"unanswered_syns": lost, "setup_delay_ns": delay_ns},
    )
