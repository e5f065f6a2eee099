"""`mptcp-check collector`: what an operator does besides serving."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from collector_parts import START_NS, Client, Clock, configuration, made
from collector_runs import run_bundle
from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_check.cli.main import cli
from mptcp_check.errors import MptcpCheckError, UsageError
from mptcp_collector import configuration as configurations
from mptcp_collector import review_token
from mptcp_collector.api import application
from mptcp_collector.configuration import MeasurementServer
from mptcp_collector.meta.records import Verdict

RUN_ID = "run-of-an-operator"
FOUND = "mp_capable_removed_from_syn"

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    path = tmp_path / "collector.toml"
    path.write_text(f'state = "{tmp_path}/state"\npublic_url = "https://collector.example"\n')

    def called(*arguments: str, config: Path = path) -> Result:
        command = ["collector", *arguments, "--config", str(config)]
        return CliRunner().invoke(cli, command)

    return called


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A public run that former rules found clean."""
    settings = configuration(tmp_path / "state")
    found = made(settings, Clock())
    with TestClient(application.make(found)) as http:
        assert Client(http).upload(run_bundle(RUN_ID, FOUND), RUN_ID).status_code == 204
    former = Verdict(
        run_id=RUN_ID, rules_version="0", judged_ns=START_NS, outcome="mptcp", report="{}"
    )
    found.receiving.meta.add_verdict(former)
    found.close()
    return RUN_ID


def test_reanalysis_says_what_changed_as_a_table_and_as_a_document(call: Call, run: str) -> None:
    done = call("reanalyse")
    assert done.exit_code == 0, done.output
    assert run in done.stdout
    assert f"+{FOUND}" in "".join(done.stdout.split())
    assert "1 runs judged, 1 otherwise than before" in done.stderr
    document = json.loads(call("reanalyse", "--json").stdout)
    assert document["schema"] == "mptcp-check.reanalysis/1"
    assert document["rules_version"] == RULES_VERSION
    assert (document["judged_count"], document["changed"]) == (1, [])


def test_a_run_goes_to_a_backup_and_back_and_out(call: Call, run: str, tmp_path: Path) -> None:
    backup = str(tmp_path / "backup")
    assert "1 bundles" in call("backup", "--to", backup).stdout
    other = tmp_path / "other.toml"
    other.write_text(f'state = "{tmp_path}/other"\npublic_url = "https://other.example"\n')
    assert "1 bundles" in call("restore", "--from", backup, config=other).stdout
    lines = [json.loads(line) for line in call("audit", config=other).stdout.splitlines()]
    assert [line["action"] for line in lines] == ["received", "judged by 0"]

    assert "is deleted" in call("remove", run).stdout
    lines = [json.loads(line) for line in call("audit", "--after", "2").stdout.splitlines()]
    assert [line["action"] for line in lines] == ["deleted by the operator"]
    with pytest.raises(UsageError, match="deleted"):
        raise_from(call("remove", run))
    with pytest.raises(UsageError, match="no such run"):
        raise_from(call("remove", "nobody-knows-it"))


def raise_from(done: Result) -> None:
    assert isinstance(done.exception, MptcpCheckError), done.exception
    raise done.exception


def test_an_export_names_its_tables(call: Call, run: str, tmp_path: Path) -> None:
    assert run
    done = call("export", "--to", str(tmp_path / "export"), "--format", "jsonl")
    assert done.exit_code == 0, done.output
    assert {line.split()[1] for line in done.stdout.splitlines()} == {
        "runs",
        "verdicts",
        "findings",
        "marks",
    }


def test_the_reviewers_token_is_told_once_and_only_its_digest_kept(
    call: Call, tmp_path: Path
) -> None:
    token = call("review-token").stdout.strip()
    path = tmp_path / "state" / review_token.FILE
    assert token not in path.read_text()
    assert review_token.holds(token, review_token.load(path))
    assert not review_token.holds("another", review_token.load(path))
    assert call("review-token").stdout.strip() != token
    assert not review_token.holds(token, review_token.load(path))
    path.write_text("short")
    with pytest.raises(UsageError, match="no digest"):
        review_token.load(path)


def load(more: str) -> configurations.Configuration:

    text = f'state = "/state"\npublic_url = "https://collector.example"\n{more}'
    return configurations.from_values(tomllib.loads(text), source="collector.toml")


def test_measurement_servers_are_a_key_alone_or_more() -> None:
    found = load("""
        [measurement_servers]
        old = "old.pem"
        [measurement_servers."server.example"]
        key = "new.pem"
        url = "https://server.example:34380"
        captures = "/srv/captures"
        [retention]
        traces_days = 0
    """)
    assert found.measurement_servers["old"] == MeasurementServer(key="old.pem")
    assert found.measurement_servers["server.example"].captures == "/srv/captures"
    assert found.retention == replace(configurations.Retention(), traces_days=0)
    assert load("listen_port = 0").listen_port == 0


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("[measurement_servers]\na = 5", "measurement_servers.a is no table"),
        ("[measurement_servers.a]\nurl = 'https://x'", "measurement_servers.a.key is missing"),
        (
            "[measurement_servers.a]\nkey = 'k'\nport = 5",
            "measurement_servers.a.port is no setting",
        ),
        ("[measurement_servers.a]\nkey = 'k'\nurl = 'http://x/'", "cannot be used"),
        ("[measurement_servers.a]\nkey = 'k'\nurl = 'https://x'\nfingerprint = 'y'", "fingerprint"),
        ("[retention]\ntraces_days = -1", "retention.traces_days cannot be -1"),
        ("measurement_servers = 5", "measurement_servers is no table"),
        ("listen_port = -1", "listen_port cannot be -1"),
        ("blobs = 5", "blobs cannot be 5"),
    ],
)
def test_a_configuration_that_cannot_be_says_which_setting(more: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        load(more)


@pytest.mark.parametrize(
    "url", ["collector.example", "ftp://x", "https://", "http://[", "http://x/?a"]
)
def test_receipts_never_name_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="public_url cannot be"):
        configurations.from_values({"state": "/state", "public_url": url}, source="x")
