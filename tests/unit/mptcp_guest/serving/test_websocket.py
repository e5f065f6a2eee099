"""The server's own words, by the distribution's Python: only that has python3-websockets."""

import subprocess
from pathlib import Path

import mptcp_guest
from mptcp_guest import own_program

SCRIPT = """\
from mptcp_guest.servers.websocket import ASKED
for words in ("send x0001", "take a.b-c_d"):
    assert ASKED.fullmatch(words), words
for words in ("", "send", "send ../x", "send .x", "send a/b", "take x y", "take x\\n", "hello x"):
    assert not ASKED.fullmatch(words), words
"""


def test_a_plain_name_is_sent_or_taken_and_nothing_else(tmp_path: Path) -> None:
    root = Path(mptcp_guest.__file__).parent.parent
    done = subprocess.run(
        [own_program.DEBIAN_PYTHON, "-P", "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
