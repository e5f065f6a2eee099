import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

from mptcp_check.machines.guest_archive import build_zipapp, guest_archive

DISTRIBUTIONS_PYTHON = "/usr/bin/python3"


def test_the_same_sources_give_the_same_bytes() -> None:
    assert build_zipapp() == build_zipapp()
    archive = guest_archive()
    assert archive.content == build_zipapp()
    assert archive.sha256 == hashlib.sha256(archive.content).hexdigest()


def test_nothing_of_the_building_machine_is_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(build_zipapp())) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {"__main__.py", "mptcp_guest/__init__.py", "mptcp_guest/agent.py"} < set(names)
    assert all(name.endswith(".py") for name in names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_it_runs_with_the_distributions_python_alone(tmp_path: Path) -> None:
    path = tmp_path / "guest.pyz"
    path.write_bytes(build_zipapp())
    done = subprocess.run(
        [DISTRIBUTIONS_PYTHON, "-I", str(path), "--work-directory", str(tmp_path / "work")],
        input=b'{"id": 1, "verb": "clock", "arguments": {}}\n',
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout)["ok"] is True
    assert done.stderr == b""
