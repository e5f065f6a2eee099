"""Bundles as clients send them, of captures of a real kernel behind a behaviour."""

import json
from typing import Any

from golden.diagnosed import capture_path, diagnosis_of
from mptcp_check.analysis.reporting import run_document
from mptcp_check.analysis.reporting.exchange_record import observed
from mptcp_check.model import Side
from mptcp_upload import bundle

TRACES = ("upload_traces", "upload_verdict")
PUBLISHED = ("publish", *TRACES)


def run_bundle(
    run_id: str,
    case: str = "clean",
    *,
    app: str = "http",
    purposes: tuple[str, ...] = PUBLISHED,
    sides: tuple[Side, ...] = tuple(Side),
    **about: object,
) -> bytes:
    """Return the bundle of a run of one exchange.

    Args:
        run_id: Whose.
        case: What the path did: a folder of `golden`.
        app: The exchange's application.
        purposes: What its user agreed to.
        sides: Whose captures are in it.
        about: Other facts of the run.
    """
    diagnosis = diagnosis_of(case)
    rows = [_record(diagnosis.connections[0], app)]
    judged = run_document.judge_exchanges(diagnosis, [observed(row) for row in rows])
    facts = {
        "run_id": run_id,
        "started": "2026-11-20T10:00:00Z",
        "directory": run_id,
        "machine": "qemu",
        "accelerator": "kvm",
        "network": "embedded",
        "server": "embedded",
        "notes": [],
        "behind": [],
        **about,
    }
    document = run_document.document(diagnosis, judged, tool_version="0.1.0", about=facts)
    contents = {
        "report.json": json.dumps(document).encode(),
        "exchanges.json": json.dumps({"exchanges": rows}).encode(),
        **{f"captures/{s.value}.pcapng": capture_path(case, s).read_bytes() for s in sides},
    }
    return packed(run_id, contents, purposes)


def packed(run_id: str, contents: dict[str, bytes], purposes: tuple[str, ...]) -> bytes:
    """Return a bundle of some members."""
    about = {
        **dict.fromkeys(("started", "outcome", "tool_version", "rules_version"), ""),
        "anonymisation": {},
        "consent": {
            "schema": "mptcp-check.consent/1",
            "text_version": 1,
            "purposes": list(purposes),
        },
        "pre_anonymisation": {},
        "run_id": run_id,
    }
    return bundle.write(contents, about)


def _record(connection: Any, app: str) -> dict[str, Any]:  # noqa: ANN401 - of a diagnosis
    port = connection.views[Side.CLIENT][0].server.port
    return {
        "exchange": {
            "id": 0,
            "app": app,
            "mode": None,
            "direction": "download",
            "transport": "mptcp",
            "checksum": False,
            "paths": 2,
            "family": "ipv4",
            "port": port,
            "payload_bytes": 1_000_000,
            "deadline_s": 20.0,
        },
        "start_ns": connection.start_ns - 1,
        "end_ns": connection.end_ns + 1,
        "duration_ns": connection.end_ns - connection.start_ns,
        "exit_code": 0,
        "timed_out": False,
        "problem": None,
        "arrived": {"bytes": 1_000_000},
        "sha256_ok": True,
        "proof": {"proven": True, "reason": "the kernels' counters moved"},
        "counters": {"client": {}, "server": {}},
    }
