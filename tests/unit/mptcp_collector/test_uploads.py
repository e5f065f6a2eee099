"""Uploads as a client sees them: tus, refusals, receipts, deletion."""

import base64
import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from collector_parts import (
    RUN_ID,
    START_NS,
    TOKEN,
    TUS,
    Parts,
    announcement,
    bundle,
    configuration,
    document,
    parts,
    problem,
)
from mptcp_collector.meta.records import Wanted
from mptcp_collector.receipt import canonical, holds

S = 10**9


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def stored(server: Parts) -> list[str]:
    return sorted(server.collector.receiving.blobs.digests())


def test_a_run_is_uploaded_and_its_receipt_verifies_with_the_published_key(server: Parts) -> None:
    octets = bundle()
    assert server.client.upload(octets).status_code == 204

    receipt = document(server.client.receipt())
    assert receipt["run_id"] == RUN_ID
    assert receipt["bundle_sha256"] == hashlib.sha256(octets).hexdigest()
    assert receipt["size_bytes"] == len(octets)
    assert receipt["received_at"] == "2027-01-15T08:00:00Z"
    assert receipt["url"] == f"https://collector.example/runs/{RUN_ID}"
    (told,) = document(server.client.http.get("/api/v1/keys"))["keys"]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(told["public_key"]))
    assert told["key_id"] == receipt["key_id"]
    key.verify(base64.b64decode(receipt["signature"]), canonical(receipt))
    assert not holds({**receipt, "size_bytes": 1}, key)
    with server.collector.receiving.blobs.open(receipt["bundle_sha256"]) as kept:
        assert kept.read() == octets


def test_the_same_bundle_a_hundred_times_is_one_row_and_one_receipt(server: Parts) -> None:
    octets = bundle()
    server.client.upload(octets)
    first = server.client.receipt().content
    for number in range(100):
        server.clock.now_ns += S
        assert server.client.upload(octets, token=f"token {number}").status_code == 200
        assert server.client.receipt().content == first
    total, _ = server.collector.receiving.meta.runs(Wanted())
    assert (total, len(stored(server))) == (1, 1)


def test_the_same_run_with_another_bundle_is_refused_and_changes_nothing(server: Parts) -> None:
    server.client.upload(bundle(1))
    first = server.client.receipt().content
    answer = server.client.create(bundle(2))
    assert (answer.status_code, problem(answer)) == (409, "run_exists_with_other_digest")
    assert server.client.receipt().content == first


def test_of_two_bundles_of_one_run_on_their_way_the_first_to_arrive_stays(server: Parts) -> None:
    places = [server.client.create(bundle(n)).headers["Location"] for n in (1, 2)]
    assert server.client.patch(places[0], bundle(1), 0).status_code == 204
    answer = server.client.patch(places[1], bundle(2), 0)
    assert problem(answer) == "run_exists_with_other_digest"
    assert stored(server) == [hashlib.sha256(bundle(1)).hexdigest()]
    assert problem(server.client.http.get(places[1], headers=TUS)) == "method_not_allowed"


def test_an_upload_cut_at_any_byte_goes_on_there(server: Parts) -> None:
    octets = bundle(size_bytes=60)
    for cut in range(len(octets)):
        run_id = f"cut-at-byte-{cut}"
        location = server.client.create(octets, run_id).headers["Location"]
        server.client.patch(location, octets[:cut], 0)
        assert problem(server.client.receipt(run_id)) == "run_unknown"
        again = server.client.create(octets, run_id)
        assert again.headers["Location"] == location
        assert int(again.headers["Upload-Offset"]) == cut
        assert int(server.client.head(location).headers["Upload-Offset"]) == cut
        assert server.client.patch(location, octets[cut:], cut).status_code == 204
        assert server.client.receipt(run_id).status_code == 200


@pytest.mark.parametrize(
    ("prefer", "with_receipt"),
    [
        ("return=representation", True),
        ("respond-async, RETURN=representation; foo=1", True),
        ("return=minimal", False),
        ("return=representations", False),
        ("", False),
    ],
)
def test_who_prefers_it_gets_the_receipt_with_the_answer_to_the_last_byte(
    server: Parts, prefer: str, *, with_receipt: bool
) -> None:
    octets, wish = bundle(), {"Prefer": prefer}
    location = server.client.create(octets).headers["Location"]
    first = server.client.patch(location, octets[:9], 0, **wish)
    assert (first.status_code, first.content) == (204, b"")
    last = server.client.patch(location, octets[9:], 9, **wish)
    assert last.headers["Upload-Offset"] == str(len(octets))
    assert last.status_code == (200 if with_receipt else 204)
    assert last.content == (server.client.receipt().content if with_receipt else b"")
    assert ("Preference-Applied" in last.headers) == with_receipt


def test_what_would_expand_too_far_is_refused_before_it_comes(server: Parts) -> None:
    limit = server.collector.configuration.limits.expanded_bytes
    answer = server.client.create(bundle(), expanded_bytes=str(limit + 1))
    assert (problem(answer), document(answer)["allowed_bytes"]) == ("expands_too_far", limit)
    assert problem(server.client.create(bundle(), expanded_bytes="-1")) == "bad_request"
    assert server.client.create(bundle(), expanded_bytes=str(limit)).status_code == 201


def test_bytes_at_another_offset_are_refused(server: Parts) -> None:
    location = server.client.create(bundle()).headers["Location"]
    answer = server.client.patch(location, b"x", 5)
    assert (problem(answer), document(answer)["offset"]) == ("offset_mismatch", 0)


def test_a_chunk_with_a_wrong_checksum_leaves_no_byte(server: Parts) -> None:
    octets = bundle()
    location = server.client.create(octets).headers["Location"]
    right = "sha256 " + base64.b64encode(hashlib.sha256(octets[:9]).digest()).decode()
    answer = server.client.patch(location, octets[1:10], 0, **{"Upload-Checksum": right})
    assert (answer.status_code, problem(answer)) == (460, "checksum_mismatch")
    assert server.client.head(location).headers["Upload-Offset"] == "0"
    answer = server.client.patch(location, octets[:9], 0, **{"Upload-Checksum": right})
    assert answer.headers["Upload-Offset"] == "9"


@pytest.mark.parametrize("text", ["md5 YQ==", "sha256 YQ==", "sha256 !", "sha256"])
def test_a_checksum_that_is_none_is_refused(server: Parts, text: str) -> None:
    location = server.client.create(bundle()).headers["Location"]
    answer = server.client.patch(location, b"x", 0, **{"Upload-Checksum": text})
    assert problem(answer) == "bad_request"


def test_a_bundle_altered_by_one_byte_is_refused_and_may_be_sent_again(server: Parts) -> None:
    octets = bundle()
    location = server.client.create(octets).headers["Location"]
    answer = server.client.patch(location, octets[:-1] + b"\0", 0)
    assert problem(answer) == "digest_mismatch"
    assert problem(server.client.receipt()) == "run_unknown"
    assert stored(server) == []
    assert server.client.upload(octets).status_code == 204


def test_more_bytes_than_announced_are_refused(server: Parts) -> None:
    octets = bundle()
    location = server.client.create(octets).headers["Location"]
    assert problem(server.client.patch(location, octets + b"x", 0)) == "too_large"
    assert problem(server.client.receipt()) == "run_unknown"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"schema": "mptcp-check.bundle/2"}, "schema_too_new"),
        ({"schema": "mptcp-check.bundle/0"}, "schema_too_old"),
        ({"schema": "something/1"}, "bad_request"),
        ({"run_id": "../../../etc/passwd"}, "bad_request"),
        ({"run_id": "short"}, "bad_request"),
        ({"bundle_sha256": "AB" * 32}, "bad_request"),
        ({"deletion_sha256": ""}, "bad_request"),
        ({"ticket": "no ticket"}, "ticket_invalid"),
        ({"ticket": "x" * 4000}, "ticket_invalid"),
    ],
)
def test_an_announcement_that_cannot_be_taken_is_refused(
    server: Parts, changes: dict[str, str], word: str
) -> None:
    headers = announcement(bundle(), **changes)
    answer = server.client.http.post("/api/v1/uploads", headers=headers)
    assert problem(answer) == word
    assert server.collector.receiving.meta.uploads(finished=False) == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("Tus-Resumable", "0.2.2", "tus_version"),
        ("Upload-Length", "-1", "bad_request"),
        ("Upload-Length", "0", "too_large"),
        ("Upload-Length", "268435457", "too_large"),
        ("Upload-Length", "9" * 400, "bad_request"),
        ("Upload-Length", "²", "bad_request"),
        ("Upload-Metadata", "run_id \xff", "bad_request"),
        ("Upload-Metadata", "a," * 5000, "bad_request"),
    ],
)
def test_a_header_field_that_is_wrong_is_refused(
    server: Parts, name: str, value: str, word: str
) -> None:
    headers = {key: text.encode() for key, text in announcement(bundle()).items()}
    headers[name] = value.encode("utf-8")
    answer = server.client.http.post("/api/v1/uploads", headers=headers)
    assert problem(answer) == word
    assert answer.headers["Tus-Resumable"] == "1.0.0"


def test_what_of_tus_is_spoken_is_told(server: Parts) -> None:
    answer = server.client.http.options("/api/v1/uploads")
    assert answer.status_code == 204
    assert (
        answer.headers["Tus-Extension"]
        == "creation,creation-with-upload,expiration,checksum,termination"
    )
    assert answer.headers["Tus-Max-Size"] == str(256 << 20)


def test_bytes_of_another_media_type_are_refused(server: Parts) -> None:
    location = server.client.create(bundle()).headers["Location"]
    answer = server.client.patch(location, b"x", 0, **{"Content-Type": "text/plain"})
    assert problem(answer) == "media_type"


def test_a_second_request_for_one_upload_waits_its_turn(server: Parts) -> None:
    octets = bundle()
    location = server.client.create(octets).headers["Location"]
    with server.collector.receiving.spool.locked(location.rpartition("/")[2]):
        answer = server.client.patch(location, octets, 0)
    assert (problem(answer), answer.headers["Retry-After"]) == ("upload_busy", "5")
    assert server.client.patch(location, octets, 0).status_code == 204


def test_an_upload_ends_when_its_client_says_so_and_when_its_time_is_over(server: Parts) -> None:
    octets = bundle()
    location = server.client.create(octets).headers["Location"]
    server.client.patch(location, octets[:10], 0)
    assert server.client.http.delete(location, headers=TUS).status_code == 204
    assert problem(server.client.patch(location, octets, 0)) == "upload_unknown"

    location = server.client.create(octets).headers["Location"]
    server.client.patch(location, octets[:10], 0)
    server.clock.now_ns += 86_400 * S
    assert problem(server.client.patch(location, octets[10:], 10)) == "upload_expired"
    server.collector.receiving.tidy()
    assert server.collector.receiving.spool.ids() == frozenset()
    assert server.client.upload(octets).status_code == 204


def test_a_netblock_has_its_share_of_a_day_and_others_have_theirs(tmp_path: Path) -> None:
    settings = configuration(tmp_path, netblock_bytes_per_day=10_000)
    with parts(settings) as server:
        assert server.client.upload(bundle(1), "run-of-today-1").status_code == 204
        assert server.client.upload(bundle(2), "run-of-today-2").status_code == 204
        answer = server.client.create(bundle(3), "run-of-today-3")
        assert (problem(answer), answer.headers["Retry-After"]) == ("quota_exceeded", "3600")
        assert server.client.upload(bundle(2), "run-of-today-2").status_code == 200
        server.clock.now_ns += 86_400 * S
        server.collector.receiving.tidy()
        assert server.client.upload(bundle(3), "run-of-today-3").status_code == 204
    with parts(settings, address="198.51.100.1") as other:
        assert other.client.upload(bundle(4), "run-of-today-4").status_code == 204


def test_a_ticket_of_a_measurement_server_lifts_the_quota(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()

    def ticket(run_id: str = RUN_ID, age_s: int = 86_400, signer: Ed25519PrivateKey = key) -> str:
        claims = {
            "iss": "server.example",
            "aud": "mptcp-check-session",
            "sub": run_id,
            "jti": "5e5510",
            "iat": START_NS // S - age_s,
            "exp": START_NS // S - age_s + 600,
        }
        return jwt.encode(claims, signer, algorithm="EdDSA")

    with parts(configuration(tmp_path, netblock_bytes_per_day=10)) as server:
        servers = {"server.example": key.public_key()}
        receiving = dataclasses.replace(server.collector.receiving, servers=servers)
        server.client.http.app.state.collector = dataclasses.replace(
            server.collector, receiving=receiving
        )
        assert problem(server.client.create(bundle())) == "quota_exceeded"
        for wrong, word in (
            (ticket("another-run-0"), "ticket_of_another_run"),
            (ticket(age_s=31 * 86_400), "ticket_too_old"),
            (ticket(age_s=-3600), "ticket_invalid"),
            (ticket(signer=Ed25519PrivateKey.generate()), "ticket_invalid"),
        ):
            assert problem(server.client.create(bundle(), ticket=wrong)) == word
        assert server.client.upload(bundle(), ticket=ticket()).status_code == 204
        run = receiving.run(RUN_ID)
        assert run.ticket == "server.example 5e5510"


def test_too_many_requests_of_a_netblock_are_refused(tmp_path: Path) -> None:
    with parts(configuration(tmp_path, requests_per_minute=3)) as server:
        answers = [server.client.http.get("/api/v1/health") for _ in range(6)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert problem(answers[5]) == "too_many_requests"


def test_a_run_is_deleted_by_its_token_only_and_for_good(server: Parts) -> None:
    octets = bundle()
    server.client.upload(octets)
    url = f"/api/v1/runs/{RUN_ID}"
    assert problem(server.client.http.delete(url)) == "token_missing"
    wrong = {"Authorization": "Bearer something else"}
    assert problem(server.client.http.delete(url, headers=wrong)) == "token_wrong"
    assert server.client.receipt().status_code == 200

    right = {"Authorization": f"Bearer {TOKEN}"}
    for _ in range(2):
        assert server.client.http.delete(url, headers=right).status_code == 204
    assert problem(server.client.receipt()) == "run_deleted"
    assert problem(server.client.http.get(url)) == "run_deleted"
    assert problem(server.client.create(octets)) == "run_deleted"
    assert stored(server) == []
    actions = [action for _, action in server.collector.receiving.meta.audit(RUN_ID)]
    assert actions == ["received", "deleted by its owner"]


def test_a_bundle_that_another_run_has_too_stays_when_one_is_deleted(server: Parts) -> None:
    for run_id in ("one-run-of-two", "two-run-of-two"):
        server.client.upload(bundle(), run_id)
    right = {"Authorization": f"Bearer {TOKEN}"}
    server.client.http.delete("/api/v1/runs/one-run-of-two", headers=right)
    assert len(stored(server)) == 1
    server.client.http.delete("/api/v1/runs/two-run-of-two", headers=right)
    assert stored(server) == []


def test_a_bundle_is_not_removed_between_its_storing_and_its_run(
    server: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = bundle()
    server.client.upload(octets, "run-that-is-deleted")
    meta, deleting = server.collector.receiving.meta, []
    add_run = type(meta).add_run

    def add_late(self: object, *arguments: object, **named: object) -> object:
        thread = threading.Thread(
            target=server.collector.receiving.delete, args=("run-that-is-deleted", TOKEN)
        )
        thread.start()
        deleting.append(thread)
        while meta.counts()["deleted"] == 0:  # the tombstone is there, the bundle still is too
            threading.Event().wait(0.01)
        return add_run(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(type(meta), "add_run", add_late)
        assert server.client.upload(octets, "run-that-comes").status_code == 204
    deleting[0].join()
    assert stored(server) == [hashlib.sha256(octets).hexdigest()]


def test_a_bomb_is_refused_by_what_its_head_says_and_by_what_comes_out(server: Parts) -> None:
    size = 300 << 20
    tells = zstandard.ZstdCompressor(level=3).compressobj(size=size)
    silent = zstandard.ZstdCompressor(level=3).compressobj()
    for number, packer in enumerate((tells, silent)):
        zeros = b"\0" * (10 << 20)
        bomb = b"".join(packer.compress(zeros) for _ in range(30)) + packer.flush()
        assert len(bomb) < 42_000
        assert problem(server.client.upload(bomb, f"bomb-number-{number}")) == "expands_too_far"
    assert stored(server) == []


def test_zstd_that_ends_in_the_middle_is_no_bundle(server: Parts) -> None:
    torn = zstandard.compress(bundle())[:4] + b"\xff" * 30
    assert problem(server.client.upload(torn)) == "bad_bundle"


def test_a_collector_without_room_says_so_and_takes_nothing(tmp_path: Path) -> None:
    with parts(configuration(tmp_path, free_bytes=2**62)) as server:
        answer = server.client.create(bundle())
        assert (answer.status_code, problem(answer)) == (507, "storage_full")


def test_the_metrics_count_runs_and_refusals(server: Parts) -> None:
    server.client.upload(bundle())
    server.client.receipt("nobody-knows-it")
    text = server.client.http.get("/api/v1/metrics").text
    assert 'mptcp_check_collector_runs{state="received"} 1\n' in text
    assert 'mptcp_check_collector_problems_total{problem="run_unknown"} 1\n' in text
    assert "mptcp_check_collector_received_bytes_total 5000\n" in text
