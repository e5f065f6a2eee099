"""The same for SQLite and a PostgreSQL that really runs."""

import dataclasses
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from collector_parts import START_NS
from mptcp_check.errors import UsageError
from mptcp_collector.meta import engine, tables
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import (
    CaptureState,
    Changed,
    Description,
    Export,
    Run,
    RunState,
    SeenFinding,
    ServerCapture,
    Upload,
    Verdict,
    Wanted,
)
from mptcp_collector.meta.sql_store import SqlStore

QUOTA_BYTES = 1000


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/collector.sqlite"
    found: str = request.getfixturevalue("postgresql_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[MetaStore]:
    opened = engine.opened(url)
    found = SqlStore(opened)
    yield found
    if opened.dialect.name == "postgresql":
        # the audit log lets nothing be deleted: everything goes
        with opened.begin() as db:
            db.execute(sa.text("DROP SCHEMA public CASCADE"))
            db.execute(sa.text("CREATE SCHEMA public"))
    found.close()


def upload(number: int = 0, **changes: object) -> Upload:
    values = Upload(
        id=f"{number:032x}",
        run_id="run-of-these-tests",
        bundle_sha256="ab" * 32,
        size_bytes=100,
        schema=1,
        deletion_sha256="cd" * 32,
        netblock="192.0.2.0/24",
        ticket="",
        created_ns=START_NS,
        expires_ns=START_NS + 1,
    )
    return dataclasses.replace(values, **changes)


def run(run_id: str = "run-of-these-tests", **changes: object) -> Run:
    values = Run(
        run_id=run_id,
        bundle_sha256="ab" * 32,
        size_bytes=100,
        schema=1,
        deletion_sha256="cd" * 32,
        ticket="",
        received_ns=START_NS,
        receipt='{"signed": "ä"}',
    )
    return dataclasses.replace(values, **changes)


def verdict(run_id: str, rules: str, outcome: str, *seen: SeenFinding, at: int = 0) -> Verdict:
    return Verdict(
        run_id=run_id,
        rules_version=rules,
        judged_ns=START_NS + at,
        outcome=outcome,
        report="{}",
        findings=seen,
    )


def test_the_migrations_make_the_tables(url: str) -> None:
    for _ in range(2):  # the second start finds them
        opened = engine.opened(url)
        with opened.connect() as db:
            differences = compare_metadata(MigrationContext.configure(db), tables.metadata)
        opened.dispose()
        assert differences == []


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later.sqlite"
    opened = engine.opened(url)
    with opened.begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    opened.dispose()
    with pytest.raises(UsageError, match="9999"):
        engine.opened(url)


def test_an_upload_is_kept_once(store: MetaStore) -> None:
    first = store.open_upload(upload(1), quota_bytes=QUOTA_BYTES)
    again = store.open_upload(upload(2), quota_bytes=QUOTA_BYTES)
    assert again == first == store.upload(f"{1:032x}")
    assert store.uploads(finished=False) == [first]
    assert store.uploads(finished=True) == []
    store.forget_upload(f"{1:032x}")
    assert store.upload(f"{1:032x}") is None


def test_the_quota_is_of_a_netblock_without_tickets(store: MetaStore) -> None:
    def ask(number: int, **changes: object) -> bool:
        wish = upload(number, run_id=f"quota-{number}", size_bytes=600, **changes)
        return store.open_upload(wish, quota_bytes=QUOTA_BYTES) is not None

    assert ask(1)
    assert not ask(2)
    assert ask(3, ticket="server session")
    assert not ask(4)
    assert ask(5, netblock="198.51.100.0/24")


def test_many_at_once_do_not_get_more_than_the_quota_and_one_run_stays_one(
    store: MetaStore,
) -> None:
    def ask(number: int) -> bool:
        wish = upload(number, run_id=f"at-once-{number}")
        return store.open_upload(wish, quota_bytes=QUOTA_BYTES) is not None

    def add(number: int) -> str:
        return store.add_run(run(receipt=f"receipt {number}"), upload_id="").receipt

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(40))) == QUOTA_BYTES // 100
        assert len(set(pool.map(add, range(40)))) == 1


def test_a_run_finishes_its_upload_and_another_digest_changes_nothing(store: MetaStore) -> None:
    store.open_upload(upload(1), quota_bytes=QUOTA_BYTES)
    other = run(bundle_sha256="ef" * 32)
    assert store.add_run(run(), upload_id="unknown") == run()
    assert store.add_run(other, upload_id=f"{1:032x}") == run()
    assert store.uploads(finished=True) == []
    assert store.add_run(run(receipt="later"), upload_id=f"{1:032x}") == run()
    assert [one.id for one in store.uploads(finished=True)] == [f"{1:032x}"]


def test_every_verdict_is_kept_and_the_newest_counts_in_lists(store: MetaStore) -> None:
    store.add_run(run(), upload_id="")
    seen = SeenFinding(
        behaviour="mp_capable_removed_from_syn", state="seen", application="http", port=80
    )
    first = verdict(run().run_id, "1", "fell_back_at_handshake", seen)
    assert store.add_verdict(first)
    assert not store.add_verdict(verdict(run().run_id, "1", "mptcp"))
    second = verdict(run().run_id, "2", "mptcp", at=1)
    assert store.add_verdict(second)
    assert store.verdicts(run().run_id) == [second, first]
    assert store.runs(Wanted(outcome="mptcp"))[0] == 1
    assert store.runs(Wanted(outcome="fell_back_at_handshake")) == (0, [])
    assert store.runs(Wanted(behaviour=seen.behaviour)) == (0, [])
    assert store.counts() == {"received": 0, "analysed": 1, "quarantined": 0, "deleted": 0}


def test_runs_are_chosen_by_what_was_found_where_and_when(store: MetaStore) -> None:
    for number, (behaviour, application, port) in enumerate(
        itertools.product(("a", "b"), ("http", "ftp"), (80, 443))
    ):
        run_id = f"chosen-run-{number}"
        store.add_run(run(run_id, received_ns=START_NS + number), upload_id="")
        found = SeenFinding(behaviour=behaviour, state="seen", application=application, port=port)
        not_seen = dataclasses.replace(found, behaviour="c", state="not_seen")
        store.add_verdict(verdict(run_id, "1", behaviour, found, not_seen))
        marks = {"application": (application,), "port": (str(port),), "network": ("bridged",)}
        told = Description(purposes=("publish",), captures=("client",), marks=marks)
        store.describe(run_id, told, publish_ns=START_NS + 100 + number)

    def chosen(**wanted: object) -> list[int]:
        total, page = store.runs(Wanted(**wanted))
        numbers = [int(one.run.run_id.rpartition("-")[2]) for one in page]
        assert total >= len(numbers)
        return numbers

    assert chosen() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert chosen(behaviour="a") == [3, 2, 1, 0]
    assert chosen(behaviour="c") == []
    assert chosen(application="ftp", port=443) == [7, 3]
    assert chosen(outcome="b", application="http") == [5, 4]
    assert chosen(since_ns=START_NS + 2, until_ns=START_NS + 4) == [3, 2]
    assert chosen(limit=2, offset=2) == [5, 4]
    assert chosen(behaviour="' OR 1=1 --") == []
    assert chosen(network="bridged", behaviour="a", port=80) == [2, 0]
    assert chosen(network="embedded") == []
    assert chosen(public_at_ns=START_NS + 101) == [1, 0]
    _, (line,) = store.runs(Wanted(limit=1))
    assert (line.outcome, line.behaviours, line.marks["port"]) == ("b", ("b",), ("443",))
    facets = store.facets(START_NS + 100)
    assert facets == {
        "outcome": [("a", 1)],
        "behaviour": [("a", 1)],
        "application": [("http", 1)],
        "port": [("80", 1)],
        "network": [("bridged", 1)],
    }
    assert store.facets(None)["port"] == [("443", 4), ("80", 4)]


def test_a_deleted_run_leaves_a_tombstone_only(store: MetaStore) -> None:
    store.open_upload(upload(1), quota_bytes=QUOTA_BYTES)
    store.add_run(run(), upload_id=f"{1:032x}")
    store.add_verdict(verdict(run().run_id, "1", "mptcp"))
    assert store.bundle_wanted("ab" * 32)
    store.delete_run(run().run_id, now_ns=START_NS + 5)
    left = store.run(run().run_id)
    assert left is not None
    assert (left.state, left.receipt, left.ticket) == (RunState.DELETED, "", "")
    assert not store.bundle_wanted("ab" * 32)
    assert store.deleted_bundles() == ["ab" * 32]
    assert (store.verdicts(run().run_id), store.uploads(finished=True)) == ([], [])
    assert store.runs(Wanted()) == (0, [])
    assert not store.add_verdict(verdict(run().run_id, "2", "mptcp"))
    store.quarantine(run().run_id, "bad_bundle", now_ns=START_NS + 6)
    assert store.run(run().run_id) == left
    assert store.audit(run().run_id)[:3] == [
        (START_NS, "received"),
        (START_NS, "judged by 1"),
        (START_NS + 5, "deleted"),
    ]


def test_quarantine_keeps_its_reason(store: MetaStore) -> None:
    store.add_run(run(), upload_id="")
    assert [one.run_id for one in store.runs_in(RunState.RECEIVED, limit=5)] == [run().run_id]
    store.quarantine(run().run_id, "bad_bundle: no manifest", now_ns=START_NS)
    (held,) = store.runs_in(RunState.QUARANTINED, limit=5)
    assert held.reason == "bad_bundle: no manifest"


def test_the_audit_log_is_only_added_to_and_quotes_nobody(store: MetaStore, url: str) -> None:
    store.add_run(run(), upload_id="")
    store.quarantine(run().run_id, "bad_bundle: member 192.0.2.77 is missing", now_ns=START_NS)
    lines = store.audit_lines()
    assert [(action, subject) for _, _, action, subject in lines] == [
        ("received", run().run_id),
        ("quarantined: bad_bundle", run().run_id),
    ]
    assert store.audit_lines(after=lines[0][0]) == lines[1:]
    opened = engine.opened(url)
    for statement in ("UPDATE audit SET action = 'nothing'", "DELETE FROM audit"):
        with pytest.raises(sa.exc.DBAPIError, match="only ever added"), opened.begin() as db:
            db.execute(sa.text(statement))
    opened.dispose()
    assert store.audit_lines() == lines


def test_a_servers_capture_waits_with_its_ticket_and_loses_it_when_it_is_there(
    store: MetaStore,
) -> None:
    wanted = ServerCapture(
        run_id=run().run_id,
        server_id="server",
        session_id="5e5510",
        token="a bearer secret",  # noqa: S106 - a test's
        collect_until_ns=START_NS + 10,
    )
    store.add_run(run(), upload_id="", capture=wanted)
    assert store.captures_due(START_NS, limit=5) == [wanted]
    later = dataclasses.replace(wanted, next_try_ns=START_NS + 5, reason="it runs")
    assert store.set_server_capture(later, note="", now_ns=START_NS)
    assert store.captures_due(START_NS + 4, limit=5) == []
    assert store.captures_due(START_NS + 5, limit=5) == [later]

    store.add_verdict(verdict(run().run_id, "1", "mptcp"))
    joined = dataclasses.replace(later, state=CaptureState.JOINED, token="", sha256="99" * 32)
    assert store.set_server_capture(joined, note="joined", now_ns=START_NS)
    assert store.server_capture(run().run_id) == joined
    assert store.bundle_wanted("99" * 32)
    (again,) = store.runs_in(RunState.RECEIVED, limit=5)
    assert again.run_id == run().run_id
    assert not store.set_server_capture(later, note="", now_ns=START_NS), "it is not undone"

    store.delete_run(run().run_id, now_ns=START_NS)
    assert not store.bundle_wanted("99" * 32)
    assert "99" * 32 in store.deleted_bundles()


def test_traces_go_and_the_verdict_stays_without_packets(store: MetaStore) -> None:
    store.add_run(run(), upload_id="")
    told = Description(purposes=("upload_traces",), captures=("client",), marks={"port": ("80",)})
    store.describe(run().run_id, told, publish_ns=None)
    report = '{"report": {"packets": [1], "findings": []}}'
    judged = dataclasses.replace(verdict(run().run_id, "1", "mptcp"), report=report)
    store.add_verdict(judged)
    assert [one.run_id for one in store.received_before(START_NS + 1)] == [run().run_id]
    assert store.received_before(START_NS) == []
    store.expire_traces(run().run_id, now_ns=START_NS + 7)
    left = store.run(run().run_id)
    assert left is not None
    assert (left.captures, left.traces_gone_ns) == ("", START_NS + 7)
    assert store.verdicts(run().run_id)[0].report == '{"report": {"packets": [], "findings": []}}'
    assert not store.bundle_wanted("ab" * 32)


def test_what_a_reanalysis_changed_is_kept_and_goes_with_its_run(store: MetaStore) -> None:
    store.add_run(run(), upload_id="")
    number = store.begin_reanalysis("2", now_ns=START_NS)
    change = Changed(
        run_id=run().run_id,
        rules_before="1",
        rules_version="2",
        outcome_before="mptcp",
        outcome="hung",
        appeared=("a", "b"),
        gone=(),
    )
    store.add_change(number, change)
    store.end_reanalysis(number, 1)
    (done,) = store.reanalyses()
    assert (done.id, done.judged_count) == (number, 1)
    assert store.changes(number, None) == [change]
    assert store.changes(number, START_NS) == [], "the run is not public"
    store.delete_run(run().run_id, now_ns=START_NS)
    assert store.changes(number, None) == []


def test_an_export_is_remembered_by_its_folder(store: MetaStore) -> None:
    for made_ns in (1, 2):
        store.set_export(Export(folder="/a", format="jsonl", made_ns=made_ns, audit_id=5))
    assert store.exports() == [Export(folder="/a", format="jsonl", made_ns=2, audit_id=5)]
