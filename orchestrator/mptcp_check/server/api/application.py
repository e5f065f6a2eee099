"""The application: routes, the stations in front of them, and problems instead of errors."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mptcp_check.server.api import open_routes, session_routes
from mptcp_check.server.api.documents import ProblemDocument
from mptcp_check.server.api.stations import Stations
from mptcp_check.server.problem import BY_STATUS, Problem, ProblemError
from mptcp_check.server.sessions import Sessions

API_VERSION: Final = "1.0.0"
MOST_REASONS: Final = 5


def make(sessions: Sessions) -> Stations:
    """Return the application for a server's sessions."""
    return Stations(_application(sessions), sessions)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the interface; it does not depend on any configuration."""
    app = FastAPI()
    for router in (open_routes.router, session_routes.router):
        app.include_router(router)
    document: dict[str, Any] = get_openapi(
        title="mptcp-check measurement server",
        version=API_VERSION,
        description=(
            "Sessions with captures at the server. Every answer that is no success is a problem"
            " document (RFC 9457). Without a ticket no answer is larger than its request or 512"
            " bytes, whichever is more."
        ),
        routes=app.routes,
    )
    # The framework's own description of what does not fit the interface: ours is a problem.
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    return document


def _application(sessions: Sessions) -> FastAPI:
    # The document is in the repository and in the program: serving it would only cost.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.sessions = sessions
    for router in (open_routes.router, session_routes.router):
        app.include_router(router)
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _mistake)
    return app


def response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as it is sent."""
    return Response(
        problem.octets(),
        status_code=problem.status,
        headers={**(headers or {}), **problem.headers()},
    )


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return response(error.problem)


async def _invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # Where and why only: what was sent is not sent back.
    reasons = [
        f"{'.'.join(str(part)[:40] for part in one['loc'][:6])}: {str(one['msg'])[:60]}"
        for one in error.errors()[:MOST_REASONS]
    ]
    return response(Problem(name="request-invalid", detail="; ".join(reasons)[:200]))


async def _framework(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    name = BY_STATUS.get(error.status_code, "internal")
    allow = (error.headers or {}).get("Allow")
    return response(Problem(name=name), {"allow": allow} if allow else None)


async def _mistake(_: Request, __: Exception) -> Response:
    return response(Problem(name="internal"))
