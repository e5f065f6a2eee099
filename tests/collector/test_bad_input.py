"""What users send when something is wrong: each has a clear answer, and costs nobody a run."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector_parts import (
    RUN_ID,
    START_NS,
    TOKEN,
    TUS,
    Parts,
    bundle,
    configuration,
    parts,
    problem,
)
from collector_runs import run_bundle
from mptcp_collector.jobs import judge_child
from mptcp_collector.problem import TITLES
from mptcp_upload import archive, canonical_json
from mptcp_upload.bundle import MANIFEST

WHOLE = run_bundle(RUN_ID)
HOUR_NS = 3600 * 10**9


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def refused(octets: bytes) -> tuple[str, str]:
    """Return the word and the reason with which a bundle is put into quarantine."""
    said = judge_child.judged(octets, RUN_ID)
    return said["refused"], said["because"]


def without(name: str) -> bytes:
    members = archive.read(WHOLE)
    return archive.write({n: bytes(c) for n, c in members.items() if n != name})


def with_manifest(**changes: object) -> bytes:
    members = {n: bytes(c) for n, c in archive.read(WHOLE).items()}
    manifest = canonical_json.decode(members[MANIFEST], what=MANIFEST)
    assert isinstance(manifest, dict)
    members[MANIFEST] = canonical_json.encode({**manifest, **changes})
    return archive.write(members)


def renamed(name: bytes) -> bytes:
    """Return the archive with another name in its first header, its sum made right."""
    header = bytearray(WHOLE[:512])
    header[:100] = name.ljust(100, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + WHOLE[512:]


@pytest.mark.parametrize(
    ("octets", "word", "because"),
    [
        (without("report.json.zst"), "bad_bundle", "member report.json.zst is missing"),
        (without("captures/client.pcapng.zst"), "bad_bundle", "is missing"),
        (without(MANIFEST), "bad_bundle", "no manifest.json"),
        (with_manifest(run_id="another-run-of-mine"), "bad_bundle", "of another run"),
        (with_manifest(schema="mptcp-check.bundle/9"), "schema_too_new", "bundle/9"),
        (with_manifest(schema="mptcp-check.bundle/0"), "schema_too_old", "bundle/0"),
        (WHOLE[:-512], "bad_bundle", "does not end"),
        *(
            (renamed(name), "bad_bundle", "no member of ours")
            for name in (b"../../etc/passwd", b"/etc/passwd", b"a/../../b", b".ssh", b"a\\b", b"")
        ),
    ],
)
def test_a_bundle_that_is_not_one_is_kept_aside_with_its_reason(
    octets: bytes, word: str, because: str
) -> None:
    said = refused(octets)
    assert said[0] == word
    assert because in said[1]


def test_every_altered_byte_is_found_before_there_is_a_receipt(server: Parts) -> None:
    step = len(WHOLE) // 12
    for at in range(0, len(WHOLE), step):
        changed = WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]
        location = server.client.create(WHOLE).headers["Location"]
        assert problem(server.client.patch(location, changed, 0)) == "digest_mismatch"
        assert problem(server.client.receipt()) == "run_unknown"
    assert server.client.upload(WHOLE).status_code == 204


def test_a_clock_that_is_set_back_or_ahead_loses_no_run(server: Parts) -> None:
    octets = bundle(1)
    location = server.client.create(octets).headers["Location"]
    server.client.patch(location, octets[:1000], 0)
    server.clock.now_ns -= 40 * 24 * HOUR_NS
    server.collector.receiving.tidy()
    assert server.client.head(location).headers["Upload-Offset"] == "1000"
    assert server.client.patch(location, octets[1000:], 1000).status_code == 204
    first = server.client.receipt().content
    server.clock.now_ns = START_NS + 400 * 24 * HOUR_NS
    server.collector.receiving.tidy()
    assert server.client.receipt().content == first
    assert server.client.upload(octets).status_code == 200, "the same run, whenever it comes"
    assert server.client.receipt().content == first


def test_nobody_changes_the_run_of_another_user(server: Parts) -> None:
    mine, other = bundle(1), bundle(2)
    assert server.client.upload(mine).status_code == 204
    receipt = server.client.receipt().content
    answer = server.client.create(other, token="the token of somebody else")  # noqa: S106 - a test's
    assert (answer.status_code, problem(answer)) == (409, "run_exists_with_other_digest")
    # who has the very bytes may have the receipt, which is no secret; but not delete the run
    again = server.client.create(mine, token="the token of somebody else")  # noqa: S106 - a test's
    assert again.status_code == 201
    wrong = {"Authorization": "Bearer the token of somebody else"}
    answer = server.client.http.delete(f"/api/v1/runs/{RUN_ID}", headers=wrong)
    assert (answer.status_code, problem(answer)) == (403, "token_wrong")
    assert server.client.receipt().content == receipt
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert server.client.http.delete(f"/api/v1/runs/{RUN_ID}", headers=right).status_code == 204


def test_a_disk_that_fills_in_the_middle_keeps_what_came(
    server: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:

    octets = bundle(5)
    location = server.client.create(octets).headers["Location"]
    assert server.client.patch(location, octets[:2000], 0).status_code == 204

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        answer = server.client.patch(location, octets[2000:], 2000)
    assert (answer.status_code, problem(answer)) == (507, "storage_full")
    assert answer.headers["Retry-After"] == "3600"
    assert server.client.head(location).headers["Upload-Offset"] == "2000"
    assert server.client.patch(location, octets[2000:], 2000).status_code == 204


SAID: dict[str, Callable[[Parts], object]] = {
    "schema_too_new": lambda s: s.client.create(WHOLE, schema="mptcp-check.bundle/2"),
    "schema_too_old": lambda s: s.client.create(WHOLE, schema="mptcp-check.bundle/0"),
    "bad_request": lambda s: s.client.create(WHOLE, "../../etc/passwd"),
    "ticket_invalid": lambda s: s.client.create(WHOLE, ticket="no ticket"),
    "upload_unknown": lambda s: s.client.http.patch(
        f"/api/v1/uploads/{'0' * 32}",
        content=b"x",
        headers={
            **TUS,
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": "0",
        },
    ),
    "run_unknown": lambda s: s.client.receipt("nobody-knows-it"),
}


@pytest.mark.parametrize("word", SAID)
def test_every_refusal_is_a_word_a_title_and_nothing_of_ours(server: Parts, word: str) -> None:
    answer = SAID[word](server)
    assert problem(answer) == word  # type: ignore[arg-type] # an answer
    text = answer.text  # type: ignore[attr-defined]
    assert TITLES[word][1] in text
    assert str(server.folder) not in text
    assert "Traceback" not in text


def test_the_same_bundle_a_hundred_times_is_one_run_and_one_receipt(server: Parts) -> None:
    octets, receipts = bundle(9), set()
    for _ in range(100):
        assert server.client.upload(octets).status_code in {200, 204}
        receipts.add(server.client.receipt().content)
    assert len(receipts) == 1
    blobs = server.collector.receiving.blobs
    assert list(blobs.digests()) == [hashlib.sha256(octets).hexdigest()]
