"""`run --behind`: what cannot be played is refused before anything is built or booted."""

import json
from pathlib import Path

import pytest

from mptcp_check import networks
from mptcp_check.cli.main import main


@pytest.mark.parametrize(
    ("behind", "line", "hint"),
    [
        ("mp_join_droped", "no behaviour is called 'mp_join_droped'", "mp_join_removed"),
        ("mp_join_removed:step=ack", "mp_join_removed: no parameter is called 'step'", "'steps'"),
        ("payload_altered:mask=1000", "payload_altered: mask must be 1 to 255", "'mask=1000'"),
        ("link:delay_ns=5min", "link: delay_ns=5min cannot be used", "delay_ns=5ms"),
    ],
)
def test_a_middlebox_that_cannot_be_played_is_one_line_with_the_next_step(
    *,
    behind: str,
    line: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    out = tmp_path / "run"

    with pytest.raises(SystemExit) as ended:
        main(["run", "--behind", behind, "--out", str(out)])

    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(said) == 2
    assert said[0].startswith(f"mptcp-check: {line}")
    assert said[1].startswith("  next step: ")
    assert hint in said[1]
    assert not out.exists()


def test_each_link_gets_the_boxes_in_their_order_and_the_line_behind_them() -> None:
    chains = networks.chains(("mp_join_removed:removal=delete", "dscp_altered"))

    names = [[type(box).__name__ for box in chain.behaviours] for chain in chains]
    assert names == [["MpJoinRemoved", "DscpAltered", "Link"]] * 2
    assert chains[0].behaviours[0] is not chains[1].behaviours[0]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--machine", "vmware"), "there is no way 'vmware' to have a machine"),
        (("--machine", "host"), "--machine host measures a real network, which needs a measure"),
        (("--machine", "vagrant"), "--machine vagrant measures a real network, which needs a "),
        (
            ("--machine", "vagrant", "--iface", "eth0,routed", "--server", "ssh:box"),
            "--iface eth0,routed: Vagrant's machines are bridged",
        ),
        (("--machine", "ssh:box"), "--machine ssh measures a real network, which needs a measure"),
        (("--iface", "eth0"), "--iface measures a real network, which needs a measurement server"),
        (("--server", "box"), "'box' is not a measurement server"),
        (("--server", "ssh:box", "--behind", "link"), "--behind puts a middlebox into"),
        (("--iface", "eth0,mtu=1", "--server", "ssh:box"), "'mtu=1' in --iface eth0,mtu=1"),
    ],
)
def test_a_network_that_cannot_be_measured_is_one_line_with_the_next_step(
    arguments: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"

    with pytest.raises(SystemExit) as ended:
        main(["run", "--out", str(out), *arguments])

    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(said) == 2
    assert said[0].startswith(f"mptcp-check: {line}")
    assert not out.exists()


@pytest.mark.parametrize("depth", ["--quick", "--full", "--metered"])
def test_a_plan_is_said_and_nothing_runs(
    depth: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"

    with pytest.raises(SystemExit) as ended:
        main(["run", depth, "--apps", "http", "--plan", "--out", str(out)])

    said = capsys.readouterr()
    assert ended.value.code == 0
    assert "exchanges: about " in said.err
    assert "on the client's network" in said.err
    assert "Web (HTTP)" in said.err
    words = " ".join(said.err.split())
    assert ("announced address, IPv4 and IPv6 at once" in words) == (depth == "--full")
    assert ("port 80, further paths" in words) == (depth != "--full")
    assert said.out == ""
    assert not out.exists()


def test_a_plan_is_there_for_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--metered", "--apps", "http", "--plan", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert (document["schema"], document["depth"]) == ("mptcp-check.plan/1", "metered")
    assert document["estimate"]["cap_bytes"] == 2_500_000
    assert [e["transport"] for e in document["exchanges"]] == ["tcp", "mptcp"]
    assert document["estimate"]["exchanges_count"] == 2
