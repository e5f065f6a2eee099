"""`lab run` and `lab matrix` as their users call them."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mptcp_check.lab.kernel_boxes import KERNEL_BOXES
from mptcp_upload import manifest

pytestmark = pytest.mark.lab

LIMIT_S = 600
"""Of each call, on a busy computer."""


def lab(*words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-c", "from mptcp_check.cli.main import main; main()", "lab", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == code, done.stderr
    return done


def run(out: Path, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(lab("run", "--json", "--out", str(out), *words).stdout)
    return document


def test_a_run_is_written_as_runs_are_and_told_in_words(tmp_path: Path) -> None:
    out = tmp_path / "run"

    done = lab("run", "mp_join_removed:removal=delete", "--out", str(out), "--first", "server")

    assert "removed MP_JOIN" in done.stderr
    assert "mp_join_removed" in done.stderr
    assert sorted(p.name for p in out.iterdir()) == [
        "captures",
        "exchanges.json",
        "manifest.json",
        "report.html",
        "report.json",
    ]
    assert sorted(p.name for p in (out / "captures").iterdir()) == [
        "client.pcapng",
        "server.pcapng",
    ]
    assert manifest.read(out)["behind"] == ["mp_join_removed:removal=delete"]
    document = json.loads((out / "report.json").read_text())
    assert document["machine"] == "namespaces"
    assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp_degraded"]


def test_real_applications_run_behind_two_boxes(tmp_path: Path) -> None:
    document = run(
        tmp_path / "run",
        "address_translated",
        "mp_capable_removed_from_syn",
        *("--apps", "http", "--checksum", "--paths", "1", "--family", "ipv6"),
    )

    over_mptcp = [e for e in document["exchanges"] if e["transport"] == "mptcp"]
    assert {(e["app"], e["family"], e["checksum"], e["paths"]) for e in over_mptcp} == {
        ("http", "ipv6", True, 1)
    }
    assert {e["outcome"] for e in over_mptcp} == {"fell_back_at_handshake"}
    assert all(e["sha256_ok"] for e in document["exchanges"])
    seen = {f["behaviour"] for f in document["report"]["findings"] if f["state"] == "seen"}
    assert seen >= {"address_translated", "mp_capable_removed_from_syn"}


def test_the_kernel_ftp_gateway_rewrites_the_port_command_of_a_real_client(tmp_path: Path) -> None:
    out = tmp_path / "run"

    document = run(out, "kernel:ftp_helper", "--paths", "1")

    exchanges = json.loads((out / "exchanges.json").read_text())["exchanges"]
    active = [
        e
        for e in exchanges
        if e["exchange"]["mode"] == "active" and e["exchange"]["transport"] == "mptcp"
    ]
    # two bytes more than the mapping says: the server cannot keep its subflow
    assert len(active) == 2
    for exchange in active:
        before, after = exchange["counters"]["server"]["MPTcpExtDSSCorruptionFallback"]
        assert after - before == 1
    controls = [e for e in document["exchanges"] if e["transport"] == "tcp"]
    assert {e["outcome"] for e in controls} == {"tcp"}
    seen = {f["behaviour"] for f in document["report"]["findings"] if f["state"] == "seen"}
    assert seen == KERNEL_BOXES["ftp_helper"].names


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = "from mptcp_check.cli.main import main; main()"
    argv = [sys.executable, "-c", code, "lab", "run", "mp_capable_syn_dropped", "--out", str(out)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"control" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130
    assert b"interrupted; nothing of this run is left" in said
    assert list(tmp_path.iterdir()) == []


def test_a_matrix_writes_its_page_its_document_and_its_cases(tmp_path: Path) -> None:
    page, kept = tmp_path / "matrix.html", tmp_path / "cases"

    words = ["--behaviours", "mp_join_removed", "--json", "--html", str(page), "--out", str(kept)]
    done = lab("matrix", *words, "--fail-on", "mistakes")

    document = json.loads(done.stdout)
    assert document["played"] == document["planned"] == 24
    assert document["statuses"]["right"] == 24
    assert document["recall"]["mp_join_removed"] == {"part": 8, "of": 8, "value": 1.0}
    assert document["precision"]["total"]["value"] == 1.0
    assert done.stderr.count("right: ") == 24
    assert page.read_text().startswith("<!doctype html>")
    folders = sorted(kept.iterdir())
    assert len(folders) == 24
    assert {p.name for p in folders[0].iterdir()} == {"case.json", "client.pcapng", "server.pcapng"}


def test_an_interrupted_matrix_gives_what_it_has(tmp_path: Path) -> None:
    page = tmp_path / "matrix.html"
    code = "from mptcp_check.cli.main import main; main()"
    argv = [sys.executable, "-c", code, "lab", "matrix", "--json", "--html", str(page)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"right: " not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130
    document = json.loads(out)
    # those that were going, and nothing of the hundreds that were left
    assert 0 < document["played"] < document["planned"] / 10
    assert b"this is what was played so far" in said
    assert page.exists()
