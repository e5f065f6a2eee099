"""Clocks, certificates, tickets and answers that are wrong: a clear line, and the run is safe."""

import hashlib
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # its collector is a module beside it
from a_collector import PUBLIC, Collector, collector
from certificates import Authority

from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.errors import UploadError
from mptcp_upload.outbox import Entry, Outbox, State
from mptcp_upload.pace import Pace
from mptcp_upload.sending import deliver

BUNDLE = bytes(range(256)) * 4
RUN = "01m7yb61k3p14f0rs2rvpkqs67"


class Quiet:
    def __init__(self) -> None:
        self.waited: list[str] = []

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        pass

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:  # noqa: ARG002
        self.waited.append(reason)


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


def entry_for(url: str, **more: object) -> Entry:
    entry = Entry(
        run_id=RUN,
        bundle_sha256=hashlib.sha256(BUNDLE).hexdigest(),
        size_bytes=len(BUNDLE),
        collector=url,
        collector_key=PUBLIC,
        deletion_token="t",  # noqa: S106 - a test's
    )
    return replace(entry, **more)  # type: ignore[arg-type]


def sent(folder: Path, entry: Entry, quiet: Quiet | None = None) -> Entry:
    box = Outbox(folder / "outbox")
    pace = Pace(
        monotonic_ns=lambda: 0,
        sleep=lambda _: None,
        rng=random.Random(1),  # noqa: S311 - waits are no secret
        attempt_count=3,
    )
    with CollectorClient(entry.collector) as client:
        done = deliver(box, box.put(entry, BUNDLE), client, pace, quiet or Quiet())
    assert box.get(RUN) == done
    assert box.bundle(done) == BUNDLE
    return done


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"begins_in_days": -30, "ends_in_days": -1}, "certificate has expired"),
        ({"begins_in_days": 1, "ends_in_days": 30}, "certificate is not yet valid"),
        ({"address": "192.0.2.7"}, "IP address mismatch"),
        (None, "unable to get local issuer certificate"),
    ],
    ids=["clock behind or certificate old", "clock ahead", "another host", "nobody's"],
)
def test_a_certificate_that_does_not_hold_gets_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: dict[str, object] | None,
    said: str,
) -> None:
    authority = Authority(tmp_path)
    if certificate is not None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    context = authority.server(**certificate or {})  # type: ignore[arg-type]
    with collector(tls=context) as server:
        quiet = Quiet()
        done = sent(tmp_path, entry_for(server.url), quiet)
    assert done.state is State.PENDING
    assert said in done.reason
    assert "clock" in done.hint
    assert quiet.waited == []  # seconds mend no certificate
    assert (server.uploads, server.runs) == ({}, {})


def test_a_certificate_that_holds_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with collector(tls=authority.server()) as server:
        assert sent(tmp_path, entry_for(server.url)).state is State.RECEIVED


@pytest.mark.parametrize("word", ["ticket_too_old", "ticket_invalid", "ticket_of_another_run"])
def test_a_ticket_that_is_not_taken_keeps_no_run_from_being_taken(
    tmp_path: Path, server: Collector, word: str
) -> None:
    server.answers = [(401, word, {})]
    done = sent(tmp_path, entry_for(server.url, ticket="a.b.c"))

    assert (done.state, done.ticket) == (State.RECEIVED, "")
    assert server.tickets == [""]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"bundle_bytes": 1023}, "the bundle has 1024 bytes"),
        ({"expanded_bytes": 4095}, "expands to 4096 bytes"),
        ({"netblock_bytes_per_day": 1000}, "a day from one network"),
        ({"schema_oldest": 2, "schema_newest": 2}, "from schema 2 on, this program makes 1"),
        ({"schema_oldest": 0, "schema_newest": 0}, "up to schema 0, this program makes 1"),
    ],
)
def test_what_is_beyond_a_limit_is_said_before_a_byte_leaves(
    tmp_path: Path, server: Collector, limits: dict[str, int], said: str
) -> None:
    server.limits = limits
    quiet = Quiet()
    done = sent(tmp_path, entry_for(server.url, expanded_bytes=4096), quiet)

    assert done.state is State.PENDING
    assert said in done.reason
    assert done.hint
    assert (server.uploads, quiet.waited) == ({}, [])
    server.limits = {}
    assert sent(tmp_path, entry_for(server.url)).state is State.RECEIVED


def test_a_ticket_lifts_the_quota(tmp_path: Path, server: Collector) -> None:
    server.limits = {"netblock_bytes_per_day": 1000, "bundle_bytes": 1024, "schema_newest": 1}

    assert sent(tmp_path, entry_for(server.url, ticket="a.b.c")).state is State.RECEIVED


@pytest.mark.parametrize(
    "limits", [{"bundle_bytes": "many"}, {"bundle_bytes": -1}, {"schema_newest": True}, {"x": []}]
)
def test_limits_that_are_none_limit_nothing(
    tmp_path: Path, server: Collector, limits: dict[str, object]
) -> None:
    server.limits = limits

    assert sent(tmp_path, entry_for(server.url)).state is State.RECEIVED


@pytest.mark.parametrize("url", ["ftp://x", "collector.example", "https://", "http://x/?a=b", ""])
def test_what_is_no_collectors_url_is_said(url: str) -> None:
    with pytest.raises(UploadError, match="is not the URL of a collector"):
        CollectorClient(url)


def test_passwords_of_this_computer_are_not_sent(
    tmp_path: Path, server: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login carol password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    done = sent(tmp_path, entry_for(server.url))
    with CollectorClient(server.url) as client:
        client.delete(RUN, done.deletion_token)

    assert server.authorizations == {f"Bearer {done.deletion_token}"}
