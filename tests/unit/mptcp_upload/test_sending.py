import hashlib
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # its collector is a module beside it
from a_collector import PUBLIC, Collector, collector

from mptcp_upload import sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.durable import Disk
from mptcp_upload.errors import RefusedError, UnreachableError, UploadError
from mptcp_upload.outbox import Entry, Outbox, State, deletion_token
from mptcp_upload.pace import Pace
from mptcp_upload.sending import deliver

BUNDLE = bytes(range(256)) * 5
RUN = "01m7yb61k3p14f0rs2rvpkqs67"


def chance() -> random.Random:
    return random.Random(1)  # noqa: S311 - the same each time


class Quiet:
    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.reasons: list[str] = []

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:  # noqa: ARG002
        self.offsets.append(offset_bytes)

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:  # noqa: ARG002
        self.reasons.append(reason)


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


def entry_for(server: Collector, bundle: bytes = BUNDLE, run_id: str = RUN) -> Entry:
    return Entry(
        run_id=run_id,
        bundle_sha256=hashlib.sha256(bundle).hexdigest(),
        size_bytes=len(bundle),
        collector=server.url,
        collector_key=PUBLIC,
        deletion_token=deletion_token(bytes(32), run_id, hashlib.sha256(bundle).hexdigest()),
    )


def pace(*, slept: list[float] | None = None, **wishes: object) -> Pace:
    naps: list[float] = [] if slept is None else slept
    fields = {"chunk_bytes": 500, "attempt_count": 3, "at_once": False, **wishes}
    return Pace(monotonic_ns=lambda: 0, sleep=naps.append, rng=chance(), **fields)  # type: ignore[arg-type]


def send(box: Outbox, entry: Entry, **wishes: object) -> Entry:
    with CollectorClient(entry.collector) as client:
        return deliver(box, entry, client, pace(**wishes), Quiet())


def test_a_run_is_sent_in_chunks_and_received(tmp_path: Path, server: Collector) -> None:
    box, quiet = Outbox(tmp_path), Quiet()
    entry = box.put(entry_for(server), BUNDLE)
    with CollectorClient(server.url) as client:
        done = deliver(box, entry, client, pace(), quiet)

    assert done.state is State.RECEIVED
    assert done.url == f"{server.url}/runs/{RUN}"
    assert quiet.offsets == [500, 1000, 1280]
    assert server.runs == {RUN: BUNDLE}
    assert box.get(RUN) == done
    assert box.receipt(RUN)


@pytest.mark.parametrize("at_once", [True, False])
def test_the_receipt_comes_with_the_last_answer_or_is_asked_for(
    tmp_path: Path, server: Collector, *, at_once: bool
) -> None:
    server.receipts_at_once = at_once
    box = Outbox(tmp_path)

    assert send(box, box.put(entry_for(server), BUNDLE)).state is State.RECEIVED
    assert server.receipt_count == (0 if at_once else 1)
    assert box.receipt(RUN)


def test_interrupted_at_every_byte_of_a_chunk_it_is_stored_once(
    tmp_path: Path, server: Collector
) -> None:
    bundle = BUNDLE[:40]
    for cut in range(len(bundle) + 1):
        run_id = f"{RUN[:-2]}{cut:02d}"
        box = Outbox(tmp_path)
        entry = box.put(entry_for(server, bundle, run_id), bundle)
        server.cut_after = [cut] if cut < len(bundle) else []

        assert send(box, entry).state is State.RECEIVED
    assert server.stored_count == len(bundle) + 1
    assert set(server.runs.values()) == {bundle}


def test_the_same_run_again_gets_the_same_receipt(tmp_path: Path, server: Collector) -> None:
    one, other = Outbox(tmp_path / "1"), Outbox(tmp_path / "2")
    send(one, one.put(entry_for(server), BUNDLE))

    assert send(other, other.put(entry_for(server), BUNDLE)).state is State.RECEIVED
    assert one.receipt(RUN) == other.receipt(RUN)
    assert server.stored_count == 1


def test_an_upload_that_expired_is_begun_anew(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    entry = box.keep(replace(entry, location=f"{server.url}/api/v1/uploads/999"))

    assert send(box, entry).state is State.RECEIVED


@pytest.mark.parametrize(
    ("status", "word", "state"),
    [
        (422, "bad_bundle", State.REFUSED),
        (422, "schema_too_new", State.REFUSED),
        (413, "too_large", State.REFUSED),
        (409, "run_exists_with_other_digest", State.REFUSED),
        (429, "quota_exceeded", State.RECEIVED),
        (503, "storage_unavailable", State.RECEIVED),
        (460, "checksum_mismatch", State.RECEIVED),
    ],
)
def test_what_can_be_mended_is_tried_again_and_the_rest_is_refused(
    tmp_path: Path, server: Collector, status: int, word: str, state: State
) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    server.answers = [(status, word, {})]

    done = send(box, entry)

    assert done.state is state
    assert (word in done.reason) == (state is State.REFUSED)
    assert box.bundle(done) == BUNDLE


def test_a_collector_that_is_away_leaves_the_run_in_the_outbox(
    tmp_path: Path, server: Collector
) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    server.answers = [(503, "storage_unavailable", {"Retry-After": "7"})] * 3
    slept: list[float] = []

    done = send(box, entry, slept=slept)

    assert done.state is State.PENDING
    assert "storage_unavailable" in done.reason
    assert slept == [7, 7]
    assert send(box, done).state is State.RECEIVED


def test_a_quota_of_hours_is_not_waited_for(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    server.answers = [(429, "quota_exceeded", {"Retry-After": "3600"})]
    slept: list[float] = []

    done = send(box, entry, slept=slept)
    assert (done.state, slept) == (State.PENDING, [])
    assert "it asks to wait 60 minutes" in done.reason


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("url", "http://evil.example/", "signature does not hold"),
        ("size_bytes", 7, "signature does not hold"),
        ("key_id", "0" * 16, "pinned is"),
        ("signature", "AAAA", "signature does not hold"),
        ("url", None, "no receipt"),
    ],
)
def test_without_a_receipt_that_holds_nothing_is_received(
    tmp_path: Path, server: Collector, field: str, value: object, said: str
) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    server.spoil = {field: value}

    done = send(box, entry)

    assert (done.state, done.url) == (State.PENDING, "")
    assert said in done.reason
    assert box.receipt(RUN) is None


def test_a_collector_that_sends_us_elsewhere_gets_nothing(server: Collector) -> None:
    with CollectorClient(server.url) as client, pytest.raises(RefusedError, match="another host"):
        client.send("http://other.example/api/v1/uploads/1", 0, b"x")


def test_nobody_there_is_unreachable(server: Collector) -> None:
    url = server.url
    server.server_close()
    with CollectorClient(url) as client, pytest.raises(UnreachableError, match="does not answer"):
        client.limits()


def test_a_cap_on_the_rate_is_kept_by_waiting(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    slept: list[float] = []

    send(box, entry, slept=slept, rate_bps=8000)

    assert slept == [0.5, 1.0]


def test_who_gets_further_each_time_does_not_try_in_vain(tmp_path: Path, server: Collector) -> None:
    box, quiet = Outbox(tmp_path), Quiet()
    entry = box.put(entry_for(server), BUNDLE)
    # of every two requests the second breaks before it has begun: far more often than is tried
    server.cut_after = [100, 0] * 20
    with CollectorClient(server.url) as client:
        done = deliver(box, entry, client, pace(attempt_count=2, chunk_bytes=100), quiet)

    assert done.state is State.RECEIVED
    assert len(quiet.reasons) == len(BUNDLE) // 100
    assert server.runs == {RUN: BUNDLE}


def test_a_new_upload_is_not_asked_for_its_bytes(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)

    assert send(box, box.put(entry_for(server), BUNDLE)).state is State.RECEIVED
    assert server.head_count == 0


def test_the_owner_deletes_with_the_token(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    done = send(box, box.put(entry_for(server), BUNDLE))
    with CollectorClient(server.url) as client:
        with pytest.raises(RefusedError, match="token_wrong"):
            sending.delete(box, replace(done, deletion_token="another"), client)  # noqa: S106
        assert sending.delete(box, done, client).state is State.DELETED
    assert server.runs == {}


class PowerCutError(BaseException):
    pass


class DyingDisk(Disk):
    """Lets the power go in the middle of a removal."""

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        raise PowerCutError


def test_a_run_that_was_taken_out_halfway_is_not_there(tmp_path: Path, server: Collector) -> None:
    Outbox(tmp_path).put(entry_for(server), BUNDLE)
    with pytest.raises(PowerCutError):
        Outbox(tmp_path, DyingDisk()).forget(RUN)

    box = Outbox(tmp_path)
    assert box.entries() == []
    with box.alone():
        assert [p.name for p in tmp_path.iterdir()] == [".lock"]
    assert not box.forget(RUN)


def test_another_bundle_of_the_same_run_is_refused(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    box.put(entry_for(server), BUNDLE)

    assert box.put(entry_for(server), BUNDLE) == entry_for(server)
    with pytest.raises(UploadError, match="in the outbox already"):
        box.put(entry_for(server, b"other"), b"other")


def test_a_bundle_that_changed_on_the_disk_is_not_sent(tmp_path: Path, server: Collector) -> None:
    box = Outbox(tmp_path)
    entry = box.put(entry_for(server), BUNDLE)
    (tmp_path / RUN / "bundle.tar").write_bytes(b"?" + BUNDLE[1:])

    with pytest.raises(UploadError, match="changed on the disk"):
        send(box, entry)
    assert server.patch_count == 0


def test_only_one_sends_at_a_time(tmp_path: Path) -> None:
    with Outbox(tmp_path).alone() as one, Outbox(tmp_path).alone() as other:
        assert (one, other) == (True, False)


@pytest.mark.parametrize("run_id", ["..", "../x", ".x", "", "a/b"])
def test_an_identifier_that_leads_elsewhere_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UploadError, match="not the identifier"):
        Outbox(tmp_path).get(run_id)
