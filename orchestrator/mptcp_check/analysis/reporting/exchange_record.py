"""An exchange's record, as a run's folder and a bundle keep it, read for judging; PURE."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.analysis.outcome import Witness
from mptcp_check.analysis.reporting.run_document import Observed
from mptcp_check.model import Exchange, Family, Handover, Joining, Transfer, Transport, Upset

REFUSED_WORDS: Final = ("refused", "reset")
"""What curl says when a RST answered: 'Connection refused', 'Connection reset by peer'."""


def observed(record: Mapping[str, Any]) -> Observed:
    """Return what judging needs of an exchange's record, as the run's folder keeps it.

    Raises:
        KeyError, TypeError, ValueError: It is not a record of this version.
    """
    words = (record["problem"] or "").lower()
    arrived = record["arrived"]
    planned = record["exchange"]
    return Observed(
        exchange=Exchange(
            **{
                **planned,
                "direction": Transfer(planned["direction"]),
                "transport": Transport(planned["transport"]),
                "family": Family(planned["family"]),
                # runs of before these were planned have neither
                "joining": Joining(planned.get("joining", Joining.SUBFLOW)),
                "handover": _planned_handover(planned.get("handover")),
            }
        ),
        start_ns=record["start_ns"],
        end_ns=record["end_ns"],
        duration_ns=record["duration_ns"],
        arrived_bytes=0 if arrived is None else arrived["bytes"],
        witness=Witness(
            finished=record["exit_code"] == 0,
            deadline_hit=record["timed_out"],
            refused=any(word in words for word in REFUSED_WORDS),
            sha256_ok=None if arrived is None else record["sha256_ok"],
            proven=record["proof"]["proven"],
            proof_reason=record["proof"]["reason"],
            problem=record["problem"] or "",
            client_counters=_moved(record["counters"]["client"]),
            server_counters=_moved(record["counters"]["server"]),
            handover=_handover(planned.get("handover"), record.get("handover")),
        ),
        attempt=record.get("attempt", 1),
        announced_count=record["proof"].get("announced_count", 0),
        backup_joins_count=record["proof"].get("backup_joins_count", 0),
    )


def _planned_handover(planned: Mapping[str, Any] | None) -> Handover | None:
    if planned is None:
        return None
    return Handover(
        upset=Upset(planned["upset"]),
        after_bytes=int(planned["after_bytes"]),
        lasts_s=float(planned["lasts_s"]),
    )


def _handover(
    planned: Mapping[str, Any] | None, done: Mapping[str, Any] | None
) -> HandoverSeen | None:
    if planned is None:
        return None
    said = done or {"began_ns": 0, "ended_ns": 0, "problem": "nothing was done"}
    return HandoverSeen(
        upset=Upset(planned["upset"]),
        began_ns=int(said["began_ns"]),
        ended_ns=int(said["ended_ns"]),
        problem=str(said["problem"]),
    )


def _moved(counters: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {name: after - before for name, (before, after) in counters.items()}
