"""What routes take from a request, and how the OpenAPI document names their problems."""

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from mptcp_collector.api.documents import ProblemDocument
from mptcp_collector.collector import Collector
from mptcp_collector.problem import MEDIA_TYPE, TITLES, ProblemError
from mptcp_collector.tus import VERSION

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As `Location` named it")]
RunId = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$")]


def collector(request: Request) -> Collector:
    """Return what answers."""
    found: Collector = request.app.state.collector
    return found


def tus_resumable(tus_resumable: Annotated[str | None, Header()] = None) -> None:
    """See that the client speaks our version of tus (its core protocol, Tus-Resumable).

    Raises:
        ProblemError: ``tus_version``.
    """
    if tus_resumable != VERSION:
        raise ProblemError("tus_version", f"{VERSION} is spoken here")


Here = Annotated[Collector, Depends(collector)]
SpeaksTus = Depends(tus_resumable)


def peer(request: Request) -> str:
    """Return the address that the request came from."""
    return request.client.host if request.client else ""


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document describes that a route may answer these problems."""
    by_status: dict[int, list[str]] = {}
    for name in ("bad_request", "request_invalid", "too_many_requests", "internal", *names):
        by_status.setdefault(TITLES[name][0], []).append(name)
    reference = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {
        status: {
            "description": "; ".join(f"{name}: {TITLES[name][1]}" for name in of_status),
            "content": {MEDIA_TYPE: {"schema": reference}},
        }
        for status, of_status in sorted(by_status.items())
    }
