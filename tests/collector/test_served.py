"""The collector as it is served: killed while it receives, and fifty uploads at once."""

import hashlib
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import pytest
import zstandard

from collector_parts import Client, bundle, document, problem
from collector_served import DEADLINE_S, Served, configured, served
from mptcp_collector.meta import engine
from mptcp_collector.meta.records import Wanted
from mptcp_collector.meta.sql_store import SqlStore


def test_killed_while_it_receives_nothing_with_a_receipt_is_lost(tmp_path: Path) -> None:
    path = configured(tmp_path)
    chance = random.Random(7)  # noqa: S311 - when to kill is no secret
    runs = {f"run-before-a-kill-{n}": bundle(n, 400_000) for n in range(8)}
    receipts: dict[str, bytes] = {}

    def keep_sending(running: Served) -> None:
        with httpx2.Client(base_url=running.url, timeout=DEADLINE_S) as http:
            client = Client(http)
            kill = threading.Timer(chance.uniform(0.02, 0.4), running.process.kill)
            kill.start()
            try:
                for run_id, octets in runs.items():
                    created = client.create(octets, run_id)
                    location = created.headers["Location"]
                    offset = int(created.headers["Upload-Offset"])
                    while offset < len(octets):
                        chunk = octets[offset : offset + 50_000]
                        answer = client.patch(location, chunk, offset)
                        assert answer.status_code == 204, answer.text
                        offset += len(chunk)
                    receipts.setdefault(run_id, client.receipt(run_id).content)
            except httpx2.TransportError:
                pass
            kill.join()

    for _ in range(3):
        with served(path) as running:
            keep_sending(running)
            assert running.process.wait(DEADLINE_S) == -signal.SIGKILL

    with (
        served(path) as running,
        httpx2.Client(base_url=running.url, timeout=DEADLINE_S) as http,
    ):
        client = Client(http)
        for run_id, content in receipts.items():
            assert client.receipt(run_id).content == content
        for run_id, octets in runs.items():
            assert client.upload(octets, run_id).status_code in (200, 204)
            assert document(client.receipt(run_id))["size_bytes"] == len(octets)
    blobs = tmp_path / "state" / "blobs"
    kept = {path.parent.name + path.name: path for path in blobs.glob("*/*")}
    assert sorted(kept) == sorted(hashlib.sha256(octets).hexdigest() for octets in runs.values())
    assert all(hashlib.sha256(p.read_bytes()).hexdigest() == name for name, p in kept.items())


def test_fifty_uploads_at_once_are_fifty_runs(tmp_path: Path) -> None:
    path = configured(tmp_path)
    runs = {f"run-of-fifty-{n}": bundle(n, 100_000) for n in range(50)}

    def send(url: str, run_id: str) -> int:
        with httpx2.Client(base_url=url, timeout=DEADLINE_S) as http:
            client = Client(http)
            answer = client.upload(runs[run_id], run_id)
            receipt = document(client.receipt(run_id))
            assert receipt["bundle_sha256"] == hashlib.sha256(runs[run_id]).hexdigest()
            return answer.status_code

    with served(path) as running, ThreadPoolExecutor(50) as pool:
        assert list(pool.map(partial(send, running.url), runs)) == [204] * 50
        running.process.terminate()
        assert running.process.wait(DEADLINE_S) == 0, "that is how a service ends"
    assert "interrupted" not in (tmp_path / "said").read_text()
    store = SqlStore(engine.opened(f"sqlite:///{tmp_path}/state/collector.sqlite"))
    total, page = store.runs(Wanted(limit=100))
    store.close()
    assert total == 50
    assert {one.run.run_id for one in page} == set(runs)


RUNS = 1000


@pytest.mark.slow
def test_a_thousand_runs_by_fifty_at_once_are_a_thousand_runs(tmp_path: Path) -> None:
    runs = {f"run-of-a-thousand-{n:04}": bundle(n, 20_000) for n in range(RUNS)}

    def send(url: str, run_id: str) -> bytes:
        octets = runs[run_id]
        with httpx2.Client(base_url=url, timeout=DEADLINE_S) as http:
            client = Client(http)
            if int(run_id[-1]) % 3 == 0:  # stops in the middle, and somebody begins again
                place = client.create(octets, run_id).headers["Location"]
                assert client.patch(place, octets[:7000], 0).status_code == 204
            for _ in range(1 + int(run_id[-2]) % 2):  # some are sent again
                assert client.upload(octets, run_id).status_code in {200, 204}
            return client.receipt(run_id).content

    with served(configured(tmp_path)) as running, ThreadPoolExecutor(50) as pool:
        receipts = list(pool.map(partial(send, running.url), runs))
        running.process.terminate()
        running.process.wait(DEADLINE_S)
    store = SqlStore(engine.opened(f"sqlite:///{tmp_path}/state/collector.sqlite"))
    total, page = store.runs(Wanted(limit=2 * RUNS))
    received = [line for line in store.audit_lines() if line[2] == "received"]
    store.close()
    assert total == len(page) == len(received) == RUNS, "none lost, none doubled"
    kept = {one.run.run_id: one.run for one in page}
    assert kept.keys() == runs.keys()
    assert [kept[run_id].receipt.encode() for run_id in runs] == receipts
    digests = {hashlib.sha256(octets).hexdigest() for octets in runs.values()}
    blobs = {p.parent.name + p.name for p in (tmp_path / "state" / "blobs").glob("*/*")}
    assert blobs == digests


def test_a_bomb_is_refused_with_little_memory(tmp_path: Path) -> None:
    zeros, packer = bytes(16 << 20), zstandard.ZstdCompressor(level=19).compressobj()
    bomb = b""
    while len(bomb) < 42_000:
        bomb += packer.compress(zeros) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with (
        served(configured(tmp_path)) as running,
        httpx2.Client(base_url=running.url, timeout=DEADLINE_S) as http,
    ):
        assert problem(Client(http).upload(bomb)) == "expands_too_far"
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        peak_kib = int(status.partition("VmHWM:")[2].split()[0])
        assert peak_kib < 200 << 10, "all that the collector ever had, itself included"
        assert Client(http).upload(bundle(), "run-after-the-bomb").status_code == 204
