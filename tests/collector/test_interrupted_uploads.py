"""Our client and the served collector with a network that breaks at every byte between them."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector_served import configured, served
from cutting_proxy import Way, cutting
from mptcp_collector import signing_key
from mptcp_upload import sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.outbox import Entry, Outbox, State
from mptcp_upload.pace import Pace

CHUNK = 32
BUNDLE_BYTES = 3 * CHUNK - 5


class Silence:
    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        pass

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def way(folder: Path) -> Iterator[Way]:
    with served(configured(folder)) as running, cutting(running.port) as found:
        yield found


def bundle_of(run_id: str) -> bytes:
    return hashlib.shake_128(run_id.encode()).digest(BUNDLE_BYTES)


def sent(folder: Path, way: Way, run_id: str, *, at_once: bool) -> Entry:
    key = signing_key.load_or_make(folder / "state" / "receipt-key.pem").public_key()
    octets = bundle_of(run_id)
    box = Outbox(folder / "outbox")
    entry = box.put(
        Entry(
            run_id=run_id,
            bundle_sha256=hashlib.sha256(octets).hexdigest(),
            size_bytes=len(octets),
            collector=way.url,
            collector_key=key.public_bytes_raw().hex(),
            deletion_token="t",  # noqa: S106 - a test's
        ),
        octets,
    )
    pace = Pace(
        monotonic_ns=lambda: 0,
        sleep=lambda _: None,
        rng=random.Random(1),  # noqa: S311 - waits are no secret
        attempt_count=20,
        chunk_bytes=CHUNK,
        at_once=at_once,
    )
    with CollectorClient(way.url) as client:
        return sending.deliver(box, entry, client, pace, Silence())


def stored(folder: Path) -> list[bytes]:
    blobs = folder / "state" / "blobs"
    return sorted(p.read_bytes() for p in blobs.rglob("*") if p.is_file())


def patch_bytes(folder: Path, way: Way, *, at_once: bool) -> int:
    """Return about how long a request with bytes is: one that is cut beyond it is not cut."""
    low, high = 0, 4096
    while high - low > 1:
        middle = (low + high) // 2
        way.cut_at, before = middle, way.cut_count
        run_id = f"{at_once}-length-{middle:05d}"
        assert sent(folder, way, run_id, at_once=at_once).state is State.RECEIVED
        low, high = (middle, high) if way.cut_count > before else (low, middle)
        way.cut_at = None
    return low


@pytest.mark.parametrize("at_once", [False, True])
def test_cut_at_every_byte_of_a_request_there_is_exactly_one_stored_run(
    folder: Path, way: Way, *, at_once: bool
) -> None:
    whole = patch_bytes(folder, way, at_once=at_once)
    body = BUNDLE_BYTES if at_once else CHUNK
    assert whole > body
    runs = {p.name for p in (folder / "outbox").iterdir() if p.name != ".lock"}
    # all bytes of the body, the end of the header fields before it, and a stride through those
    for cut in (*range(1, whole - body - 4, 61), *range(whole - body - 4, whole + 1)):
        run_id = f"{at_once}-request-{cut:05d}"
        runs.add(run_id)
        before, way.cut_at = way.cut_count, cut
        assert sent(folder, way, run_id, at_once=at_once).state is State.RECEIVED, cut
        assert way.cut_count == before + 1, cut
    for cut in (*range(1, 200, 37),):
        run_id = f"{at_once}-answer-{cut:05d}"
        runs.add(run_id)
        way.cut_answer_at = cut
        assert sent(folder, way, run_id, at_once=at_once).state is State.RECEIVED, cut
        way.cut_answer_at = None
    assert stored(folder) == sorted(bundle_of(run_id) for run_id in runs)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD"])
def test_cut_in_any_other_question_and_its_answer_it_is_one_stored_run(
    folder: Path, way: Way, method: bytes
) -> None:
    before = len(stored(folder))
    way.method = method
    for index, cut in enumerate((1, 40, 90)):
        way.cut_at = cut
        run_id = f"{method.decode()}-{cut:05d}"
        assert sent(folder, way, run_id, at_once=True).state is State.RECEIVED
        way.cut_at, way.cut_answer_at = None, cut
        run_id = f"{method.decode()}-answer-{cut:05d}"
        assert sent(folder, way, run_id, at_once=True).state is State.RECEIVED
        way.cut_answer_at = None
        assert len(stored(folder)) == before + 2 * (index + 1)
    way.method = b"PATCH"
