import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from mptcp_check.machines.guest_archive import build_zipapp
from mptcp_guest import own_program


def test_other_commands_stay_what_they_are() -> None:
    assert own_program.resolved(["curl", "@own"]) == ["curl", "@own"]


def test_a_program_of_the_package_runs_in_any_folder_and_imports_nothing_from_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('came over the network')")
    words = own_program.command("payload")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_it_runs_from_the_archive_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(build_zipapp())
    names = zipfile.ZipFile(io.BytesIO(archive.read_bytes())).namelist()
    assert "mptcp_guest/serving/program.py" in names
    assert not [name for name in names if "__pycache__" in name]
    monkeypatch.setattr("mptcp_guest.__file__", str(archive / "mptcp_guest/__init__.py"))
    words = own_program.command("payload")
    assert f"PYTHONPATH={archive}" in words
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
