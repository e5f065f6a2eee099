import subprocess
from pathlib import Path

from mptcp_guest import own_program


def run(place: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = own_program.resolved([own_program.WORD, "piped", *words])
    return subprocess.run(command, cwd=place, capture_output=True, check=False)


def test_a_program_reads_one_file_and_writes_another(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"content")
    (tmp_path / "out").write_bytes(b"something longer")
    assert run(tmp_path, "in", "out", "cat").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"content"


def test_without_files_its_words_are_messages(tmp_path: Path) -> None:
    done = run(tmp_path, "-", "-", "sh", "-c", "echo said; exit 3")
    assert (done.returncode, done.stdout) == (3, b"said\n")
    assert list(tmp_path.iterdir()) == []
