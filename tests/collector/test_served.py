"""The collector as it is served: killed while it receives, and fifty uploads at once."""

import hashlib
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2

from collector_parts import Client, bundle, document
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
        running.process.wait(DEADLINE_S)
    store = SqlStore(engine.opened(f"sqlite:///{tmp_path}/state/collector.sqlite"))
    total, page = store.runs(Wanted(limit=100))
    store.close()
    assert total == 50
    assert {one.run.run_id for one in page} == set(runs)
