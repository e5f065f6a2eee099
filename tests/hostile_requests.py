"""Requests made from an OpenAPI document, right and wrong ones, to an application."""

import json
from collections.abc import Callable
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import BaseSchema, Case, checks
from starlette.types import ASGIApp, Receive, Scope, Send

CHECKS: Final = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

Prepare = Callable[[Case, bool], dict[str, str]]
"""Changes a case so that it asks for something that is there, if it shall; header fields of it."""


@schemathesis.serializer("application/offset+octet-stream")
def as_octets(_: object, value: object) -> bytes:
    """Say how a drawn value becomes bytes of an upload."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


class _WithDocument:
    """An application, and its document where schemathesis asks for it."""

    def __init__(self, app: ASGIApp, document: dict[str, Any]) -> None:
        self._app = app
        self._document = json.dumps(document).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/openapi.json":
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._document})


def schema(app: ASGIApp, document: dict[str, Any]) -> BaseSchema:
    """Return what requests to an application can be made of."""
    return schemathesis.openapi.from_asgi("/openapi.json", _WithDocument(app, document))


def ask(schema: BaseSchema, count: int, prepare: Prepare, *, begin: int = 0) -> set[int]:
    """Send requests; see that the answers are what the document says.

    Args:
        schema: Of `schema`.
        count: Of every operation.
        prepare: Is told half of the time that a case shall ask for something that is there.
        begin: Another number draws other requests; the same one the same.

    Returns:
        Which statuses came back.
    """
    statuses: set[int] = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        def send(case: Case, known: bool) -> None:  # noqa: FBT001 - drawn
            answer = case.call_and_validate(headers=prepare(case, known), checks=CHECKS)
            statuses.add(answer.status_code)

        strategies = [
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        ]
        drawn = given(st.one_of(strategies), st.booleans())(send)
        settings(
            max_examples=count,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(seed(begin)(drawn))()
    return statuses
