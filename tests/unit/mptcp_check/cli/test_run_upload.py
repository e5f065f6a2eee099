"""What becomes of a run when it was measured: nothing of its upload can cost it."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "mptcp_upload"))  # the collector of its tests
from a_collector import PUBLIC, Collector, collector

from a_stored_run import RUN, stored_run
from mptcp_check.cli import run as command
from mptcp_check.cli import verdict
from mptcp_check.cli.collector_options import UploadWish
from mptcp_check.cli.main import main
from mptcp_check.cli.run_upload import Uploaded, after_run, may_send_traces, require_sense
from mptcp_check.errors import UsageError
from mptcp_check.machines.wishes import SessionWish
from mptcp_check.run import Finished, RunOptions
from mptcp_upload import consent, durable, manifest, server_session
from mptcp_upload.consent import Purpose
from mptcp_upload.errors import ConsentError
from mptcp_upload.server_session import ServerSession

OLDER = "01m7yb61k3p14f0rs2rvpkqs00"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPTCP_CHECK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture
def run(home: Path) -> Path:
    return stored_run(home / "runs" / RUN)


@pytest.fixture
def agreed(home: Path) -> Path:
    path = home / "agreed.json"
    consent.write(path, consent.agreed([Purpose.VERDICT]))
    return path


@pytest.fixture
def agreed_to_traces(home: Path) -> Path:
    path = home / "agreed-to-traces.json"
    consent.write(path, consent.agreed([Purpose.VERDICT, Purpose.TRACES]))
    return path


def wish(url: str | None, agreed: Path | None, *, no_upload: bool = False) -> UploadWish:
    key = PUBLIC if url else None
    return UploadWish(no_upload=no_upload, collector=url, collector_key=key, consent_file=agreed)


def whole(run: Path) -> bool:
    return manifest.differences(run) == ()


def test_a_run_with_consent_is_received(server: Collector, run: Path, agreed: Path) -> None:
    done = after_run(wish(server.url, agreed), run)

    assert done == Uploaded(state="received", url=f"{server.url}/runs/{RUN}")
    assert whole(run)


def test_without_a_network_it_waits_and_the_next_run_takes_it_along(
    home: Path, run: Path, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = stored_run(home / "runs" / OLDER, run_id=OLDER)
    with collector() as server:
        url = server.url
    done = after_run(wish(url, agreed), older)
    assert (done.state, done.url, done.exit_code) == ("pending", None, 6)
    assert "does not answer" in str(done.reason)
    assert "stays in the outbox" in capsys.readouterr().err
    with collector(int(url.rpartition(":")[2])) as server:
        assert after_run(wish(url, agreed), run).state == "received"
        assert set(server.runs) == {OLDER, RUN}


def test_where_nobody_can_be_asked_nothing_leaves(
    server: Collector, run: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = after_run(wish(server.url, None), run)

    assert (done.state, done.exit_code) == ("none", 7)
    assert "nobody agreed to an upload yet" in capsys.readouterr().err
    assert (server.uploads, (home / "outbox" / RUN).exists()) == ({}, False)


def test_a_consent_file_that_is_none_is_said_before_anything_is_measured(
    server: Collector, home: Path
) -> None:
    with pytest.raises(ConsentError, match="there is no"):
        require_sense(wish(server.url, home / "missing.json"))
    (home / "bad.json").write_text("{}")
    with pytest.raises(ConsentError, match="holds no consent"):
        require_sense(wish(server.url, home / "bad.json"))


def test_who_agreed_to_analysing_only_uploads_nothing(
    server: Collector, run: Path, home: Path
) -> None:
    consent.write(home / "consent.json", consent.agreed([Purpose.ANALYSE]))

    assert after_run(wish(server.url, None), run).exit_code == 0
    assert server.uploads == {}


def test_a_collector_whose_key_changed_is_said_before_anything_is_measured(
    server: Collector, run: Path, agreed: Path
) -> None:
    assert after_run(wish(server.url, agreed), run).state == "received"
    forged = UploadWish(
        no_upload=False, collector=server.url, collector_key="00" * 32, consent_file=agreed
    )

    with pytest.raises(UsageError, match="another key is pinned"):
        require_sense(forged)
    assert after_run(forged, run).exit_code == UsageError.exit_code


def test_consent_without_a_collector_is_said(
    agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_sense(wish(None, agreed))
    assert "--consent without a collector" in capsys.readouterr().err


def test_without_a_collector_nobody_is_asked_and_nothing_happens(run: Path) -> None:
    assert after_run(wish(None, None), run) == Uploaded()


def test_no_upload_leaves_alone_what_waits(server: Collector, home: Path, agreed: Path) -> None:
    older = stored_run(home / "runs" / OLDER, run_id=OLDER)
    server.limits = {"schema_oldest": 2}
    assert after_run(wish(server.url, agreed), older).state == "pending"
    server.limits = {}
    off = wish(server.url, agreed, no_upload=True)

    assert after_run(off, older) == Uploaded()
    assert server.runs == {}


def test_withdrawn_consent_stops_what_waits(server: Collector, home: Path, run: Path) -> None:
    older = stored_run(home / "runs" / OLDER, run_id=OLDER)
    consent.write(home / "consent.json", consent.agreed([Purpose.VERDICT]))
    server.limits = {"schema_oldest": 2}
    assert after_run(wish(server.url, None), older).state == "pending"
    server.limits = {}
    assert consent.withdraw(home / "consent.json")

    assert after_run(wish(server.url, None), run).state == "none"
    assert server.runs == {}


def test_a_refused_run_is_kept_and_said(
    server: Collector, run: Path, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [(409, "run_exists_with_other_digest", {})]
    done = after_run(wish(server.url, agreed), run)

    assert (done.state, done.exit_code) == ("refused", 6)
    assert "run_exists_with_other_digest" in str(done.reason)
    assert "another bundle under this run's identifier" in capsys.readouterr().err
    assert whole(run)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_costs_the_upload_and_not_the_run(
    run: Path,
    agreed: Path,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = wish("https://collector.example", agreed)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code), "outbox")

    monkeypatch.setattr(durable.Disk, "write", fail)
    done = after_run(to, run)

    assert (done.state, done.exit_code) == ("none", 6)
    said = capsys.readouterr().err
    assert os.strerror(code).lower() in said
    assert f"the run is kept in {run}" in said
    assert whole(run)


def test_a_run_that_cannot_be_made_safe_stays_here(
    server: Collector, run: Path, agreed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = wish(server.url, agreed)
    (run / "logs" / "probe.log").write_text("changed")
    done = after_run(to, run)

    assert (done.state, done.exit_code) == ("none", 2)
    assert "logs/probe.log was changed" in capsys.readouterr().err
    assert server.uploads == {}


TICKET = "e30.eyJpc3MiOiAibWVhc3VyZS0xIn0.c2lnbmF0dXJl"


@pytest.fixture
def measured_at_a_server(run: Path) -> Path:
    url = "https://measure.example"
    session = ServerSession(server=url, session_id="s1", run_id=RUN, ticket=TICKET)
    server_session.write(run, session)
    about = {k: v for k, v in manifest.read(run).items() if k != "members"}
    manifest.write(run, manifest.build(run, about=about))
    return run


def test_the_ticket_goes_beside_the_bundle_and_never_in_it(
    server: Collector, measured_at_a_server: Path, agreed_to_traces: Path
) -> None:
    done = after_run(wish(server.url, agreed_to_traces), measured_at_a_server)

    assert done.state == "received"
    assert server.tickets == [TICKET]
    assert TICKET.encode() not in server.runs[RUN]
    assert b'"server_id":"measure-1","session_id":"s1"' in server.runs[RUN]


def test_who_agreed_to_the_verdict_only_gives_no_ticket_to_the_traces(
    server: Collector, measured_at_a_server: Path, agreed: Path
) -> None:
    assert after_run(wish(server.url, agreed), measured_at_a_server).state == "received"
    assert server.tickets == [""]


def test_a_server_keeps_its_half_unless_it_was_said_that_no_traces_leave(
    home: Path, agreed: Path, agreed_to_traces: Path
) -> None:
    assert may_send_traces(wish(None, None))  # nobody was asked yet
    assert may_send_traces(wish(None, agreed_to_traces))
    assert not may_send_traces(wish(None, agreed_to_traces, no_upload=True))
    assert not may_send_traces(wish(None, agreed))
    consent.write(home / "consent.json", consent.agreed([Purpose.ANALYSE]))
    assert not may_send_traces(wish(None, None))
    assert may_send_traces(wish(None, agreed_to_traces))


@pytest.mark.parametrize(("words", "keeps"), [((), True), (("--no-upload",), False)])
def test_the_command_tells_a_public_server_whether_to_keep_its_half(
    home: Path,
    run: Path,
    words: tuple[str, ...],
    keeps: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert home
    told = []
    finished = Finished(directory=run, document={"report": {"findings": []}})

    def measured(options: RunOptions, _: object) -> Finished:
        told.append(options.wanted.server)
        return finished

    monkeypatch.setattr(command, "run_everything", measured)
    monkeypatch.setattr(verdict, "show", lambda *_, **__: None)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--server", "https://measure.example", *words])

    assert ended.value.code == 0
    [server] = told
    assert isinstance(server, SessionWish)
    assert (server.keeps, str(server)) == (keeps, "https://measure.example")


def test_the_command_says_how_the_upload_ended(
    server: Collector,
    run: Path,
    agreed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = {"report": {"findings": []}, "upload": {"state": "none", "url": None}}
    finished = Finished(directory=run, document=document)
    monkeypatch.setattr(command, "run_everything", lambda *_: finished)
    monkeypatch.setattr(verdict, "show", lambda *_, **__: None)
    to = ["--collector", server.url, "--collector-key", PUBLIC, "--consent", str(agreed)]

    def called(*more: str) -> tuple[int, dict[str, object]]:
        with pytest.raises(SystemExit) as ended:
            main(["run", "--json", *more])
        upload = json.loads(capsys.readouterr().out)["upload"]
        return int(ended.value.code or 0), upload

    none: dict[str, object] = {"state": "none", "url": None, "reason": None}
    assert called("--no-upload", *to) == (0, none)
    server.limits = {"schema_oldest": 2}
    code, upload = called(*to)
    assert (code, upload["state"], upload["url"]) == (6, "pending", None)
    server.limits = {}
    code, upload = called(*to)
    assert (code, upload["state"]) == (0, "received")
    assert upload["url"] == f"{server.url}/runs/{RUN}"
    with pytest.raises(SystemExit):
        main(["runs", "show", "last", "--json"])
    assert json.loads(capsys.readouterr().out)["upload"] == upload


def test_what_the_settings_say_of_uploads_holds_for_runs_too(
    server: Collector,
    home: Path,
    run: Path,
    agreed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / "config.toml").write_text(
        f'[upload]\ncollector = "{server.url}"\ncollector-key = "{PUBLIC}"\nconsent = "{agreed}"\n'
    )
    finished = Finished(directory=run, document={"report": {"findings": []}})
    monkeypatch.setattr(command, "run_everything", lambda *_: finished)
    monkeypatch.setattr(verdict, "show", lambda *_, **__: None)

    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 0
    assert RUN in server.runs
