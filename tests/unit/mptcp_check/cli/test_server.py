"""`mptcp-check server`: keys, certificates, configuration, draining."""

import json
import sys
from pathlib import Path

import pytest

from mptcp_check.cli.main import main
from mptcp_check.server import units
from mptcp_check.server.api import application
from mptcp_check.server.serving.api_run import LAME_DUCK


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["server", *words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.fixture
def config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    names = {name: tmp_path / name for name in ("c.pem", "p.pem", "k.pem")}
    made = run(capsys, "self-signed", "--name", "::1", str(names["c.pem"]), str(names["p.pem"]))
    assert len(made[1].strip()) == 64
    assert run(capsys, "keygen", str(names["k.pem"]))[1].startswith("-----BEGIN PUBLIC KEY")
    _, example, _ = run(capsys, "example-config")
    for former, new in (
        ("/etc/mptcp-check/server/fullchain.pem", names["c.pem"]),
        ("/etc/mptcp-check/server/privkey.pem", names["p.pem"]),
        ("/etc/mptcp-check/server/ticket-key.pem", names["k.pem"]),
        ('# state = "/var/lib/mptcp-check-server', f'state = "{tmp_path}'),
    ):
        assert former in example
        example = example.replace(former, str(new))
    path = tmp_path / "server.toml"
    path.write_text(example)
    return path


def test_a_configuration_made_by_the_commands_is_fine(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "check-config", "--config", str(config)) == (0, "", f"{config}: fine\n")


def test_what_is_wrong_is_one_message_with_every_error(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("# connections_max = 1000", "connections_max = 0"))
    code, _, said = run(capsys, "check-config", "--config", str(config))
    assert code == 2
    assert "api.connections_max: a whole number from 1 to 60000 is wanted, not 0" in said


def test_a_key_that_is_not_the_certificates_is_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.pem").write_text((tmp_path / "k.pem").read_text())
    code, _, said = run(capsys, "check-config", "--config", str(config))
    assert code == 2
    assert "the key must be the certificate's" in said


def test_keys_and_certificates_that_are_missing_are_told_at_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("k.pem", "c.pem"):
        (tmp_path / name).unlink()
    code, _, said = run(capsys, "check-config", "--config", str(config))
    assert code == 2
    for word in ("k.pem cannot be read", "c.pem or ", "server keygen", "server self-signed"):
        assert word in said


def test_draining_what_never_ran_says_so(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace(f'state = "{tmp_path}"', 'state = "/nowhere"'))
    code, _, said = run(capsys, "drain", "--config", str(config))
    assert code == 2
    assert "when it first runs" in said


def test_draining_is_a_mark_that_can_be_taken_back(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = run(capsys, "drain", "--config", str(config))
    assert (code, (tmp_path / LAME_DUCK).exists()) == (0, True)
    assert said == "mptcp-1.example.org takes no new sessions; open now: 0\n"
    assert run(capsys, "drain", "--undo", "--config", str(config))[0] == 0
    assert not (tmp_path / LAME_DUCK).exists()


def test_documents_units_and_rules_are_printed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(run(capsys, "openapi")[1]) == application.openapi()
    assert "table inet mptcp_check_server {" in run(capsys, "firewall", "--config", str(config))[1]
    folder = tmp_path / "units"
    folder.mkdir()
    assert run(capsys, "units", str(folder))[0] == 0
    assert {path.name for path in folder.iterdir()} == set(units.NAMES)


def test_units_start_the_program_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "mptcp-check"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    code, _, said = run(capsys, "units", str(tmp_path))
    assert code == 2  # it is below /tmp, and the units have a /tmp of their own
    assert "below /opt" in said
    monkeypatch.setattr(units, "HIDDEN", ())
    assert run(capsys, "units", str(tmp_path))[0] == 0
    for path in tmp_path.glob("*.service"):
        started = [line for line in path.read_text().splitlines() if "mptcp-check server" in line]
        assert started
        assert all(f"={program} server " in line for line in started)


def test_capturing_without_the_right_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("mptcp_check.server.capture.packet_ring.socket.socket", refuse)
    code, _, said = run(capsys, "capture", "--config", str(config))
    assert code == 3
    assert "CAP_NET_RAW" in said
