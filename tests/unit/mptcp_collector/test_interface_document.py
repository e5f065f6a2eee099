"""The interface is what its document says, and hostile input is refused with a problem."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector_parts import TUS, Parts, bundle, configuration, parts, problem
from mptcp_collector import tus
from mptcp_collector.api import application
from mptcp_collector.problem import TITLES, URN, ProblemError

DOCS = Path(__file__).parents[3] / "docs"
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def test_the_file_in_the_repository_is_the_interface() -> None:
    kept = json.loads((DOCS / "collector-openapi.json").read_text())
    assert kept == application.openapi(), (
        "run: mptcp-check collector openapi > docs/collector-openapi.json"
    )


def test_every_answer_that_is_no_success_is_documented_as_a_problem() -> None:
    for path, methods in application.openapi()["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    kinds = set(answer.get("content", {}))
                    assert kinds == {"application/problem+json"}, (path, method, status)


def test_the_handbook_names_every_problem() -> None:
    text = (DOCS / "collector.md").read_text()
    assert URN in text
    for name, (status, title) in TITLES.items():
        assert f"| `{name}` | {status} | {title} |" in text


@given(length=st.none() | st.text(), metadata=st.none() | st.text())
def test_reading_an_announcement_never_fails_otherwise(
    length: str | None, metadata: str | None
) -> None:
    with pytest.raises(ProblemError) as refused:
        tus.announced(length, metadata)
    assert refused.value.problem.name == "bad_request"


@given(st.text())
def test_reading_a_checksum_never_fails_otherwise(text: str) -> None:
    with pytest.raises(ProblemError):
        tus.checksum(text)


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))


@FEW
@given(length=HEADER, metadata=HEADER)
def test_any_header_fields_of_a_creation_are_answered(
    server: Parts, length: str, metadata: str
) -> None:
    headers = {
        **{name: text.encode() for name, text in TUS.items()},
        "Upload-Length": length.strip().encode("latin-1"),
        "Upload-Metadata": metadata.strip().encode("latin-1"),
    }
    answer = server.client.http.post("/api/v1/uploads", headers=headers)
    assert problem(answer) == "bad_request"


@FEW
@given(
    method=st.sampled_from(["GET", "HEAD", "PATCH", "DELETE", "POST", "PUT"]),
    path=st.text(st.characters(codec="utf-8"), min_size=1).map(lambda t: quote(t, safe="")),
    prefix=st.sampled_from(["uploads/", "runs/", ""]),
    offset=HEADER,
    checksum=HEADER,
    octets=st.binary(max_size=200),
)
def test_any_path_and_body_are_answered_with_a_problem(  # noqa: PLR0917 - each is drawn
    server: Parts, method: str, path: str, prefix: str, offset: str, checksum: str, octets: bytes
) -> None:
    headers = {
        **{name: text.encode() for name, text in TUS.items()},
        "Content-Type": b"application/offset+octet-stream",
        "Upload-Offset": offset.strip().encode("latin-1"),
        "Upload-Checksum": checksum.strip().encode("latin-1"),
    }
    url = f"/api/v1/{prefix}{path}"
    answer = server.client.http.request(method, url, headers=headers, content=octets)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@FEW
@given(offset=HEADER, checksum=st.none() | HEADER, octets=st.binary(max_size=6000))
def test_any_bytes_for_an_upload_are_taken_or_refused(
    server: Parts, offset: str, checksum: str | None, octets: bytes
) -> None:
    location = server.client.create(bundle()).headers["Location"]
    headers = {
        **{name: text.encode() for name, text in TUS.items()},
        "Content-Type": b"application/offset+octet-stream",
        "Upload-Offset": offset.strip().encode("latin-1"),
    }
    if checksum is not None:
        headers["Upload-Checksum"] = checksum.strip().encode("latin-1")
    answer = server.client.http.patch(location, headers=headers, content=octets)
    assert answer.status_code == 204 or problem(answer) in TITLES
    server.client.http.delete(location, headers=TUS)
