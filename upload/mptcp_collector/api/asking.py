"""What routes take from a request, and how the OpenAPI document names their problems."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from mptcp_check.problems import answers
from mptcp_collector import review_token
from mptcp_collector.collector import Collector
from mptcp_collector.problem import PROBLEMS, ProblemError
from mptcp_collector.tus import VERSION

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As `Location` named it")]
RunId = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$")]


# none of these waits for anything, so they are no threads' work, as a plain function would be
async def collector(request: Request) -> Collector:
    """Return what answers."""
    found: Collector = request.app.state.collector
    return found


async def tus_resumable(tus_resumable: Annotated[str | None, Header()] = None) -> None:
    """See that the client speaks our version of tus (its core protocol, Tus-Resumable).

    Raises:
        ProblemError: ``tus_version``.
    """
    if tus_resumable != VERSION:
        raise ProblemError("tus_version", f"{VERSION} is spoken here")


Here = Annotated[Collector, Depends(collector)]


async def reviewing(here: Here, authorization: Annotated[str | None, Header()] = None) -> bool:
    """Say whether a request comes from a reviewer: Basic (RFC 7617), any name, their token."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return review_token.holds(pair.partition(":")[2], here.reviewer_sha256)


Reviewing = Annotated[bool, Depends(reviewing)]
SpeaksTus = Depends(tus_resumable)


def peer(request: Request) -> str:
    """Return the address that the request came from."""
    return request.client.host if request.client else ""


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document describes that a route may answer these problems."""
    always = ("bad_request", "request_invalid", "too_many_requests", "internal")
    return answers.documented(PROBLEMS, *always, *names)
