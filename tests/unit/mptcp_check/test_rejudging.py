"""A stored run is judged again, and nothing of it is lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mptcp_check.analysis import diagnose
from mptcp_check.cli.report import report
from mptcp_check.errors import UsageError
from mptcp_check.model import Side
from mptcp_check.rejudging import keep_former, rejudge
from mptcp_check.run_directory import StoredRun
from mptcp_upload import manifest

GOLDEN = Path(__file__).parents[2] / "golden" / "mp_capable_removed_from_syn"
NOW = "2026-11-21T12:00:00Z"


def record(*, transport: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    digest = {"bytes": 65536, "sha256": "00" * 32}
    return {
        "exchange": {
            "id": 0 if transport == "tcp" else 1,
            "app": "http",
            "mode": None,
            "direction": "download",
            "transport": transport,
            "checksum": False,
            "paths": 1,
            "family": "ipv4",
            "port": 80,
            "payload_bytes": 65536,
            "deadline_s": 20.0,
        },
        "start_ns": start_ns,
        "end_ns": end_ns,
        "duration_ns": end_ns - start_ns,
        "sent": digest,
        "arrived": digest,
        "sha256_ok": True,
        "exit_code": 0,
        "timed_out": False,
        "proof": {"proven": True, "reason": "the counters moved as they should"},
        "counters": {"client": {"MPTcpExtMPCapableFallbackSYNACK": [2, 3]}, "server": {}},
        "problem": None,
    }


@pytest.fixture
def stored(tmp_path: Path) -> StoredRun:
    """Give a run that rules of an earlier version found clean."""
    run = tmp_path / "run"
    (run / "captures").mkdir(parents=True)
    for side in Side:
        shutil.copyfile(next(GOLDEN.glob(f"{side}.pcap*")), run / "captures" / f"{side}.pcapng")
    facts = {
        "schema": "mptcp-check.exchanges/1",
        "exchanges": [
            record(transport="tcp", start_ns=0, end_ns=1),
            record(transport="mptcp", start_ns=2, end_ns=2**62),
        ],
    }
    (run / "exchanges.json").write_text(json.dumps(facts))
    old = {
        "schema": "mptcp-check.run/1",
        "run_id": "01old",
        "started": "2026-01-01T00:00:00Z",
        "behind": [],
        "directory": str(run),
        "machine": "qemu",
        "integrity": {"troubles": []},
        "provenance": {"image_digest": "ab" * 32, "kernels": {}},
        "summary": ["nothing"],
        "exchanges": [],
        "report": {
            "rules_version": "0",
            "tool_version": "0.0.1",
            "outcome": "mptcp",
            "findings": [{"behaviour": "payload_altered", "state": "seen"}],
        },
        "upload": {"state": "none", "url": None},
    }
    (run / "report.json").write_text(json.dumps(old))
    about = {"run_id": "01old", "outcome": "mptcp"}
    manifest.write(run, manifest.build(run, about=about))
    return StoredRun(directory=run, manifest=manifest.read(run))


def test_facts_stay_and_the_verdict_is_of_todays_rules(stored: StoredRun) -> None:
    judged = rejudge(stored, at=NOW)

    assert judged.document["report"]["rules_version"] == diagnose.RULES_VERSION
    assert judged.document["report"]["outcome"] == "fell_back_at_handshake"
    assert [e["outcome"] for e in judged.document["exchanges"]] == ["tcp", "fell_back_at_handshake"]
    assert judged.document["started"] == "2026-01-01T00:00:00Z"
    assert judged.document["provenance"] == judged.former["provenance"]
    assert judged.document["rejudged"] == {
        "at": NOW,
        "previous": {"rules_version": "0", "tool_version": "0.0.1", "outcome": "mptcp"},
    }
    assert "mp_capable_removed_from_syn" in judged.appeared
    assert judged.gone == ("payload_altered",)


def test_the_command_keeps_the_old_verdict_and_leaves_a_whole_run(stored: StoredRun) -> None:
    old = json.loads((stored.directory / "report.json").read_text())

    said = CliRunner().invoke(report, [str(stored.directory), "--rejudge", "--json"])

    assert said.exit_code == 0, said.output
    assert json.loads((stored.directory / "verdicts" / "1.json").read_text()) == old
    assert "outcome: mptcp -> fell_back_at_handshake" in said.stderr
    assert "no longer seen: payload_altered" in said.stderr
    assert json.loads(said.stdout)["outcome"] == "fell_back_at_handshake"
    assert manifest.differences(stored.directory) == ()
    assert "fell back at the handshake" in (stored.directory / "report.html").read_text()


def test_each_verdict_is_kept_once(stored: StoredRun) -> None:
    former = stored.document()

    assert keep_former(stored.directory, former).name == "1.json"
    assert keep_former(stored.directory, former).name == "1.json"  # a crash came before the rest
    assert keep_former(stored.directory, {**former, "run_id": "other"}).name == "2.json"


@pytest.mark.parametrize("name", ["exchanges.json", "captures/client.pcapng"])
def test_changed_facts_are_not_judged(stored: StoredRun, name: str) -> None:
    path = stored.directory / name
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(UsageError, match="not what the manifest says"):
        rejudge(stored, at=NOW)


def test_missing_facts_are_named(stored: StoredRun) -> None:
    (stored.directory / "captures" / "server.pcapng").unlink()

    with pytest.raises(UsageError, match=r"server\.pcapng is missing"):
        rejudge(stored, at=NOW)


def test_records_of_another_version_are_refused(stored: StoredRun) -> None:
    path = stored.directory / "exchanges.json"
    path.write_text(json.dumps({"exchanges": [{"problem": None}]}))
    manifest.write(stored.directory, manifest.build(stored.directory, about={"run_id": "01old"}))

    with pytest.raises(UsageError, match=r"exchanges\.json cannot be judged"):
        rejudge(
            StoredRun(directory=stored.directory, manifest=manifest.read(stored.directory)), at=NOW
        )
