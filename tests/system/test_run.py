"""The main job as its user runs it: real machines, real kernels, real applications."""

import subprocess
from pathlib import Path

import pytest

from system.cli import Said, call, machines, work_folders

pytestmark = pytest.mark.system

FULL_LIMIT_S = 3600
"""Of the whole suite of one application, on a busy computer of two cores."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """Give a run without any middlebox."""
    out = tmp_path_factory.mktemp("clean") / "run"
    return call("run", "--quick", "--json", "--out", str(out)), out


def test_a_clean_path_carries_every_exchange_over_both_paths(clean: tuple[Said, Path]) -> None:
    said, _ = clean
    assert said.code == 0, said.err
    document = said.document

    assert document["schema"] == "mptcp-check.run/1"
    outcomes = [e["outcome"] for e in document["exchanges"]]
    assert outcomes == ["tcp", "mptcp"] * (len(outcomes) // 2)
    assert len(outcomes) >= 6
    for exchange in document["exchanges"]:
        assert exchange["sha256_ok"] is True
        assert exchange["bytes"] == 1 << 20
        if exchange["transport"] == "mptcp":
            assert exchange["subflows"] >= 2


def test_a_clean_path_is_accused_of_nothing(clean: tuple[Said, Path]) -> None:
    assert clean[0].seen == set()


def test_the_run_is_whole_and_its_captures_agree_with_the_wire(clean: tuple[Said, Path]) -> None:
    said, out = clean

    assert said.document["integrity"]["troubles"] == []
    assert call("runs", "show", str(out)).code == 0


def test_the_same_rules_judge_a_stored_run_the_same(clean: tuple[Said, Path]) -> None:
    said, out = clean

    again = call("report", str(out), "--rejudge", "--json")

    assert again.code == 0, again.err
    assert again.document == said.document["report"]
    assert call("runs", "show", str(out)).code == 0


def test_a_file_of_the_run_that_was_changed_is_noticed(clean: tuple[Said, Path]) -> None:
    _, out = clean
    capture = out / "captures" / "client.pcapng"
    content = capture.read_bytes()
    try:
        capture.write_bytes(content[:-1])
        said = call("runs", "show", str(out))
        assert said.code == 2
        assert "captures/client.pcapng was changed" in said.err
    finally:
        capture.write_bytes(content)


def test_nothing_of_the_machines_is_left(clean: tuple[Said, Path]) -> None:
    assert clean[1].exists()
    assert machines() == []
    assert work_folders() == []


def test_the_captures_name_their_interfaces_and_lost_nothing(clean: tuple[Said, Path]) -> None:
    for side in ("client", "server"):
        capture = clean[1] / "captures" / f"{side}.pcapng"
        told = subprocess.run(
            ["capinfos", "-I", str(capture)], capture_output=True, text=True, check=True
        )
        assert "eth0" in told.stdout
        assert "eth1" in told.stdout


def test_only_the_exchanges_were_captured(clean: tuple[Said, Path]) -> None:
    # every frame of both captures is TCP or ICMP and has an address of the server
    servers = "ip.addr == 10.77.0.2 || ip.addr == 10.77.0.3 || ip.addr == 10.77.1.2"
    for side in ("client", "server"):
        capture = clean[1] / "captures" / f"{side}.pcapng"
        others = subprocess.run(
            ["tshark", "-n", "-r", str(capture), "-Y", f"!(({servers}) && (tcp || icmp))"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert others.stdout == ""


def test_mp_capable_removed_from_the_syn_is_named_with_frames_that_tshark_confirms(
    tmp_path: Path,
) -> None:
    behaviour = "mp_capable_removed_from_syn"
    out = tmp_path / "run"
    said = call(
        "run", "--quick", "--behind", behaviour, "--fail-on", "interference", "--json",
        "--out", str(out),
    )  # fmt: skip

    assert said.code == 1, said.err
    document = said.document
    assert said.seen == {behaviour}
    outcomes = [e["outcome"] for e in document["exchanges"]]
    assert outcomes == ["tcp", "fell_back_at_handshake"] * (len(outcomes) // 2)
    found = [f for f in document["report"]["findings"] if f["state"] == "seen"]
    for finding in found:
        subtypes = {
            e["side"]: _mptcp_subtype(out, e["side"], e["frame"]) for e in finding["evidence"]
        }
        assert subtypes == {"client": "0", "server": ""}


def _mptcp_subtype(out: Path, side: str, frame: int) -> str:
    told = subprocess.run(
        ["tshark", "-n", "-r", str(out / "captures" / f"{side}.pcapng"),
         "-Y", f"frame.number == {frame}", "-T", "fields", "-e", "tcp.options.mptcp.subtype"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return told.stdout.strip()


EXPECTED = {
    "mp_capable_removed_from_synack": {"fell_back_at_handshake"},
    "mp_capable_syn_dropped": {"fell_back_at_handshake"},
    "mp_join_removed": {"mptcp_degraded"},
    "payload_altered": {"corrupted"},
    "address_translated": {"mptcp"},
}


@pytest.mark.parametrize("behaviour", EXPECTED)
def test_each_behaviour_in_the_way_of_real_machines_is_named_and_nothing_else(
    tmp_path: Path, behaviour: str
) -> None:
    said = call(
        "run", "--quick", "--apps", "http", "--behind", behaviour, "--json",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip

    assert said.code == 0, said.err
    document = said.document
    assert said.seen == {behaviour}
    over_mptcp = {e["outcome"] for e in document["exchanges"] if e["transport"] == "mptcp"}
    assert over_mptcp == EXPECTED[behaviour]


def test_a_metered_run_stays_under_its_cap_and_says_what_it_took(tmp_path: Path) -> None:
    said = call("run", "--metered", "--apps", "http", "--json", "--out", str(tmp_path / "run"))

    assert said.code == 0, said.err
    document = said.document
    assert document["depth"] == "metered"
    assert document["amounts"]["wire_bytes"] < document["estimate"]["cap_bytes"] == 2_500_000
    assert document["amounts"]["tries_count"] == document["amounts"]["exchanges_count"] == 2
    assert "never more than 2.5 MB" in said.err
    assert "on the client's network" in said.err


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """Give the whole suite of http: every condition, every handover."""
    out = tmp_path_factory.mktemp("full") / "run"
    said = call(
        "run", "--full", "--apps", "http", "--json", "--out", str(out), limit_s=FULL_LIMIT_S
    )
    assert said.code == 0, said.err
    return said, out


@pytest.mark.slow
def test_the_whole_suite_runs_under_every_condition_and_accuses_nobody(
    full: tuple[Said, Path],
) -> None:
    document = full[0].document

    assert document["integrity"]["troubles"] == []
    assert full[0].seen == set()
    exchanges = document["exchanges"]
    assert {e["joining"] for e in exchanges} == {"subflow", "backup", "signal", "other_family"}
    assert {e["family"] for e in exchanges} == {"ipv4", "ipv6"}
    assert {e["port"] for e in exchanges} == {80, 8080, 34343}
    assert max(e["bytes"] for e in exchanges) >= 20_000_000
    assert {e["outcome"] for e in exchanges} <= {"mptcp", "tcp", "tcp_broke"}
    for exchange in exchanges:
        if exchange["transport"] == "mptcp":
            assert exchange["subflows"] == exchange["paths"]
            assert exchange["announced"] == (exchange["joining"] in {"signal", "other_family"})
            assert exchange["backup_joins"] == (exchange["joining"] == "backup")


@pytest.mark.slow
def test_a_transfer_goes_on_over_the_other_path_when_the_first_one_goes(
    full: tuple[Said, Path],
) -> None:
    handed = [e for e in full[0].document["exchanges"] if e["handover"]]

    assert {(e["handover"]["upset"], e["transport"], e["direction"]) for e in handed} == {
        (upset, transport, direction)
        for upset in ("interface_down", "address_removed", "path_lost")
        for transport in ("tcp", "mptcp")
        for direction in ("download", "upload")
    }
    for exchange in handed:
        what = exchange["handover"]
        assert what["done"]
        if exchange["transport"] == "mptcp":
            assert exchange["sha256_ok"] is True
            assert exchange["outcome"] == "mptcp"
            assert what["other_paths_bytes"] > 1_000_000
            assert what["words"].endswith("then went on over the other path")
        elif exchange["outcome"] == "tcp":  # it waited for its only path
            assert what["pause_ns"] > 2 * 10**9


@pytest.mark.slow
def test_the_whole_suite_is_judged_the_same_again(full: tuple[Said, Path]) -> None:
    said, out = full

    again = call("report", str(out), "--rejudge", "--json", limit_s=FULL_LIMIT_S)

    assert again.code == 0, again.err
    assert again.document == said.document["report"]
