"""Over which transport an exchange really ran, by the kernel counters of both ends; PURE.

"200 OK" proves nothing: mptcpize may not catch a program, the path may take the option away, and
everything still works.  Each end counts the connections that it opened itself, so the two are
added: in active ftp the server opens the data connection.  The rule was measured with some
twenty applications on Linux 6.18; all counters that it needs are there in 6.12 too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.model import Exchange, Transport

OPENED = "TcpActiveOpens"
"""SYNs of new connections, of subflows that join too."""
CAPABLE_TRIED = "MPTcpExtMPCapableSYNTX"
CAPABLE_ANSWERED = "MPTcpExtMPCapableSYNACKRX"
JOINS_TRIED = "MPTcpExtMPJoinSynTx"
JOINS_ANSWERED = "MPTcpExtMPJoinSynAckRx"
JOINS_COMPLETED = "MPTcpExtMPJoinAckRx"
"""Counted by the end that was joined: the third ACK of the join came."""
ANNOUNCED_RECEIVED = "MPTcpExtAddAddr"
"""ADD_ADDRs that came; echoes are counted elsewhere."""
BACKUPS_RECEIVED = "MPTcpExtMPJoinSynBackupRx"
"""Joins that came with the B bit; counted from Linux 6.11, so that its silence proves nothing."""
HANDSHAKE_FALLBACKS = ("MPTcpExtMPCapableFallbackSYNACK", "MPTcpExtMPCapableFallbackACK")
REQUIRED = (
    OPENED,
    CAPABLE_TRIED,
    CAPABLE_ANSWERED,
    JOINS_TRIED,
    JOINS_ANSWERED,
    JOINS_COMPLETED,
    *HANDSHAKE_FALLBACKS,
)

TROUBLE: Mapping[str, str] = {
    "MPTcpExtMPCapableSYNTXDisabled": "MPTCP was off because of an earlier fallback",
    "MPTcpExtMPCapableSYNTXDrop": "SYNs with MP_CAPABLE stayed unanswered",
    "MPTcpExtBlackhole": "the kernel took the path for a black hole",
    "MPTcpExtMPCapableDataFallback": "the first data came without a mapping",
    "MPTcpExtDssFallback": "a mapping was lost or wrong, plain TCP from there",
    "MPTcpExtDSSCorruptionFallback": "mappings did not fit the data, plain TCP from there",
    "MPTcpExtDSSCorruptionReset": "mappings did not fit the data, a subflow was reset",
    "MPTcpExtInfiniteMapTx": "an infinite mapping was sent, plain TCP from there",
    "MPTcpExtInfiniteMapRx": "an infinite mapping came, plain TCP from there",
    "MPTcpExtDataCsumErr": "a DSS checksum was wrong",
    "MPTcpExtMPFailTx": "MP_FAIL was sent",
    "MPTcpExtMPFailRx": "MP_FAIL came",
    "MPTcpExtMPRstTx": "a subflow was reset with a reason",
    "MPTcpExtMPRstRx": "a subflow was reset by the peer with a reason",
    "MPTcpExtMPFastcloseTx": "MP_FASTCLOSE was sent",
    "MPTcpExtMPFastcloseRx": "MP_FASTCLOSE came",
    "MPTcpExtMPJoinNoTokenFound": "a join named a token that nobody has",
    "MPTcpExtMPJoinSynAckHMacFailure": "a join was answered with a wrong HMAC",
    "MPTcpExtMPJoinAckHMacFailure": "a join ended with a wrong HMAC",
    "MPTcpExtSubflowStale": "a subflow stopped making progress",
    "MPTcpExtMD5SigFallback": "MD5 signatures excluded MPTCP",
    "MPTcpExtSimultConnectFallback": "both ends connected at once",
    "MPTcpExtFallbackFailed": "a fallback was not possible any more",
}
"""Counters that never move when all is well; the ones by cause exist from Linux 6.12 or 6.17."""

RESET_SENT = "MPTcpExtMPRstTx"
RESET_RECEIVED = "MPTcpExtMPRstRx"
REINJECTED = "MPTcpExtMPTCPRetrans"
"""Data sent once more, on another subflow, because its acknowledgment was late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Absolute counters of both ends at one moment."""

    client: Mapping[str, int]
    server: Mapping[str, int]
    shared: bool = False
    """An end's network is other programs' too: their plain connections are counted as well, so
    that an exchange opened none beside its own is for the captures to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the counters say about one exchange."""

    proven: bool
    """All of its connections were opened over the transport that was asked for."""
    reason: str
    """Why not; empty when proven."""
    opened_count: int
    """Connections and joins that either end opened."""
    capable_tried_count: int
    capable_answered_count: int
    joins_wanted: int
    """Joins that the paths asked for allow: `Opened` says which connections can have them."""
    joins_tried_count: int
    joins_answered_count: int
    joins_completed_count: int
    """A join may be tried and not completed because the connection ended first."""
    announced_count: int
    """Addresses whose announcement reached its receiver."""
    backup_joins_count: int
    """Joins that reached the other end with the B bit."""
    trouble: Mapping[str, int] = field(default_factory=dict[str, int])
    """Counters of `TROUBLE` that moved, both ends added: what became of it after the handshake."""

    @property
    def subflow_count(self) -> int:
        """How many subflows the connection with the most had at least.

        ftp has two connections: a further path is one that was joined, not one that was opened.
        """
        connections = self.capable_answered_count
        return math.ceil((connections + self.joins_completed_count) / max(connections, 1))


def prove(exchange: Exchange, before: Counters, after: Counters) -> Proof:
    """Compare the counters before and after an exchange.

    MPTCP is proven when some connection asked for it, every one that asked was answered with it,
    none fell back in its handshake, and nothing else was opened but those and their joins.  Plain
    TCP is proven when something was opened and nothing asked for MPTCP.

    Args:
        exchange: What was planned.
        before: Both ends' counters before the client started.
        after: Both ends' counters once the connections are gone.
    """
    client, server = _grown(before.client, after.client), _grown(before.server, after.server)
    moved = _added(client, server)
    handshake_fallbacks = sum(moved.get(name, 0) for name in HANDSHAKE_FALLBACKS)
    tried, answered = moved.get(CAPABLE_TRIED, 0), moved.get(CAPABLE_ANSWERED, 0)
    opened, joins_tried = moved.get(OPENED, 0), moved.get(JOINS_TRIED, 0)
    reason = _untrustworthy(before, after)
    if not reason and opened == 0:
        reason = "no connection was opened"
    if not reason and exchange.transport is Transport.TCP and tried:
        reason = f"{tried} connections of the control asked for MPTCP"
    if not reason and exchange.transport is Transport.MPTCP:
        reason = _not_mptcp(
            opened=opened,
            tried=tried,
            answered=answered,
            joins_tried=joins_tried,
            handshake_fallbacks=handshake_fallbacks,
            shared=before.shared,
        )
    return Proof(
        proven=not reason,
        reason=reason,
        opened_count=opened,
        capable_tried_count=tried,
        capable_answered_count=answered,
        joins_wanted=joins_wanted(exchange),
        joins_tried_count=joins_tried,
        joins_answered_count=moved.get(JOINS_ANSWERED, 0),
        joins_completed_count=moved.get(JOINS_COMPLETED, 0),
        announced_count=moved.get(ANNOUNCED_RECEIVED, 0),
        backup_joins_count=moved.get(BACKUPS_RECEIVED, 0),
        trouble=_trouble(client, server),
    )


def joins_wanted(exchange: Exchange) -> int:
    """Return how many subflows should join: the client's connections, each by its other paths."""
    if exchange.transport is Transport.TCP:
        return 0
    return APPLICATIONS[exchange.app].modes[exchange.mode].opened.by_client * (exchange.paths - 1)


def _not_mptcp(
    *,
    opened: int,
    tried: int,
    answered: int,
    joins_tried: int,
    handshake_fallbacks: int,
    shared: bool,
) -> str:
    if tried == 0:
        return f"{opened} connections were opened, none asked for MPTCP"
    if answered != tried:
        return f"{tried} connections asked for MPTCP, {answered} were answered with it"
    if handshake_fallbacks:
        return f"{handshake_fallbacks} handshakes fell back to TCP"
    if opened != tried + joins_tried and not shared:
        plain = opened - tried - joins_tried
        return f"{plain} of {opened} connections were opened without MPTCP"
    return ""


def _untrustworthy(before: Counters, after: Counters) -> str:
    sides = (("client", before.client, after.client), ("server", before.server, after.server))
    for side, first, last in sides:
        for name in REQUIRED:
            if name not in first or name not in last:
                return f"the {side}'s kernel does not count {name}"
            if last[name] < first[name]:
                return f"the {side}'s {name} went back from {first[name]} to {last[name]}"
    return ""


def _trouble(client: Mapping[str, int], server: Mapping[str, int]) -> dict[str, int]:
    """Return the counters of `TROUBLE` that moved, without what an unread copy explains.

    A socket that is closed while a second copy of data waits unread resets its subflow with a
    reason, and counts nothing (Linux 6.12 to 6.18); only who had sent the copy counts the reset.
    All had arrived by then: it says that an acknowledgment was late, nothing about the path.

    Args:
        client: By how much the client's counters moved.
        server: And the server's.
    """
    moved = _added(client, server)
    for end, other in ((client, server), (server, client)):
        if end.get(REINJECTED, 0) > 0 and not other.get(RESET_SENT, 0):
            moved[RESET_RECEIVED] = moved.get(RESET_RECEIVED, 0) - end.get(RESET_RECEIVED, 0)
    return {name: moved[name] for name in TROUBLE if moved.get(name, 0) > 0}


def _added(client: Mapping[str, int], server: Mapping[str, int]) -> dict[str, int]:
    return {name: client.get(name, 0) + server.get(name, 0) for name in {*client, *server}}


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items()}
