"""Nothing the lab makes outlives it, also when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.network import lab
from lab.topology import PREFIX, remove_remains

pytestmark = pytest.mark.lab

KILLED = """
import sys
from pathlib import Path
from lab.capture import capturing
from lab.network import lab
with lab() as network:
    with capturing({network.namespaces.client: ("eth0",)}, Path(sys.argv[1])):
        print("up", flush=True)
        sys.stdin.read()
"""


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.startswith(PREFIX)}


def test_an_error_inside_leaves_nothing() -> None:
    own = f"{PREFIX}-{os.getpid()}-"

    def fail() -> None:
        with lab():
            assert [name for name in namespaces() if name.startswith(own)] != []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [name for name in namespaces() if name.startswith(own)] == []


def test_two_labs_live_side_by_side() -> None:
    with lab(paths=1) as one, lab(paths=1) as other:
        assert one.namespaces != other.namespaces
        assert one.observe().transferred.whole
        assert other.observe().transferred.whole


def test_what_a_killed_lab_left_is_removed_by_the_next(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    killed = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{KILLED}", tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"up\n"
        left = {name for name in namespaces() if name.startswith(f"{PREFIX}-{killed.pid}-")}
        assert len(left) == 3

        remove_remains()
        assert left <= namespaces(), "a lab whose process lives is left alone"
        killed.send_signal(signal.SIGKILL)

    remove_remains()
    assert not left & namespaces()
