"""tus 1.0.0: creation, also with bytes, expiration, checksum (sha256), termination."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response

from mptcp_collector import tus
from mptcp_collector.api import taking
from mptcp_collector.api.asking import Here, SpeaksTus, UploadId, peer, problems
from mptcp_collector.api.documents import Receipt
from mptcp_collector.meta.records import Upload
from mptcp_collector.problem import ProblemError
from mptcp_collector.spool import Part

router = APIRouter(prefix="/api/v1/uploads")

_RESUMABLE: Final = {"Tus-Resumable": tus.VERSION}
_BYTES: Final[dict[str, Any]] = {
    "requestBody": {"content": {tus.CONTENT_TYPE: {"schema": {"format": "binary"}}}}
}


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
    openapi_extra=_BYTES,
    responses=problems(
        "ticket_invalid",
        "ticket_too_old",
        "ticket_of_another_run",
        "run_exists_with_other_digest",
        "offset_mismatch",
        "run_deleted",
        "tus_version",
        "too_large",
        "bad_bundle",
        "digest_mismatch",
        "expands_too_far",
        "schema_too_new",
        "schema_too_old",
        "upload_busy",
        "quota_exceeded",
        "checksum_mismatch",
        "storage_unavailable",
        "storage_full",
    ),
)
async def create_upload(
    request: Request,
    here: Here,
    *,
    content_type: Annotated[str | None, Header()] = None,
    upload_length: Annotated[str | None, Header()] = None,
    upload_metadata: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Begin an upload; the same bundle again is the same upload, wherever it stopped.

    Upload-Offset says how much of it is here: all of it when the run is. Bytes may come with it,
    from the first; they are taken when none is here yet, and with the last one the run is stored
    before this answers.
    """
    wish = tus.announced(upload_length, upload_metadata)
    digest = tus.checksum(upload_checksum)
    with_bytes = content_type == tus.CONTENT_TYPE

    def begin() -> tuple[Upload, int, Part | None]:
        upload, offset = here.receiving.create(wish, peer(request))
        takes = with_bytes and not offset
        return upload, offset, here.receiving.take(upload, 0) if takes else None

    upload, offset, part = await asyncio.to_thread(begin)
    if part is not None:
        offset = (await taking.take(request, here, upload, part, digest)).offset_bytes
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
    openapi_extra=_BYTES,
    responses={
        200: {
            "description": "The run is stored; this is its receipt",
            "model": Receipt,
        },
        **problems(
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
    },
)
async def append_upload(
    upload_id: UploadId,
    request: Request,
    here: Here,
    *,
    content_type: Annotated[str | None, Header()] = None,
    upload_offset: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
    prefer: Annotated[str | None, Header()] = None,
) -> Response:
    """Add bytes; with the last one the run is stored before this answers.

    Who says `Prefer: return=representation` (RFC 7240) gets the receipt with that answer.
    """
    if content_type != tus.CONTENT_TYPE:
        raise ProblemError("media_type")
    digest = tus.checksum(upload_checksum)
    begins = tus.number("Upload-Offset", upload_offset)
    upload, part = await asyncio.to_thread(here.receiving.begin, upload_id, begins)
    taken = await taking.take(request, here, upload, part, digest)
    headers = _headers(upload, taken.offset_bytes)
    if not taken.receipt or not tus.prefers_representation(prefer):
        return Response(status_code=204, headers=headers)
    headers["Preference-Applied"] = tus.REPRESENTATION
    return Response(taken.receipt.encode(), media_type="application/json", headers=headers)


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


def _headers(upload: Upload, offset: int) -> dict[str, str]:
    return {
        **_RESUMABLE,
        "Upload-Offset": str(offset),
        "Upload-Expires": tus.expires(upload.expires_ns),
        "Cache-Control": "no-store",
    }
