"""Problems instead of the framework's errors, and how the OpenAPI document describes them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mptcp_check.problems.problem import MEDIA_TYPE, Problem, ProblemError, Problems

MOST_REASONS: Final = 5

Send = Callable[[Request, Problem], Response]


class ProblemDocument(BaseModel):
    """RFC 9457; some problems have more members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = ""


def response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as it is sent."""
    return Response(
        problem.octets(),
        status_code=problem.status,
        headers={**(headers or {}), **problem.headers()},
    )


def install(app: FastAPI, problems: Problems, send: Send) -> None:
    """Let an application answer everything that is refused or goes wrong with a problem.

    Args:
        app: The application.
        problems: Its table.
        send: Makes a response of a problem.
    """

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):
            raise error
        return send(request, error.problem)

    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        # Where and why only: what was sent is not sent back.
        reasons = [
            f"{'.'.join(str(part)[:40] for part in one['loc'][:6])}: {str(one['msg'])[:60]}"
            for one in error.errors()[:MOST_REASONS]
        ]
        detail = "; ".join(reasons)[:200]
        return send(request, problems.of_status(HTTPStatus.UNPROCESSABLE_ENTITY, detail))

    async def framework(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        answer = send(request, problems.of_status(error.status_code))
        allow = (error.headers or {}).get("Allow")
        if allow:
            answer.headers["Allow"] = allow
        return answer

    async def mistake(request: Request, _: Exception) -> Response:
        return send(request, problems.problem(problems.internal))

    for kind, handler in (
        (ProblemError, refused),
        (RequestValidationError, invalid),
        (HTTPException, framework),
        (Exception, mistake),
    ):
        app.add_exception_handler(kind, handler)


def documented(problems: Problems, *names: str) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document describes that a route may answer some problems."""
    by_status: dict[int, list[str]] = {}
    for name in names:
        by_status.setdefault(problems.titles[name][0], []).append(name)
    reference = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {
        status: {
            "description": "; ".join(f"{name}: {problems.titles[name][1]}" for name in of_status),
            "content": {MEDIA_TYPE: {"schema": reference}},
            **_with_fields(problems, of_status),
        }
        for status, of_status in sorted(by_status.items())
    }


def _with_fields(problems: Problems, names: Sequence[str]) -> dict[str, Any]:
    """Return the description of a header field that goes with some of these problems."""
    waiting = [name for name in names if name in problems.retry_after_s]
    if not waiting:
        return {}
    field = {
        "description": f"Seconds after which to ask again; with {', '.join(waiting)}.",
        "schema": {"type": "integer", "minimum": 1},
    }
    return {"headers": {"Retry-After": field}}


def openapi(
    routers: Sequence[APIRouter], *, title: str, version: str, description: str
) -> dict[str, Any]:
    """Return the OpenAPI document of an interface; it does not depend on any configuration."""
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    document: dict[str, Any] = get_openapi(
        title=title, version=version, description=description, routes=app.routes
    )
    # The framework's own description of what does not fit the interface: ours is a problem.
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    return document
