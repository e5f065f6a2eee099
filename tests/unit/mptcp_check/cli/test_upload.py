import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "mptcp_upload"))  # the collector of its tests
from a_collector import PUBLIC, Collector, collector

from mptcp_check.cli import upload
from mptcp_check.cli.main import main
from mptcp_upload import consent, manifest
from mptcp_upload.consent import Purpose

RUN = "01m7yb61k3p14f0rs2rvpkqs67"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPTCP_CHECK_HOME", str(tmp_path))
    run = tmp_path / "runs" / RUN
    run.mkdir(parents=True)
    (run / "report.json").write_text(
        json.dumps({"run_id": RUN, "directory": str(run), "report": {"packets": []}})
    )
    manifest.write(run, manifest.build(run, about={"run_id": RUN, "outcome": "mptcp"}))
    return tmp_path


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture
def agreed(home: Path) -> Path:
    path = home / "agreed.json"
    consent.write(path, consent.agreed([Purpose.VERDICT]))
    return path


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def sent(server: Collector, agreed: Path) -> int:
    to = ("--collector", server.url, "--collector-key", PUBLIC)
    return called("upload", "last", *to, "--consent", str(agreed))


def test_a_run_is_uploaded_listed_and_verified(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0
    assert f"is received: {server.url}/runs/{RUN}" in capsys.readouterr().err
    assert called("runs", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["upload"] == "received"
    assert called("verify", "last", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["whole"], found["url"]) == (True, f"{server.url}/runs/{RUN}")
    assert (home / "anonymisation.key").stat().st_mode & 0o077 == 0


def test_without_consent_nothing_leaves_and_nobody_is_asked_in_the_dark(
    home: Path, server: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--collector", server.url, "--collector-key", PUBLIC)

    assert called("upload", "last", *to) == 7
    assert "nobody agreed" in capsys.readouterr().err
    assert not (home / "outbox" / RUN).exists()
    assert server.uploads == {}


def test_withdrawn_consent_stops_what_waits(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consent.write(home / "consent.json", consent.agreed([Purpose.VERDICT]))
    server.answers = [(429, "quota_exceeded", {"Retry-After": "3600"})]
    assert sent(server, agreed) == 6
    assert "stays in the outbox" in capsys.readouterr().err
    assert called("upload", "--withdraw-consent") == 0

    assert called("upload") == 7
    assert server.runs == {}
    assert called("upload", "--consent", str(agreed)) == 0
    assert RUN in server.runs


def test_a_refused_run_says_why(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [(422, "schema_too_new", {})]

    assert sent(server, agreed) == 2
    assert "was refused: schema_too_new" in capsys.readouterr().err


def test_another_key_for_a_known_collector_is_not_believed(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0

    other = ("--collector", server.url, "--collector-key", "00" * 32)
    assert called("upload", "last", *other, "--consent", str(agreed)) == 2
    assert "another key is pinned" in capsys.readouterr().err


def test_a_run_is_deleted_by_its_owner_and_forgotten(
    home: Path, server: Collector, agreed: Path
) -> None:
    assert sent(server, agreed) == 0
    assert called("upload", "--delete", RUN[:8]) == 0
    assert server.runs == {}
    assert called("upload", "--forget", RUN[:8]) == 0
    assert not (home / "outbox" / RUN).exists()
    assert called("verify", "last") == 6


def test_a_receipt_changed_on_the_disk_does_not_verify(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0
    path = home / "outbox" / RUN / "receipt.json"
    path.write_text(path.read_text().replace("2026", "2027"))

    assert called("verify", "last") == 2
    assert "signature does not hold" in capsys.readouterr().err


def test_a_run_changed_on_the_disk_does_not_verify(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "runs" / RUN / "report.json").write_text("{}")

    assert called("verify", "last") == 2
    assert "report.json was changed" in capsys.readouterr().err


def test_a_killed_upload_goes_on_where_it_was(server: Collector, agreed: Path) -> None:
    to = ["--collector", server.url, "--collector-key", PUBLIC, "--consent", str(agreed)]
    program = (
        "import os, sys\n"
        "from mptcp_upload import outbox\n"
        "outbox.Outbox.received = lambda *a: os.kill(os.getpid(), 9)\n"
        "from mptcp_check.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, "upload", "last", *to], check=False, timeout=120
    )

    assert killed.returncode == -9
    assert called("upload", "--consent", str(agreed)) == 0
    assert server.stored_count == 1
    assert called("verify", "last") == 0


def test_what_waits_is_sent_after_the_next_run_with_consent_only(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [(429, "quota_exceeded", {"Retry-After": "3600"})]
    assert sent(server, agreed) == 6

    upload.drain_waiting()
    assert "the outbox waits: nobody agreed" in capsys.readouterr().err
    assert server.runs == {}
    consent.write(home / "consent.json", consent.agreed([Purpose.VERDICT]))
    upload.drain_waiting()
    assert RUN in server.runs
    assert "is received" in capsys.readouterr().err
