"""The application: routes, rate limits in front of them, and problems instead of errors."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mptcp_check import clock
from mptcp_collector import tus
from mptcp_collector.api import open_routes, run_routes, upload_routes
from mptcp_collector.api.asking import peer
from mptcp_collector.api.documents import ProblemDocument
from mptcp_collector.collector import Collector
from mptcp_collector.netblock import netblock
from mptcp_collector.problem import BY_STATUS, Problem, ProblemError
from mptcp_collector.receiving import NO_ROOM
from mptcp_collector.review import routes as pages

API_VERSION: Final = "1.0.0"
MOST_REASONS: Final = 5
_ROUTERS: Final = (open_routes.router, upload_routes.router, run_routes.router)
_CLIENT_ERROR: Final = 400

log = logging.getLogger(__name__)


def make(collector: Collector) -> FastAPI:
    """Return the application of a collector."""
    # The document is in the repository: serving it would only cost.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.collector = collector
    for router in (*_ROUTERS, pages.router):
        app.include_router(router)
    for kind, handler in (
        (ProblemError, _refused),
        (RequestValidationError, _invalid),
        (HTTPException, _framework),
        (OSError, _storage),
        (SQLAlchemyError, _storage),
        (Exception, _mistake),
    ):
        app.add_exception_handler(kind, handler)
    app.middleware("http")(_counted)
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the interface; it does not depend on any configuration."""
    app = FastAPI()
    for router in _ROUTERS:
        app.include_router(router)
    document: dict[str, Any] = get_openapi(
        title="mptcp-check collector",
        version=API_VERSION,
        description=(
            "Takes runs by tus 1.0.0 and gives signed receipts. Every answer that is no success"
            " is a problem document (RFC 9457)."
        ),
        routes=app.routes,
    )
    # The framework's own description of what does not fit the interface: ours is a problem.
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    return document


async def _counted(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    collector: Collector = request.app.state.collector
    if collector.rate.take(netblock(peer(request)), now_ns=clock.monotonic_ns()):
        response = await answer(request)
    else:
        response = _response(request, Problem(name="too_many_requests"))
    response.headers["X-Content-Type-Options"] = "nosniff"
    collector.metrics.count("answers_total", str(response.status_code))
    return response


def _response(request: Request, problem: Problem) -> Response:
    collector: Collector = request.app.state.collector
    collector.metrics.count("problems_total", problem.name)
    if not request.url.path.startswith(open_routes.router.prefix):
        return pages.problem_page(problem)
    headers = problem.headers()
    if request.url.path.startswith(upload_routes.router.prefix):
        headers["Tus-Resumable"] = tus.VERSION
        if problem.name == "tus_version":
            headers["Tus-Version"] = tus.VERSION
    return Response(problem.octets(), status_code=problem.status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return _response(request, error.problem)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # Where and why only: what was sent is not sent back.
    reasons = [
        f"{'.'.join(str(part)[:40] for part in one['loc'][:6])}: {str(one['msg'])[:60]}"
        for one in error.errors()[:MOST_REASONS]
    ]
    return _response(request, Problem(name="request_invalid", detail="; ".join(reasons)[:200]))


async def _framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = _response(request, Problem(name=BY_STATUS.get(error.status_code, "internal")))
    allow = (error.headers or {}).get("Allow")
    if allow:
        response.headers["Allow"] = allow
    return response


async def _storage(request: Request, error: Exception) -> Response:
    log.error("storage: %s", error)
    full = isinstance(error, OSError) and error.errno in NO_ROOM
    return _response(request, Problem(name="storage_full" if full else "storage_unavailable"))


async def _mistake(request: Request, _: Exception) -> Response:
    return _response(request, Problem(name="internal"))
