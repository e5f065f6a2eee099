"""Bytes that come with an upload's creation (tus 1.0.0, creation-with-upload)."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from collector_parts import RUN_ID, Parts, announcement, bundle, configuration, parts, problem
from mptcp_collector import tus
from mptcp_collector.receiving import Receiving

OCTETS = bundle()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def send(
    server: Parts, sent: bytes, *, whole: bytes = OCTETS, run_id: str = RUN_ID, **more: str
) -> httpx2.Response:
    """Announce a bundle, and send some bytes with that."""
    headers = announcement(whole, run_id) | {"Content-Type": tus.CONTENT_TYPE, **more}
    return server.client.http.post("/api/v1/uploads", content=sent, headers=headers)


def checksum(octets: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(octets).digest()).decode()


def test_a_run_is_uploaded_in_one_request(server: Parts) -> None:
    answer = send(server, OCTETS)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(OCTETS)))
    assert server.client.receipt().status_code == 200
    assert list(server.collector.receiving.spool.ids()) == []
    again = send(server, OCTETS)
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, str(len(OCTETS)))
    assert again.headers["Location"] == answer.headers["Location"]


@pytest.mark.parametrize("count", [0, 1, 4999])
def test_an_upload_that_begins_with_some_bytes_goes_on_after_them(
    server: Parts, count: int
) -> None:
    created = send(server, OCTETS[:count])
    assert created.headers["Upload-Offset"] == str(count)
    place = created.headers["Location"]
    assert server.client.head(place).headers["Upload-Offset"] == str(count)
    assert server.client.patch(place, OCTETS[count:], count).status_code == 204
    assert server.client.receipt().status_code == 200


def test_bytes_with_a_second_creation_are_not_taken_twice(server: Parts) -> None:
    send(server, OCTETS[:1000])
    again = send(server, OCTETS[:1000])
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, "1000")
    place = again.headers["Location"]
    assert server.client.patch(place, OCTETS[1000:], 1000).status_code == 204
    assert server.client.receipt().status_code == 200


def test_a_body_of_another_media_type_is_no_part_of_the_upload(server: Parts) -> None:
    answer = send(server, OCTETS, **{"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "0")


def test_bytes_with_a_wrong_checksum_are_not_kept_and_the_upload_is(server: Parts) -> None:
    wrong = {"Upload-Checksum": checksum(b"others")}
    assert problem(send(server, OCTETS[:9], **wrong)) == "checksum_mismatch"
    created = send(server, OCTETS[:9], **{"Upload-Checksum": checksum(OCTETS[:9])})
    assert created.headers["Upload-Offset"] == "9"


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (OCTETS + b"x", "too_large"),
        (OCTETS[:-1] + b"\0", "digest_mismatch"),
    ],
)
def test_bytes_that_are_not_the_bundle_are_refused(server: Parts, sent: bytes, word: str) -> None:
    assert problem(send(server, sent)) == word
    assert problem(server.client.receipt()) == "run_unknown"
    assert send(server, OCTETS).headers["Upload-Offset"] in {"0", str(len(OCTETS))}
    assert server.client.upload(OCTETS).status_code in {200, 204}


def test_bytes_of_an_upload_that_another_request_sends_are_refused(server: Parts) -> None:
    place = server.client.create(OCTETS).headers["Location"]
    with server.collector.receiving.spool.locked(place.rpartition("/")[2]):
        assert problem(send(server, OCTETS)) == "upload_busy"
    assert send(server, OCTETS).headers["Upload-Offset"] == str(len(OCTETS))


@pytest.mark.parametrize(("meanwhile", "word"), [("ended", "upload_unknown"), ("finished", "")])
def test_an_upload_that_is_over_before_its_bytes_came_is_not_stored_again(
    server: Parts, monkeypatch: pytest.MonkeyPatch, meanwhile: str, word: str
) -> None:
    take = Receiving.take

    def late(receiving: Receiving, upload: object, offset: int) -> object:
        place = server.client.create(OCTETS).headers["Location"]
        with monkeypatch.context() as before:
            before.setattr(Receiving, "take", take)
            if meanwhile == "ended":
                receiving.end(place.rpartition("/")[2])
            else:
                assert server.client.patch(place, OCTETS, 0).status_code == 204
        return take(receiving, upload, offset)

    with monkeypatch.context() as patched:
        patched.setattr(Receiving, "take", late)
        answer = send(server, OCTETS)
    assert (problem(answer) if word else "") == word
    assert server.client.receipt().status_code == (404 if word else 200)
    assert server.collector.receiving.spool.ids() == frozenset()
