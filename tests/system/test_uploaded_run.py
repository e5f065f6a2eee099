"""A real run through the outbox into a served collector, which comes to the same verdict."""

import json
from pathlib import Path

import pytest

from collector_served import configured, served
from mptcp_check import settings
from mptcp_collector import collector as collectors
from mptcp_collector import configuration, signing_key
from mptcp_collector.meta.records import Verdict
from mptcp_upload import bundle, consent
from mptcp_upload.consent import Purpose
from system.cli import call, wait_until

pytestmark = [pytest.mark.system, pytest.mark.slow]

ADDRESSES = (b"10.77.0.1", b"10.77.0.2", b"10.77.1.1", b"\x0a\x4d\x00\x01\x0a\x4d\x00\x02")
JUDGED_S = 300


def a_home(folder: Path) -> Path:
    """Give a home of its own, with the images that this computer has already."""
    home = folder / "home"
    home.mkdir()
    (home / "cache").symlink_to(settings.places().images.parent)
    return home


def verdicts(path: Path, run_id: str) -> tuple[Verdict, ...]:
    found = collectors.make(configuration.load(path))
    try:
        return tuple(found.receiving.meta.verdicts(run_id))
    finally:
        found.close()


def test_a_real_run_is_received_and_judged_as_at_home(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    agreed = tmp_path / "agreed.json"
    consent.write(agreed, consent.agreed([Purpose.VERDICT, Purpose.TRACES]))
    path = configured(tmp_path, judging=True)
    with served(path) as running:
        key = signing_key.load_or_make(tmp_path / "state" / "receipt-key.pem").public_key()
        said = call(
            *(
                "run",
                "--quick",
                "--apps",
                "http,https,ftp",
                "--behind",
                "mp_join_removed",
                "--json",
            ),
            *("--collector", running.url, "--consent", str(agreed)),
            *("--collector-key", key.public_bytes_raw().hex()),
            home=home,
        )
        assert said.code == 0, said.err
        document = said.document
        run_id = document["run_id"]
        assert document["upload"] == {
            "state": "received",
            "url": f"https://collector.example/runs/{run_id}",
            "reason": None,
        }
        assert "==> Preparing" in said.err
        assert f"{run_id} is received" in said.err
        assert wait_until(lambda: len(verdicts(path, run_id)) > 1, JUDGED_S)
        listed = call("runs", "list", "--json", home=home).document["runs"]
        assert [r["upload"] for r in listed] == ["received"]
        verified = call("verify", run_id, "--json", home=home).document
        assert (verified["whole"], verified["url"]) == (True, document["upload"]["url"])

    judged_there, brought = verdicts(path, run_id)
    assert brought.rules_version == f"client {judged_there.rules_version}"
    assert judged_there.outcome == brought.outcome == document["report"]["outcome"]
    assert judged_there.findings == brought.findings
    assert "mp_join_removed" in {f.behaviour for f in judged_there.findings}

    sent = bundle.read((home / "outbox" / run_id / "bundle.tar").read_bytes())
    everything = b"\n".join(map(sent.content, sent.names))
    for original in ADDRESSES:
        assert original not in everything
    assert b"BEGIN CERTIFICATE-----(left out)" in everything
    assert json.loads(sent.content("report.json"))["directory"] == run_id
