"""Our own client against the served collector: from the outbox to a verified receipt and back."""

import base64
import hashlib
import json
import random
import threading
from pathlib import Path

import httpx2
import pytest

from collector_served import DEADLINE_S, configured, served
from mptcp_check import clock
from mptcp_collector import receipt, signing_key
from mptcp_upload import bundle, sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.outbox import Entry, Outbox, State, deletion_token
from mptcp_upload.pace import Pace

GOLDEN = Path(__file__).parents[1] / "golden" / "mp_capable_removed_from_syn"
RUN_ID = "01hzy0run0000000000000000z"


class Silence:
    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        pass

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        raise AssertionError(f"{entry.run_id} waits {wait_s} s: {reason}")


def octets() -> bytes:
    found = {"rules_version": "0", "outcome": "mptcp", "connections": [], "findings": []}
    report = {"report": found, "exchanges": [{"app": "http", "port": 80}]}
    about = {
        **dict.fromkeys(("started", "outcome", "tool_version", "rules_version"), ""),
        **{name: {} for name in ("anonymisation", "consent", "pre_anonymisation")},
        "run_id": RUN_ID,
    }
    captures = {
        f"captures/{side}.pcapng": (GOLDEN / f"{side}.pcapng").read_bytes()
        for side in ("client", "server")
    }
    return bundle.write({"report.json": json.dumps(report).encode(), **captures}, about)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_goes_from_the_outbox_to_its_verdict_and_is_deleted(
    tmp_path: Path, *, at_once: bool
) -> None:
    path = configured(tmp_path, judging=True)
    content = octets()
    with (
        served(path) as running,
        CollectorClient(running.url) as client,
        httpx2.Client(base_url=running.url, timeout=DEADLINE_S) as http,
    ):
        key = signing_key.load_or_make(tmp_path / "state" / "receipt-key.pem").public_key()
        outbox = Outbox(tmp_path / "outbox")
        entry = outbox.put(
            Entry(
                run_id=RUN_ID,
                bundle_sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
                collector=running.url,
                collector_key=base64.b64encode(receipt.public_octets(key)).decode(),
                deletion_token=deletion_token(b"d" * 32, RUN_ID, ""),
            ),
            content,
        )
        pace = Pace(
            monotonic_ns=clock.monotonic_ns,
            sleep=threading.Event().wait,
            rng=random.Random(1),  # noqa: S311 - waits are no secret
            chunk_bytes=1000,
            at_once=at_once,
        )
        done = sending.deliver(outbox, entry, client, pace, Silence())
        assert (done.state, done.reason) == (State.RECEIVED, "")
        assert done.url == f"https://collector.example/runs/{RUN_ID}"

        shown = {"state": "received"}
        for _ in range(DEADLINE_S * 5):
            shown = http.get(f"/api/v1/runs/{RUN_ID}").json()
            if shown["state"] != "received":
                break
            threading.Event().wait(0.2)
        assert shown["state"] == "analysed", shown
        assert "the SYN" in http.get(f"/runs/{RUN_ID}").text

        sending.delete(outbox, done, client)
        assert http.get(f"/api/v1/runs/{RUN_ID}/receipt").status_code == 410
