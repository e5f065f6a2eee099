"""What a kernel counted, without what says nothing about a path's behaviour."""

from collections.abc import Mapping

from lab.network import Observation
from mptcp_check.model import Side

_PREFIX = "MPTcpExt"
_BUSY = frozenset(
    {"OFOQueue", "OFOQueueTail", "OFOMerge", "RcvWndShared", "SndWndShared", "DuplicateData"}
    | {"RcvWndConflict", "RcvWndConflictUpdate", "MPTCPRetrans", "RcvPruned", "NoDSSInWindow"}
)
"""Counters of load and luck: order of arrival, windows, retransmissions.  ``NoDSSInWindow`` counts
now and then on a clean path too, when a subflow is closed."""

HANDSHAKE = {
    Side.CLIENT: {"MPCapableSYNTX": 1, "MPCapableSYNACKRX": 1},
    Side.SERVER: {"MPCapableSYNRX": 1, "MPCapableACKRX": 1},
}
"""What an undisturbed handshake counts, by side."""

JOIN = {
    Side.CLIENT: {"MPJoinSynTx": 1, "MPJoinSynAckRx": 1},
    Side.SERVER: {"MPJoinSynRx": 1, "MPJoinAckRx": 1},
}
"""What an undisturbed second subflow adds."""


def mptcp_counters(observation: Observation, side: Side) -> dict[str, int]:
    """Return one side's MPTCP counters that grew, short names, without those of load and luck."""
    return {
        name.removeprefix(_PREFIX): count
        for name, count in observation.counters[side].items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _BUSY
    }


def consequences(observation: Observation) -> Mapping[str, dict[str, int]]:
    """Return both sides' `mptcp_counters`.

    A socket that is closed while a second copy of data waits unread resets its subflow, and counts
    nothing; who had sent the copy counts ``MPRstRx``.  That is luck too: on a busy computer the
    copy goes out because an acknowledgment was late.
    """
    counted = {side: mptcp_counters(observation, side) for side in Side}
    for side, other in ((Side.CLIENT, Side.SERVER), (Side.SERVER, Side.CLIENT)):
        copied = observation.counters[side].get(f"{_PREFIX}MPTCPRetrans", 0) > 0
        if copied and "MPRstTx" not in counted[other]:
            counted[side].pop("MPRstRx", None)
    return {side.value: counters for side, counters in counted.items()}


def clean(*, paths: int) -> Mapping[str, dict[str, int]]:
    """Return what a path that does nothing gives with one or two subflows."""
    return {side.value: HANDSHAKE[side] | (JOIN[side] if paths > 1 else {}) for side in Side}
