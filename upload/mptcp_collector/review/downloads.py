"""What a run's page offers to take away: bundle, report, captures for Wireshark."""

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from mptcp_check.analysis.reporting import report_text
from mptcp_collector.api.asking import Here, Reviewing, RunId
from mptcp_collector.collector import Collector
from mptcp_collector.meta.records import CaptureState, Run, ServerCapture, Verdict
from mptcp_collector.problem import ProblemError
from mptcp_upload import bundle
from mptcp_upload.errors import BundleError

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)

PCAPNG: Final = "application/x-pcapng"
_CHUNK_BYTES: Final = 1 << 20
_IN_MEMORY_BYTES: Final = 4 << 20
_one_at_a_time: Final = threading.Lock()
"""A bundle is read whole to have one of its members: two at once would be twice the memory."""

_HARMLESS: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A line of the page's list."""

    link: str
    name: str
    title: str
    about: str


def may_download(run: Run, here: Collector, *, reviewing: bool) -> bool:
    """Say whether somebody may have a run's bundle: it is public, or they are a reviewer."""
    return reviewing or run.public(here.receiving.wall_ns())


def files(
    run: Run, capture: ServerCapture | None, verdict: Verdict | None, *, may: bool
) -> Iterator[File]:
    """Give what can be had of a run."""
    base = f"/runs/{run.run_id}"
    there = may and run.traces_gone_ns is None
    if there:
        for side in run.captures.split():
            yield File(
                link=f"{base}/{side}.pcapng",
                name=f"{side}.pcapng",
                title=f"{side}.pcapng",
                about=f"the {side}'s capture as its user sent it, for Wireshark",
            )
    if there and capture is not None and capture.state is CaptureState.JOINED:
        yield File(
            link=f"{base}/measurement-server.pcapng",
            name="measurement-server.pcapng",
            title="measurement-server.pcapng",
            about="the same as the measurement server itself sent it, by the ticket",
        )
    if verdict is not None:
        yield File(
            link=f"{base}/report.json",
            name=f"{run.run_id}.report.json",
            title="report.json",
            about="the newest verdict, for programs",
        )
    if there:
        yield File(
            link=f"{base}/bundle.tar",
            name=f"{run.run_id}.bundle.tar",
            title="bundle.tar",
            about=f"all of it as it came, {report_text.byte_count(run.size_bytes)}",
        )
    yield File(
        link=f"/api/v1/runs/{run.run_id}/receipt", name="", title="receipt", about="signed, JSON"
    )


@router.get("/report.json")
def report(run_id: RunId, here: Here, rules: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Return a verdict's document: the newest one's, or that of some rules."""
    here.receiving.run(run_id)
    verdicts = here.receiving.meta.verdicts(run_id)
    chosen = [one for one in verdicts if rules in ("", one.rules_version)]
    if not chosen:
        raise ProblemError("not_found", "this run has no such verdict")
    text = chosen[0].report.encode()
    headers = _HARMLESS | _named(f"{run_id}.report.json")
    return Response(text, media_type="application/json", headers=headers)


@router.get("/bundle.tar")
def whole(run_id: RunId, here: Here, *, reviewing: Reviewing) -> Response:
    """Return the bundle as it came."""
    run = _downloaded(run_id, here, reviewing=reviewing)
    file = here.receiving.blobs.open(run.bundle_sha256)
    return _sent(file, run.size_bytes, "application/x-tar", f"{run_id}.bundle.tar")


@router.get("/measurement-server.pcapng")
def joined(run_id: RunId, here: Here, *, reviewing: Reviewing) -> Response:
    """Return the measurement server's own capture, its addresses replaced."""
    _downloaded(run_id, here, reviewing=reviewing)
    capture = here.receiving.meta.server_capture(run_id)
    if capture is None or capture.state is not CaptureState.JOINED:
        raise ProblemError("not_found", "the measurement server's capture is not here")
    file = here.receiving.blobs.open(capture.sha256)
    return _sent(file, capture.size_bytes, PCAPNG, "measurement-server.pcapng")


@router.get("/{side}.pcapng")
def capture(
    run_id: RunId, side: Literal["client", "server"], here: Here, *, reviewing: Reviewing
) -> Response:
    """Return a capture that is in the bundle."""
    run = _downloaded(run_id, here, reviewing=reviewing)
    if side not in run.captures.split():
        raise ProblemError("not_found", f"the {side}'s capture is not in the bundle")
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed when it is sent
    try:
        with _one_at_a_time, here.receiving.blobs.open(run.bundle_sha256) as blob:
            read = bundle.read(blob.read())
            size_bytes = file.write(read.content(f"captures/{side}.pcapng"))
    except BundleError as e:
        file.close()
        raise ProblemError("not_found", e.message[:200]) from None
    file.seek(0)
    return _sent(file, size_bytes, PCAPNG, f"{side}.pcapng")  # type: ignore[arg-type] # as a file


def _downloaded(run_id: str, here: Collector, *, reviewing: bool) -> Run:
    run = here.receiving.run(run_id)
    if not may_download(run, here, reviewing=reviewing):
        raise ProblemError("not_public")
    if run.traces_gone_ns is not None:
        raise ProblemError("not_found", "the bundle was kept long enough and is gone")
    return run


def _sent(file: BinaryIO, size_bytes: int, kind: str, name: str) -> Response:
    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    headers = _HARMLESS | _named(name) | {"Content-Length": str(size_bytes)}
    return StreamingResponse(chunks(), media_type=kind, headers=headers)


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
