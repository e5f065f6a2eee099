"""The application: routes, the stations in front of them, and problems instead of errors."""

from typing import Any, Final

from fastapi import FastAPI

from mptcp_check.problems import answers
from mptcp_check.server.api import open_routes, session_routes
from mptcp_check.server.api.stations import Stations
from mptcp_check.server.problem import PROBLEMS
from mptcp_check.server.sessions import Sessions

API_VERSION: Final = "1.1.0"
_ROUTERS: Final = (open_routes.router, session_routes.router)


def make(sessions: Sessions) -> Stations:
    """Return the application for a server's sessions."""
    return Stations(_application(sessions), sessions)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the interface; it does not depend on any configuration."""
    return answers.openapi(
        _ROUTERS,
        title="mptcp-check measurement server",
        version=API_VERSION,
        description=(
            "Sessions with captures at the server. Every answer that is no success is a problem"
            " document (RFC 9457), with Retry-After where waiting helps. Without a ticket no"
            " answer is larger than its request or 512 bytes, whichever is more. Within /v1 members"
            " are added and none is taken away."
        ),
    )


def _application(sessions: Sessions) -> FastAPI:
    # The document is in the repository and in the program: serving it would only cost.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.sessions = sessions
    for router in _ROUTERS:
        app.include_router(router)
    answers.install(app, PROBLEMS, lambda _, problem: answers.response(problem))
    return app
