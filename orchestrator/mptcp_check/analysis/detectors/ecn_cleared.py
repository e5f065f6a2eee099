"""A middlebox clears ECN bits, in the IP header or in the handshake."""

from typing import Final

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import FieldRule, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding, State

ID = "ecn_cleared"

_MARKED: Final = 3
_IN_TCP: Final = int(Flag.ECE | Flag.CWR)
_SYN: Final = int(Flag.SYN)

IN_IP: Final = FieldRule(
    column="ecn",
    relevant=lambda rows: rows.before != 0,
    # ECT -> CE is what routers do to say that they are full; CE -> ECT hides it
    changed=lambda rows: (rows.after == 0) | ((rows.before == _MARKED) & rows.differ),
    nothing="no packet was sent with an ECN codepoint, nor a SYN that asks for ECN",
    sentence=(
        "the ECN field left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)
IN_SYNS: Final = FieldRule(
    column="flags",
    flags=_SYN,
    mask=_SYN,
    relevant=lambda rows: (rows.before & _IN_TCP) != 0,
    changed=lambda rows: (rows.before & ~rows.after & _IN_TCP) != 0,
    nothing=IN_IP.nothing,
    sentence=(
        "a SYN left the {sender} with ECE and CWR (flags {before}) and reached the {receiver}"
        " without (flags {after})"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether ECN bits were cleared on the way.

    RFC 3168, section 5 (the two bits in the IP header) and section 6.1.1 (ECE and CWR in SYNs).
    A packet that is marked as having met congestion (CE) on the way is no interference.

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are the two bits, or the TCP flags.
    """
    verdict = Verdict(ID, connection)
    in_ip = judge(verdict, connection, IN_IP)
    if in_ip.state is State.SEEN:
        return in_ip
    in_syns = judge(verdict, connection, IN_SYNS)
    return in_syns if in_syns.state is State.SEEN or in_ip.state is State.NOT_MEASURED else in_ip
