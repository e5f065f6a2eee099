"""The interface is what its document says: the file in the repository, and hostile requests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import BaseSchema, Case, checks
from starlette.types import ASGIApp, Receive, Scope, Send

from measurement_server import Held, Parts, parts
from mptcp_check.server.api import application
from mptcp_check.server.problem import TITLES, URN

DOCS = Path(__file__).parents[5] / "docs"
DOCUMENT = application.openapi()


def test_the_file_in_the_repository_is_the_interface() -> None:
    kept = json.loads((DOCS / "server-openapi.json").read_text())
    assert kept == DOCUMENT, "run: mptcp-check server openapi > docs/server-openapi.json"


def test_every_answer_that_is_no_success_is_documented_as_a_problem() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                kinds = set(answer.get("content", {}))
                if int(status) >= 400:
                    assert kinds == {"application/problem+json"}, (path, method, status)


def test_the_handbook_names_every_problem() -> None:
    text = (DOCS / "server.md").read_text()
    assert URN in text
    for name, (status, title) in TITLES.items():
        assert f"| `{name}` | {status} | {title} |" in text


LIMITS = """
    [netblocks]
    sessions_at_once = 100000
    sessions_per_hour = 100000
    session_s_per_hour = 10000000
    [sessions]
    at_once = 100000
"""

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


class WithDocument:
    """The server, and its document where schemathesis asks for it."""

    def __init__(self, server: Parts) -> None:
        self.server = server
        self._app: ASGIApp = application.make(server.sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/openapi.json":
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(DOCUMENT).encode()})


@dataclass
class Asked:
    schema: BaseSchema
    held: Held


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with parts(tmp_path, LIMITS) as server:
        held = server.session(server.client())
        held.post("/services")
        held.post("/capture/start")
        yield Asked(
            schema=schemathesis.openapi.from_asgi("/openapi.json", WithDocument(server)), held=held
        )


def ask(asked: Asked, count: int, *, ticket: bool) -> set[int]:
    """Send requests made from the document, right and wrong ones; return what came back."""
    statuses = set()
    for result in asked.schema.get_all_operations():
        operation = result.ok()

        def send(case: Case) -> None:
            headers = {}
            if ticket and case.path_parameters:
                case.path_parameters["session_id"] = asked.held.document["session"]
                headers = asked.held.headers
            answer = case.call_and_validate(headers=headers, checks=CHECKS)
            statuses.add(answer.status_code)

        strategies = [
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        ]
        settings(
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )(given(st.one_of(strategies))(send))()
    return statuses


@pytest.mark.parametrize("ticket", [True, False])
def test_hostile_requests_get_the_answers_that_are_documented(asked: Asked, ticket: bool) -> None:  # noqa: FBT001 - a case
    statuses = ask(asked, 8, ticket=ticket)
    assert {200, 422} <= statuses
    assert ticket or 401 in statuses


@pytest.mark.slow
@pytest.mark.parametrize("ticket", [True, False])
def test_many_hostile_requests_get_the_answers_that_are_documented(
    asked: Asked,
    ticket: bool,  # noqa: FBT001 - a case
) -> None:
    ask(asked, 150, ticket=ticket)
