import stat
from pathlib import Path

import pytest

from mptcp_check.doctor.asking import Said, ask

MISSING = Said(trouble="not installed", installed=False)


def tool(folder: Path, script: str) -> str:
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 7.0; echo more", "7.0"),
        ("printf '\\377\\033[2Jgarbage'", "[2Jgarbage"),
        ("head -c 9 /dev/zero", "9 bytes that are no text"),
        ("true", ""),
    ],
)
def test_a_programs_first_line_is_its_version(tmp_path: Path, script: str, said: str) -> None:
    assert ask([tool(tmp_path, script)]) == Said(text=said)


def test_a_program_that_fails_or_hangs_is_told_and_not_waited_for(tmp_path: Path) -> None:
    failed = ask([tool(tmp_path, "echo no module >&2; exit 3")])
    assert failed.trouble.endswith("ended with 3: no module")
    hung = ask([tool(tmp_path, "exec sleep 1000")], timeout_s=0.2)
    assert "did not end within 0.2 s" in hung.trouble
    assert ask(["mptcp-check-no-such-program"]) == MISSING
