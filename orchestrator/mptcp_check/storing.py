"""What a run writes: facts before judgements, the manifest last."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mptcp_check import __version__
from mptcp_check.analysis.capture import pcapng_writer
from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture
from mptcp_check.capturing import CaptureOfInterface
from mptcp_check.errors import MachineError
from mptcp_check.exchanges.record import document as record_document
from mptcp_check.machines.measured_network import NetworkKind
from mptcp_check.measuring import Measured
from mptcp_check.model import Side
from mptcp_upload import manifest, server_session
from mptcp_upload.server_session import ServerSession

LOGS = ("*.console", "*.log")


def store_facts(
    directory: Path, measured: Measured, *, scratch: Path, session: ServerSession | None
) -> dict[Side, bytes]:
    """Write captures, exchanges and logs; return the merged capture of each side.

    Args:
        directory: The run.
        measured: What was measured.
        scratch: The work folder with the machines' logs.
        session: At the measurement server, where that keeps its half of the run.
    """
    if session is not None:
        server_session.write(directory, session)
    (directory / "captures").mkdir()
    merged = {}
    for side, captures in measured.captures.items():
        hello = measured.hello[side]
        own_machine = measured.kind is NetworkKind.EMBEDDED
        merged[side] = _merged(
            captures,
            str(hello["kernel"]),
            hardware="virtual machine" if own_machine else str(hello["machine"]),
        )
        (directory / "captures" / f"{side}.pcapng").write_bytes(merged[side])
    facts = {
        "schema": "mptcp-check.exchanges/1",
        "exchanges": [record_document(r) for r in measured.records],
        "machines": {
            side: {"hello": measured.hello[side], "lab": measured.lab[side]} for side in Side
        },
        "captures": {
            side: [dict(c.about) for c in captures] for side, captures in measured.captures.items()
        },
    }
    _write_json(directory / "exchanges.json", facts)
    logs = directory / "logs"
    _copy_logs(scratch, logs)
    for service in measured.services:
        name = str(service["name"]).replace(" ", "-").replace("/", "-").replace(":", "-")
        (logs / f"{name}.log").write_text(str(service["log_tail"]))
    return merged


def store_report(directory: Path, document: Mapping[str, Any]) -> None:
    """Write the report for programs and for people, then the manifest.

    Each file is there whole or as it was before; what the manifest does not know yet, it names.
    """
    # what renders takes longer to import than to render: `mptcp_check.run.LATER`
    from mptcp_check.analysis.reporting import report_html  # noqa: PLC0415

    _write_json(directory / "report.json", document)
    _write(directory / "report.html", report_html.render(document))
    about = {
        "run_id": document["run_id"],
        "started": document["started"],
        "outcome": document["report"]["outcome"],
        "behind": list(document["behind"]),
        "tool_version": __version__,
        "rules_version": document["report"]["rules_version"],
        "image_digest": document["provenance"]["image_digest"],
        "kernels": document["provenance"]["kernels"],
    }
    manifest.write(directory, manifest.build(directory, about=about))


@contextmanager
def logs_kept(scratch: Path, place: Path) -> Iterator[None]:
    """When a machine fails, keep what it said last and tell where."""
    try:
        yield
    except MachineError as e:
        _copy_logs(scratch, place)
        e.hint = f"{e.hint}; the machines' last words are in {place}".removeprefix("; ")
        raise


def _merged(captures: tuple[CaptureOfInterface, ...], kernel: str, *, hardware: str) -> bytes:
    return pcapng_writer.merge(
        [
            InterfaceCapture(
                name=c.interface,
                octets=c.content,
                received_count=c.about["received_count"],
                dropped_count=c.about["dropped_count"],
            )
            for c in captures
        ],
        hardware=hardware,
        operating_system=f"Linux {kernel}",
        application=f"mptcp-check {__version__}",
    )


def _copy_logs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for pattern in LOGS:
        for file in sorted(source.glob(pattern)):
            shutil.copyfile(file, target / file.name)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    _write(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
