"""tus 1.0.0: creation, expiration, checksum (sha256), termination."""

import asyncio
import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response
from starlette.requests import ClientDisconnect

from mptcp_collector import tus
from mptcp_collector.api.asking import Here, SpeaksTus, UploadId, peer, problems
from mptcp_collector.collector import Collector
from mptcp_collector.meta.records import Upload
from mptcp_collector.problem import ProblemError
from mptcp_collector.spool import Part

router = APIRouter(prefix="/api/v1/uploads")

BUFFER_BYTES: Final = 2 << 20
"""What is held of a request before it goes to the disk."""

_RESUMABLE: Final = {"Tus-Resumable": tus.VERSION}


@router.options("", status_code=204, operation_id="upload_options", responses=problems())
def upload_options(here: Here) -> Response:
    """Say what of tus is spoken here."""
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Checksum-Algorithm": tus.CHECKSUM_ALGORITHMS,
        "Tus-Max-Size": str(here.configuration.limits.bundle_bytes),
    }
    return Response(status_code=204, headers=_RESUMABLE | headers)


@router.post(
    "",
    status_code=201,
    operation_id="create_upload",
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=problems(
        "ticket_invalid",
        "ticket_too_old",
        "ticket_of_another_run",
        "run_exists_with_other_digest",
        "run_deleted",
        "tus_version",
        "too_large",
        "digest_mismatch",
        "schema_too_new",
        "schema_too_old",
        "quota_exceeded",
        "storage_unavailable",
        "storage_full",
    ),
)
def create_upload(
    request: Request,
    here: Here,
    upload_length: Annotated[str | None, Header()] = None,
    upload_metadata: Annotated[str | None, Header()] = None,
) -> Response:
    """Begin an upload; the same bundle again is the same upload, wherever it stopped.

    Upload-Offset says how much of it is here: all of it when the run is.
    """
    wish = tus.announced(upload_length, upload_metadata)
    upload, offset = here.receiving.create(wish, peer(request))
    # relative to the request's own address (RFC 9110, section 10.2.2), whatever proxy is before us
    location = {"Location": f"{request.url.path}/{upload.id}"}
    return Response(status_code=201, headers=_headers(upload, offset) | location)


@router.head(
    "/{upload_id}",
    operation_id="upload_offset",
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=problems(
        "upload_unknown",
        "upload_expired",
        "tus_version",
        "digest_mismatch",
        "bad_bundle",
        "expands_too_far",
        "upload_busy",
        "storage_unavailable",
        "storage_full",
    ),
)
def upload_offset(upload_id: UploadId, here: Here) -> Response:
    """Say how many bytes of an upload are here."""
    upload, offset = here.receiving.at(upload_id)
    headers = _headers(upload, offset) | {"Upload-Length": str(upload.size_bytes)}
    return Response(status_code=200, headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    operation_id="append_upload",
    dependencies=[SpeaksTus],
    openapi_extra={
        "requestBody": {"content": {tus.CONTENT_TYPE: {"schema": {"format": "binary"}}}}
    },
    responses=problems(
        "upload_unknown",
        "run_exists_with_other_digest",
        "offset_mismatch",
        "run_deleted",
        "upload_expired",
        "tus_version",
        "too_large",
        "media_type",
        "bad_bundle",
        "digest_mismatch",
        "expands_too_far",
        "upload_busy",
        "checksum_mismatch",
        "storage_unavailable",
        "storage_full",
    ),
)
async def append_upload(
    upload_id: UploadId,
    request: Request,
    here: Here,
    *,
    content_type: Annotated[str | None, Header()] = None,
    upload_offset: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Add bytes; with the last one the run is stored before this answers."""
    if content_type != tus.CONTENT_TYPE:
        raise ProblemError("media_type")
    digest = tus.checksum(upload_checksum)
    begins = tus.number("Upload-Offset", upload_offset)
    upload, part = await asyncio.to_thread(here.receiving.begin, upload_id, begins)
    try:
        await _take(request, here, upload, part, digest)
        offset = part.size_bytes
        if offset == upload.size_bytes:
            await asyncio.to_thread(here.receiving.finish, upload, part)
    finally:
        part.close()
    return Response(status_code=204, headers=_headers(upload, offset))


@router.delete(
    "/{upload_id}",
    status_code=204,
    operation_id="end_upload",
    dependencies=[SpeaksTus],
    responses=problems("upload_unknown", "upload_expired", "tus_version", "upload_busy"),
)
def end_upload(upload_id: UploadId, here: Here) -> Response:
    """Forget an upload; a run that came of it stays."""
    here.receiving.end(upload_id)
    return Response(status_code=204, headers=_RESUMABLE)


async def _take(
    request: Request, here: Collector, upload: Upload, part: Part, digest: bytes | None
) -> None:
    """Write a request's bytes; without a checksum what came before an interruption is kept."""
    began = part.size_bytes
    hashed = hashlib.sha256()
    held = bytearray()
    stream = request.stream()
    whole = False
    try:
        while True:
            async with asyncio.timeout(here.configuration.limits.idle_s):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            held += chunk
            if part.size_bytes + len(held) > upload.size_bytes:
                held.clear()
                raise ProblemError("too_large", "more bytes than Upload-Length announced")
            if digest is not None:
                hashed.update(chunk)
            if len(held) >= BUFFER_BYTES:
                octets = bytes(held)
                held.clear()
                await asyncio.to_thread(part.write, octets)
        whole = True
    except (ClientDisconnect, TimeoutError):
        # nobody hears the answer; the next HEAD tells how far it came
        raise ProblemError("bad_request", "the bytes stopped coming") from None
    finally:
        if digest is None or whole:
            part.write(bytes(held))
        if digest is not None and (not whole or hashed.digest() != digest):
            part.cut(began)
        here.metrics.count("received_bytes_total", by=part.size_bytes - began)
    if digest is not None and hashed.digest() != digest:
        raise ProblemError("checksum_mismatch")


def _headers(upload: Upload, offset: int) -> dict[str, str]:
    return {
        **_RESUMABLE,
        "Upload-Offset": str(offset),
        "Upload-Expires": tus.expires(upload.expires_ns),
        "Cache-Control": "no-store",
    }
