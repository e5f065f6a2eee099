import os
import subprocess
import sys
from pathlib import Path

from collector_runs import run_bundle
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.flows.subflows import Kind
from mptcp_check.model import Side
from mptcp_collector.jobs import judge_child, warming

DEADLINE_S = 600


def test_the_exchange_is_one_that_can_be_judged() -> None:
    seen = capture_file.read(warming.exchange())
    found = diagnose(seen, seen)

    assert (seen.format, seen.problems) == ("pcapng", ())
    assert [one.views[Side.CLIENT][0].kind for one in found.connections] == [Kind.MPTCP]
    states = {one.behaviour: one.state.value for one in found.findings}
    assert states["checksum_invalid"] == "not_seen", "its checksums are right"
    assert states["payload_altered"] == "not_seen"


def test_judging_needs_no_more_machine_code_than_was_made(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)

    def kept(command: tuple[str, ...], given: bytes = b"") -> set[Path]:
        done = subprocess.run(
            command,
            input=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {path for path in tmp_path.rglob("*") if path.is_file()}

    made = kept(warming.COMMAND)
    assert made
    octets = run_bundle("run-that-is-judged")
    judge = (warming.COMMAND[0], "-m", judge_child.__name__)
    assert kept((*judge, "run-that-is-judged", str(len(octets))), octets) == made
