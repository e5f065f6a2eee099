import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "mptcp_upload"))  # the collector of its tests
from a_collector import PUBLIC, Collector, collector

from a_stored_run import stored_run
from mptcp_check.cli.main import main
from mptcp_upload import bundle, consent, manifest
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
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0
    assert called("upload", "--delete", RUN[:8]) == 0
    assert server.runs == {}
    assert called("verify", "last") == 0
    assert "deleted there since" in capsys.readouterr().err
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


def test_limits_are_asked_before_anything_is_sent(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.limits = {"schema_oldest": 2, "schema_newest": 3}

    assert sent(server, agreed) == 6
    said = capsys.readouterr().err
    assert "takes bundles from schema 2 on, this program makes 1" in said
    assert "next step: update mptcp-check" in said
    assert (server.uploads, server.runs) == ({}, {})
    server.limits = {}
    assert called("upload", "--consent", str(agreed)) == 0


def test_a_refused_run_is_tried_again_when_it_is_named(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [(422, "schema_too_new", {})]
    assert sent(server, agreed) == 2
    assert "next step: the collector is older than this program" in capsys.readouterr().err

    assert called("upload", "--consent", str(agreed)) == 0
    assert server.runs == {}
    assert "was refused: schema_too_new" not in capsys.readouterr().err
    assert sent(server, agreed) == 0
    assert RUN in server.runs


def test_what_is_too_large_with_its_traces_goes_without_them(
    tmp_path: Path, server: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPTCP_CHECK_HOME", str(tmp_path))
    stored_run(tmp_path / "runs" / RUN)
    path = tmp_path / "agreed.json"
    consent.write(path, consent.agreed([Purpose.VERDICT, Purpose.TRACES]))
    server.limits = {"bundle_bytes": 20_000}

    assert sent(server, path) == 6
    assert called("upload", "--verdict-only", "last", "--consent", str(path)) == 0
    assert bundle.read(server.runs[RUN]).names == ("logs/probe.log", "report.json")


def test_one_damaged_entry_keeps_no_other_run_from_leaving(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored_run(home / "runs" / "01m7yb61k3p14f0rs2rvpkqs99", run_id="01m7yb61k3p14f0rs2rvpkqs99")
    server.limits = {"schema_oldest": 2}
    to = ("--collector", server.url, "--collector-key", PUBLIC, "--consent", str(agreed))
    assert called("upload", "--all", *to) == 6
    (home / "outbox" / RUN / "state.json").write_text("{")
    server.limits = {}
    capsys.readouterr()

    assert called("upload", "--consent", str(agreed)) == 0
    said = capsys.readouterr().err
    assert "state.json cannot be read" in said
    assert f"upload --forget {RUN}" in said
    assert set(server.runs) == {"01m7yb61k3p14f0rs2rvpkqs99"}
    assert called("runs", "list", "--json") == 0
    states = [r["upload"] for r in json.loads(capsys.readouterr().out)["runs"]]
    assert states == ["damaged", "received"]
    assert called("upload", "--forget", RUN) == 0
    assert called("upload", "--all", *to) == 0
    assert RUN in server.runs


def test_a_collector_that_is_away_is_asked_once_for_all_runs(
    home: Path,
    agreed: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    stored_run(home / "runs" / "01m7yb61k3p14f0rs2rvpkqs99", run_id="01m7yb61k3p14f0rs2rvpkqs99")
    with collector() as server:
        to = ("--collector", server.url, "--collector-key", PUBLIC, "--consent", str(agreed))
    assert called("upload", "--all", *to) == 6
    said = capsys.readouterr().err
    assert said.count("again in") == 3
    assert said.count("stays in the outbox") == 2


def test_in_a_pipe_progress_is_lines(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0
    said = capsys.readouterr().err
    assert f"    {RUN}: 100 % of " in said
    assert "\r" not in said


def test_the_collector_may_come_from_the_environment(
    server: Collector, agreed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPTCP_CHECK_COLLECTOR", server.url)
    monkeypatch.setenv("MPTCP_CHECK_COLLECTOR_KEY", PUBLIC)

    assert called("upload", "last", "--consent", str(agreed)) == 0
    assert RUN in server.runs


def test_the_key_of_a_former_collector_stays_pinned(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, agreed) == 0
    other = ("--collector", "https://collector.example", "--collector-key", "11" * 32)
    assert called("upload", "last", *other, "--consent", str(agreed)) == 6
    assert f"is in the outbox for {server.url} (received)" in capsys.readouterr().err

    forged = ("--collector", server.url, "--collector-key", "00" * 32)
    assert called("upload", "last", *forged, "--consent", str(agreed)) == 2
    assert f"another key is pinned for {server.url}" in capsys.readouterr().err


def test_a_run_that_never_arrived_cannot_be_deleted_there(
    server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.limits = {"schema_oldest": 2}
    assert sent(server, agreed) == 6

    assert called("upload", "--delete", "last") == 6
    said = capsys.readouterr().err
    assert "run_unknown" in said
    assert "upload --forget" in said


def test_a_secret_of_the_outbox_is_readable_by_its_owner_only(
    home: Path, server: Collector, agreed: Path
) -> None:
    assert sent(server, agreed) == 0
    for path in (home / "outbox").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_run_that_was_forgotten_and_sent_again_can_still_be_deleted(
    server: Collector, agreed: Path
) -> None:
    assert sent(server, agreed) == 0
    assert called("upload", "--forget", "last") == 0
    assert sent(server, agreed) == 0
    assert server.stored_count == 1

    assert called("upload", "--delete", "last") == 0
    assert server.runs == {}


def test_a_run_that_cannot_be_prepared_keeps_no_other_from_leaving(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "runs" / RUN / "report.json").write_text("{}")
    other = "01m7yb61k3p14f0rs2rvpkqs99"
    stored_run(home / "runs" / other, run_id=other)
    to = ("--collector", server.url, "--collector-key", PUBLIC, "--consent", str(agreed))

    assert called("upload", "--all", "--json", *to) == 2
    said = capsys.readouterr()
    assert f"{RUN} is not uploaded" in said.err
    assert "report.json was changed" in said.err
    rows = {r["run_id"]: r for r in json.loads(said.out)["uploads"]}
    assert (rows[RUN]["state"], rows[other]["state"]) == ("none", "received")
    assert "report.json was changed" in rows[RUN]["reason"]
    assert set(server.runs) == {other}
    assert called("upload", RUN, *to) == 2
    assert set(server.runs) == {other}


def test_a_run_with_too_many_bytes_names_the_command_that_helps(
    home: Path,
    server: Collector,
    agreed: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored_run(home / "runs" / "01m7yb61k3p14f0rs2rvpkqs99", run_id="01m7yb61k3p14f0rs2rvpkqs99")
    monkeypatch.setattr(bundle, "EXPANDED_BYTES_LIMIT", 100)

    assert sent(server, agreed) == 2
    said = capsys.readouterr().err
    assert "a bundle holds" in said
    assert "next step: `mptcp-check upload --verdict-only 01m7yb61k3p14f0rs2rvpkqs99`" in said
    assert (server.uploads, list((home / "outbox").glob("0*"))) == ({}, [])


def test_a_preview_is_what_would_be_sent_and_sends_nothing(
    home: Path, server: Collector, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "preview.tar"
    assert called("upload", "--preview", str(path), "last", "--consent", str(agreed)) == 0
    said = capsys.readouterr().out
    assert "would be sent" in said
    assert "report.json" in said
    assert "nothing was sent" in said
    assert (server.uploads, (home / "outbox").exists()) == ({}, False)
    assert called("upload", "--preview", str(path), "last") == 2
    assert "is there already" in capsys.readouterr().err

    assert sent(server, agreed) == 0
    assert server.runs[RUN] == path.read_bytes()


def test_a_preview_without_an_answer_shows_all_that_could_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPTCP_CHECK_HOME", str(tmp_path))
    stored_run(tmp_path / "runs" / RUN)

    assert called("upload", "--preview", str(tmp_path / "all.tar"), "last") == 0
    assert "captures/client.pcapng" in capsys.readouterr().out
    only = ("upload", "--verdict-only", "--preview", str(tmp_path / "verdict.tar"), "last")
    assert called(*only) == 0
    assert "captures/" not in capsys.readouterr().out
    assert called("upload", "--preview", str(tmp_path / "none.tar")) == 2
    assert "name the runs" in capsys.readouterr().err
