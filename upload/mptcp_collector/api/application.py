"""The application: routes, rate limits in front of them, and problems instead of errors."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mptcp_check import clock
from mptcp_check.netblock import netblock
from mptcp_check.problems import answers
from mptcp_collector import tus
from mptcp_collector.api import open_routes, run_routes, upload_routes
from mptcp_collector.api.asking import peer
from mptcp_collector.collector import Collector
from mptcp_collector.problem import PROBLEMS, Problem
from mptcp_collector.receiving import NO_ROOM
from mptcp_collector.review import downloads, page, routes

API_VERSION: Final = "1.0.0"
_ROUTERS: Final = (open_routes.router, upload_routes.router, run_routes.router)
_PAGES: Final = (routes.router, downloads.router)

log = logging.getLogger(__name__)


def make(collector: Collector) -> FastAPI:
    """Return the application of a collector."""
    # The document is in the repository: serving it would only cost.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.collector = collector
    for router in (*_ROUTERS, *_PAGES):
        app.include_router(router)
    answers.install(app, PROBLEMS, _response)
    for kind in (OSError, SQLAlchemyError):
        app.add_exception_handler(kind, _storage)
    app.add_middleware(_Counted)
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the interface; it does not depend on any configuration."""
    return answers.openapi(
        _ROUTERS,
        title="mptcp-check collector",
        version=API_VERSION,
        description=(
            "Takes runs by tus 1.0.0 and gives signed receipts. Every answer that is no success"
            " is a problem document (RFC 9457)."
        ),
    )


class _Counted:
    """Refuses who asks too often, and counts every answer; bodies pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        collector: Collector = request.app.state.collector

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                collector.metrics.count("answers_total", str(message["status"]))
                message.setdefault("headers", []).append((b"x-content-type-options", b"nosniff"))
            await send(message)

        if collector.rate.take(netblock(peer(request)), now_ns=clock.monotonic_ns()):
            await self._app(scope, receive, counted)
        else:
            refused = _response(request, PROBLEMS.problem("too_many_requests"))
            await refused(scope, receive, counted)


def _response(request: Request, problem: Problem) -> Response:
    collector: Collector = request.app.state.collector
    collector.metrics.count("problems_total", problem.name)
    if not request.url.path.startswith(open_routes.router.prefix):
        return page.of_problem(problem)
    headers: dict[str, str] = {}
    if request.url.path.startswith(upload_routes.router.prefix):
        headers["Tus-Resumable"] = tus.VERSION
        if problem.name == "tus_version":
            headers["Tus-Version"] = tus.VERSION
    return answers.response(problem, headers)


async def _storage(request: Request, error: Exception) -> Response:
    log.error("storage: %s", error)
    full = isinstance(error, OSError) and error.errno in NO_ROOM
    return _response(request, PROBLEMS.problem("storage_full" if full else "storage_unavailable"))
