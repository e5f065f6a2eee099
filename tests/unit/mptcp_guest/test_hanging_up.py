"""The agent goes away when whoever asked it does, however that went."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("read_the_answer", [True, False])
def test_an_agent_ends_when_its_line_closes(tmp_path: Path, *, read_the_answer: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        end = theirs.fileno()
        child = subprocess.Popen(
            [sys.executable, "-m", "mptcp_guest", "--work-directory", str(tmp_path / "work")],
            stdin=end,
            stdout=end,
            stderr=subprocess.DEVNULL,
        )
    try:
        ours.settimeout(60)
        ours.sendall(b'{"id": 1, "verb": "clock", "arguments": {}}\n')
        assert ours.recv(1, 0 if read_the_answer else socket.MSG_PEEK) == b"{"
        if read_the_answer:
            ours.recv(4096)
        ours.close()  # with an answer unread the agent's next read fails (ECONNRESET)

        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
