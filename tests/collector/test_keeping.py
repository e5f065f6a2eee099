"""What is kept how long, published, exported and backed up, in both kinds of storage."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyarrow import parquet

from collector_parts import START_NS, TOKEN, Clock, Parts, bundle, configuration, made, parts
from mptcp_check.errors import UsageError
from mptcp_collector import backup, collector
from mptcp_collector.collector import Collector
from mptcp_collector.configuration import Configuration, Retention
from mptcp_collector.exporting import MANIFEST
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.meta import engine
from mptcp_collector.meta.records import (
    Changed,
    Description,
    RunState,
    SeenFinding,
    Verdict,
    Wanted,
)

DAY_NS = 86_400 * 10**9
AFTER = {"Authorization": f"Bearer {TOKEN}"}
RETENTION = Retention(verdict_days=100, traces_days=10, published_days=1000, embargo_days=7)


@pytest.fixture(params=["sqlite and folder", "postgresql and s3"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Configuration]:
    settings = dataclasses.replace(configuration(tmp_path / "state"), retention=RETENTION)
    if request.param == "sqlite and folder":
        yield settings
        return
    url = request.getfixturevalue("postgresql_url")
    endpoint = request.getfixturevalue("s3_endpoint")
    yield dataclasses.replace(
        settings, database=url, blobs=f"s3://bundles/{tmp_path.name}", s3_endpoint=endpoint
    )
    opened = engine.opened(url)
    with opened.begin() as db:
        db.execute(sa.text("DROP SCHEMA public CASCADE"))
        db.execute(sa.text("CREATE SCHEMA public"))
    opened.dispose()


@pytest.fixture
def server(stored: Configuration) -> Iterator[Parts]:
    with parts(stored) as found:
        yield found


def judged(server: Parts, run_id: str, *purposes: str, captures: tuple[str, ...] = ()) -> None:
    octets = bundle(sum(run_id.encode()))
    assert server.client.upload(octets, run_id).status_code == 204
    meta = server.collector.receiving.meta
    told = Description(purposes=purposes, captures=captures, marks={"port": ("80",)})
    public = server.clock.now_ns + RETENTION.embargo_days * DAY_NS
    meta.describe(run_id, told, publish_ns=public if "publish" in purposes else None)
    seen = SeenFinding(behaviour="path_blackholed", state="seen", application="http", port=80)
    meta.add_verdict(
        Verdict(
            run_id=run_id,
            rules_version="3",
            judged_ns=server.clock.now_ns,
            outcome="hung",
            report='{"packets": [1]}',
            findings=(seen,),
        )
    )


def states(server: Parts) -> dict[str, tuple[RunState, bool]]:
    """Return of each run its state, and whether its bundle is there."""
    receiving = server.collector.receiving
    found = {}
    for run_id in ("run-of-a-verdict", "run-with-traces", "run-published"):
        run = receiving.meta.run(run_id)
        assert run is not None
        found[run_id] = (run.state, receiving.blobs.has(run.bundle_sha256))
    return found


def test_runs_are_kept_as_long_as_their_users_agreed_to(server: Parts) -> None:
    judged(server, "run-of-a-verdict", "upload_verdict")
    judged(server, "run-with-traces", "upload_traces", "upload_verdict", captures=("client",))
    published = ("publish", "upload_traces", "upload_verdict")
    judged(server, "run-published", *published, captures=("client",))
    keeping = server.collector.keeping
    assert keeping.tidy() == 0
    here, gone = (RunState.ANALYSED, True), (RunState.DELETED, False)

    server.clock.now_ns = START_NS + 10 * DAY_NS + 1
    assert keeping.tidy() == 1
    assert states(server) == {
        "run-of-a-verdict": here,
        "run-with-traces": (RunState.ANALYSED, False),
        "run-published": here,
    }
    assert keeping.tidy() == 0, "once is enough"
    text = server.client.http.get("/runs/run-with-traces").text
    assert "kept long enough" in text
    assert server.client.receipt("run-with-traces").status_code == 200
    asked: list[str] = []

    def answer(_: str, arguments: Sequence[str], __: object) -> bytes:
        asked.append(arguments[0])
        raise SandboxError("analysis_timeout", "it took too long")

    judging = dataclasses.replace(server.collector.judging, answer=answer)
    assert list(judging.reanalyse()) == []
    assert sorted(asked) == ["run-of-a-verdict", "run-published"]
    assert states(server)["run-published"] == here, "what has a verdict stays with it"
    (verdict,) = server.collector.receiving.meta.verdicts("run-with-traces")
    assert verdict.report == '{"packets": []}'

    server.clock.now_ns = START_NS + 100 * DAY_NS + 1
    assert keeping.tidy() == 2
    assert states(server) == {
        "run-of-a-verdict": gone,
        "run-with-traces": gone,
        "run-published": here,
    }
    server.clock.now_ns = START_NS + 1000 * DAY_NS + 1
    assert keeping.tidy() == 1
    assert list(server.collector.receiving.blobs.digests()) == []
    octets = bundle(sum(b"run-published"))
    answer = server.client.create(octets, "run-published")
    assert answer.status_code == 410, "what is gone cannot come back"


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    manifest = json.loads((folder / MANIFEST).read_text())
    path = folder / manifest["tables"][table]["file"]
    if manifest["format"] == "jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    found: list[dict[str, object]] = parquet.read_table(path).to_pylist()
    return found


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_an_export_has_what_is_public_and_forgets_what_is_deleted(
    server: Parts, tmp_path: Path, kind: str
) -> None:
    for run_id in ("run-published", "run-regretted"):
        judged(server, run_id, "publish", "upload_verdict")
    judged(server, "run-of-a-verdict", "upload_verdict")
    folder = tmp_path / "export"
    exporting = server.collector.exporting
    exporting.write(folder, kind)
    assert rows(folder, "runs") == [], "the embargo is not over"
    server.clock.now_ns += 7 * DAY_NS
    exporting.write(folder, kind)
    assert {row["run_id"] for row in rows(folder, "runs")} == {"run-published", "run-regretted"}
    (finding, _) = rows(folder, "findings")
    assert (finding["behaviour"], finding["port"]) == ("path_blackholed", 80)
    assert rows(folder, "verdicts")[0]["newest"] is True
    assert rows(folder, "marks")[0]["value"] == "80"
    assert exporting.write_again() == 0

    url = "/api/v1/runs/run-regretted"
    assert server.client.http.delete(url, headers=AFTER).status_code == 204
    assert exporting.write_again() == 1
    assert exporting.write_again() == 0
    assert [row["run_id"] for row in rows(folder, "runs")] == ["run-published"]
    for path in folder.iterdir():
        assert b"run-regretted" not in path.read_bytes(), path
    assert len(list(folder.iterdir())) == 5, "four tables and their manifest"


def test_an_export_takes_no_folder_that_is_somebody_elses(server: Parts, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(UsageError, match="something else"):
        server.collector.exporting.write(tmp_path, "jsonl")
    assert (tmp_path / "letter").read_text() == "dear"


def _fill(server: Parts) -> None:
    judged(server, "run-of-a-verdict", "upload_verdict")
    judged(server, "run-with-traces", "upload_traces", "upload_verdict", captures=("client",))
    judged(server, "run-published", "publish", "upload_verdict")
    assert (
        server.client.http.delete("/api/v1/runs/run-of-a-verdict", headers=AFTER).status_code == 204
    )
    meta = server.collector.receiving.meta
    number = meta.begin_reanalysis("3", now_ns=START_NS)
    change = Changed(
        run_id="run-published",
        rules_before="2",
        rules_version="3",
        outcome_before="",
        outcome="hung",
        appeared=("a",),
        gone=(),
    )
    meta.add_change(number, change)
    server.client.create(bundle(77), "run-on-its-way")


def _back_up(settings: Configuration, folder: Path) -> dict[str, int]:
    opened = engine.opened(settings.database_url)
    try:
        blobs = collector.blobs(settings)
        return backup.write(folder, engine=opened, blobs=blobs, state=settings.state)
    finally:
        opened.dispose()


def _restore(settings: Configuration, folder: Path) -> None:
    settings.state.mkdir(parents=True, exist_ok=True)
    opened = engine.opened(settings.database_url)
    try:
        blobs = collector.blobs(settings)
        backup.restore(folder, engine=opened, blobs=blobs, state=settings.state)
    finally:
        opened.dispose()


def _same(one: Collector, other: Collector) -> None:
    for name in ("run-of-a-verdict", "run-with-traces", "run-published"):
        run = one.receiving.meta.run(name)
        assert run == other.receiving.meta.run(name)
        assert one.receiving.meta.verdicts(name) == other.receiving.meta.verdicts(name)
        assert run is not None
        if run.state is not RunState.DELETED:
            with other.receiving.blobs.open(run.bundle_sha256) as blob:
                assert len(blob.read()) == run.size_bytes
    assert one.receiving.meta.audit_lines() == other.receiving.meta.audit_lines()
    assert one.receiving.meta.runs(Wanted()) == other.receiving.meta.runs(Wanted())
    assert one.receiving.meta.changes(1, None) == other.receiving.meta.changes(1, None)
    keys = [c.receiving.key.public_key() for c in (one, other)]
    assert keys[0] == keys[1]


def test_a_backup_taken_while_it_runs_is_restored_into_another_storage(
    server: Parts, stored: Configuration, tmp_path: Path
) -> None:
    _fill(server)
    folder = tmp_path / "backup"
    counts = _back_up(stored, folder)
    assert counts["bundle_count"] == 2
    settings = configuration(tmp_path / "restored")
    _restore(settings, folder)
    other = made(settings, Clock())
    _same(server.collector, other)
    # numbers go on, and a deleted run stays deleted
    other.receiving.meta.note("said", "run-published", now_ns=START_NS)
    lines = [number for number, *_ in other.receiving.meta.audit_lines()]
    assert lines == sorted(set(lines))
    other.close()
    with pytest.raises(UsageError, match="not empty"):
        _restore(settings, folder)


def test_a_backup_goes_back_into_postgresql_and_s3(
    server: Parts, stored: Configuration, tmp_path: Path
) -> None:
    _fill(server)
    before = server.collector.receiving.meta.audit_lines()
    folder = tmp_path / "backup"
    _back_up(stored, folder)
    opened = engine.opened(stored.database_url)
    if opened.dialect.name == "postgresql":
        with opened.begin() as db:
            db.execute(sa.text("DROP SCHEMA public CASCADE"))
            db.execute(sa.text("CREATE SCHEMA public"))
    opened.dispose()
    again = dataclasses.replace(stored, state=tmp_path / "again")
    if stored.blobs:
        again = dataclasses.replace(again, blobs=f"{stored.blobs}-again")
    _restore(again, folder)
    other = made(again, Clock())
    assert other.receiving.meta.audit_lines() == before
    other.receiving.meta.note("said", "run-published", now_ns=START_NS)
    assert other.receiving.meta.audit_lines()[-1][0] > before[-1][0]
    assert sorted(other.receiving.blobs.digests()) == sorted(
        server.collector.receiving.blobs.digests()
    )
    other.close()


def test_a_second_backup_brings_the_folder_up_to_date(
    server: Parts, stored: Configuration, tmp_path: Path
) -> None:
    _fill(server)
    folder = tmp_path / "backup"
    _back_up(stored, folder)
    url = "/api/v1/runs/run-with-traces"
    server.client.http.delete(url, headers=AFTER)
    assert _back_up(stored, folder)["bundle_count"] == 1
    kept = [path for path in (folder / "blobs").glob("*/*") if path.is_file()]
    assert len(kept) == 1, "what was deleted is in no backup any more"


def test_half_a_backup_is_none(server: Parts, stored: Configuration, tmp_path: Path) -> None:
    _fill(server)
    folder = tmp_path / "backup"
    _back_up(stored, folder)
    rows_path = folder / backup.ROWS
    whole = rows_path.read_bytes()
    other = bytes([whole[30] ^ 0xFF])
    for octets in (whole[:-20], b"", whole[:30] + other + whole[31:]):
        rows_path.write_bytes(octets)
        with pytest.raises(UsageError, match="no whole backup"):
            _restore(configuration(tmp_path / "new"), folder)
    rows_path.write_bytes(whole)
    blob = next(path for path in (folder / "blobs").glob("*/*") if path.is_file())
    blob.write_bytes(b"altered")
    with pytest.raises(UsageError, match="not what its name says"):
        _restore(configuration(tmp_path / "newer"), folder)
