"""The interface is what its document says: the file in the repository, and hostile requests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from schemathesis import BaseSchema, Case

import hostile_requests
from measurement_server import Held, parts
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
        schema = hostile_requests.schema(application.make(server.sessions), DOCUMENT)
        yield Asked(schema=schema, held=held)


def ask(asked: Asked, count: int) -> set[int]:
    """Send hostile requests, half of them to a session that there is, with its ticket."""

    def prepare(case: Case, known: bool) -> dict[str, str]:  # noqa: FBT001 - drawn
        if not known or not case.path_parameters:
            return {}
        case.path_parameters["session_id"] = asked.held.document["session"]
        return asked.held.headers

    return hostile_requests.ask(asked.schema, count, prepare)


def test_hostile_requests_get_the_answers_that_are_documented(asked: Asked) -> None:
    assert {200, 401, 422} <= ask(asked, 16)


@pytest.mark.slow
def test_many_hostile_requests_get_the_answers_that_are_documented(asked: Asked) -> None:
    ask(asked, 300)
