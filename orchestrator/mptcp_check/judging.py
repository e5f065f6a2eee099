"""From facts to the run's document: what was measured, put before the pure judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mptcp_check import __version__
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.analysis.outcome import Witness
from mptcp_check.analysis.reporting import run_document
from mptcp_check.analysis.reporting.run_document import Observed
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.record import document as record_document
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.measuring import Measured
from mptcp_check.middleboxes import link
from mptcp_check.model import (
    Exchange,
    Family,
    Handover,
    Joining,
    Side,
    Transfer,
    Transport,
    Upset,
)

REFUSED_WORDS = ("refused", "reset")
"""What curl says when a RST answered: 'Connection refused', 'Connection reset by peer'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the document says of the run besides what was measured."""

    run_id: str
    started: str
    """ISO 8601, UTC."""
    directory: Path
    """Where the run will be when it is whole."""
    machine: str
    """``qemu``, ``host`` or ``ssh:HOST``: where the client ran."""
    server: str
    """``embedded``, or where the measurement server was."""
    accelerator: Accelerator | None
    """None where no machine was booted."""
    image_digest: str | None
    behind: tuple[str, ...]
    guest_sha256: str
    host: str
    depth: str
    """How much was tried: a name of `exchanges.scopes.Depth`."""


def judge(measured: Measured, captures: Mapping[Side, bytes], *, about: About) -> dict[str, Any]:
    """Return a run as `mptcp-check.run/1`.

    Args:
        measured: The facts.
        captures: The merged capture of each side.
        about: What else the document says.
    """
    read = {side: capture_file.read(content) for side, content in captures.items()}
    diagnosis = diagnose(read[Side.CLIENT], read[Side.SERVER])
    seen = [observed(record_document(r)) for r in measured.records]
    diagnosis = run_document.considered(diagnosis, seen)
    judged = run_document.judge_exchanges(diagnosis, seen)
    return run_document.document(
        diagnosis,
        judged,
        tool_version=__version__,
        about={
            "run_id": about.run_id,
            "started": about.started,
            "directory": str(about.directory.absolute()),
            "machine": about.machine,
            "accelerator": about.accelerator.name if about.accelerator else None,
            "network": measured.kind.value,
            "server": about.server,
            "joints": {
                side.value: [asdict(joint) for joint in joints]
                for side, joints in measured.joints().items()
            },
            "depth": about.depth,
            "applications": {
                name: APPLICATIONS[name].title
                for name in dict.fromkeys(r.exchange.app for r in measured.records)
            },
            "estimate": asdict(measured.expected),
            "amounts": _amounts(measured),
            "notes": list(measured.notes),
            "behind": list(about.behind),
            "integrity": {"troubles": list(measured.troubles())},
            "provenance": _provenance(measured, about),
        },
    )


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


def _amounts(measured: Measured) -> dict[str, Any]:
    """Return what the exchanges really took, beside their estimate."""
    captured = measured.captures[Side.CLIENT]
    return {
        "exchanges_count": len({r.exchange.id for r in measured.records}),
        "tries_count": len(measured.records),
        "payload_bytes": sum(r.arrived_bytes for r in measured.records),
        # a pcap file has 24 bytes before its packets and 16 before each
        "wire_bytes": sum(
            max(0, c.about["bytes"] - 24 - 16 * c.about["packet_count"]) for c in captured
        ),
        "duration_s": measured.exchanges_ns / 1e9,
        "traffic_s": sum(r.duration_ns for r in measured.records) / 1e9,
    }


def _moved(counters: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {name: after - before for name, (before, after) in counters.items()}


def _provenance(measured: Measured, about: About) -> dict[str, Any]:
    return {
        "tool_version": __version__,
        "host": about.host,
        "image_digest": about.image_digest,
        "guest_sha256": about.guest_sha256,
        "kernels": {side.value: str(measured.hello[side]["kernel"]) for side in Side},
        "tools": {side.value: dict(measured.hello[side]["tools"]) for side in Side},
        "acceleration": about.accelerator.reason if about.accelerator else None,
        "boot_ns": measured.ready_ns,
        "spent_ns": {"ready": measured.ready_ns, "exchanges": measured.exchanges_ns},
        "clock_offset_ns": {side.value: measured.clocks[side].offset_ns for side in Side},
        "clock_uncertainty_ns": {side.value: measured.clocks[side].uncertainty_ns for side in Side},
        "capture_dropped_count": {
            side.value: sum(c.about["dropped_count"] or 0 for c in measured.captures[side])
            for side in Side
        },
        "captured_count": {
            side.value: sum(c.about["packet_count"] for c in measured.captures[side])
            for side in Side
        },
        **_wire(measured),
    }


def _wire(measured: Measured) -> dict[str, Any]:
    """Return what is known of the wire, where this program is the wire."""
    if measured.acted_counts is None:
        return {}
    each = link.DEFAULT
    return {
        "links": f"{each.delay_ns / 1e6:g} ms one way, {each.rate_bps / 1e6:g} Mbit/s",
        "wire_agreement": {
            side.value: [c.agreement.reason for c in measured.captures[side] if c.agreement]
            for side in Side
        },
        "behaviour_acted_counts": [list(counts) for counts in measured.acted_counts],
    }
