"""The product's own lab: it needs no root, and nothing of it outlives whoever started it."""

import json
import os
import pwd
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mptcp_check import capture_input, clock
from mptcp_check.errors import MptcpCheckError
from mptcp_check.lab import sandbox
from mptcp_check.lab.case import Case, Circumstances
from mptcp_check.lab.sandbox import Sandbox
from mptcp_check.model import Family, Side

pytestmark = pytest.mark.lab

LIMIT_S = 600
"""Of each call, on a busy computer."""
ROOT = Path(__file__).parent.parent.parent
CASE = Case(behaviours=("mp_join_removed",), circumstances=Circumstances())
HANGING = Case(behaviours=("mp_capable_syn_dropped",), circumstances=Circumstances())
"""Takes more than three seconds: long enough to be killed in the middle."""

OWNER = """
import json
import sys
from mptcp_check.lab import sandbox
from mptcp_check.lab.case import Case
case = Case.of_json(json.loads(sys.argv[1]))
with sandbox.Sandbox(sandbox.required()) as box:
    box.result({"do": "case", "case": case.as_json(), "keep": None})
    print("up", flush=True)
    while True:
        box.result({"do": "case", "case": case.as_json(), "keep": None})
"""


def becomes(condition: Callable[[], bool], within_s: float = 180) -> bool:
    end = time.monotonic() + within_s  # noqa: TID251 - a test
    while not condition() and time.monotonic() < end:  # noqa: TID251 - a test
        time.sleep(0.05)
    return condition()


@pytest.fixture
def owner() -> Iterator["subprocess.Popen[bytes]"]:
    """Give a process that plays cases without end."""
    argv = [sys.executable, "-c", OWNER, json.dumps(HANGING.as_json())]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


def descendants(pid: int) -> set[int]:
    """Return the processes below one, as this computer numbers them."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_its_owner_ends_it(
    owner: "subprocess.Popen[bytes]", number: signal.Signals
) -> None:
    # unshare, process 1, two agents
    assert becomes(lambda: len(descendants(owner.pid)) >= 4)
    inside = descendants(owner.pid)

    owner.send_signal(number)
    owner.wait(LIMIT_S)

    assert becomes(lambda: not any(Path("/proc", str(pid)).exists() for pid in inside))


def test_its_namespaces_have_no_names_outside() -> None:
    with Sandbox(sandbox.required()) as box:
        box.result({"do": "case", "case": CASE.as_json(), "keep": None})
        names = [path.name for path in Path("/run/netns").glob("*")]
    assert [name for name in names if re.fullmatch(r"(lab-)?(client|server)-\d+", name)] == []


@pytest.mark.parametrize("family", list(Family))
def test_both_ends_capture_the_same_packets_in_the_time_of_the_exchange(
    tmp_path: Path, family: Family
) -> None:
    case = Case(behaviours=(), circumstances=Circumstances(family=family))
    started_ns = clock.wall_ns()
    with Sandbox(sandbox.required()) as box:
        result = box.result({"do": "case", "case": case.as_json(), "keep": str(tmp_path / "kept")})
    ended_ns = clock.wall_ns()

    captures = [capture_input.read(tmp_path / "kept" / f"{side}.pcapng") for side in Side]
    for capture in captures:
        assert not capture.problems
        assert [i.name for i in capture.interfaces] == ["eth0", "eth1"]
        assert [i.dropped_count for i in capture.interfaces] == [0, 0]
        times = capture.packets.time_ns
        assert started_ns < times.min() <= times.max() < ended_ns
    counts = [[int((c.packets.interface == n).sum()) for n in (0, 1)] for c in captures]
    assert counts[0] == counts[1]
    assert min(counts[0]) > 10
    assert result["losses"] == []
    assert json.loads((tmp_path / "kept" / "case.json").read_text()) == result


def test_a_case_that_cannot_be_played_is_told_and_the_next_one_is_played() -> None:
    wrong = Case(behaviours=("kernel:nothing",), circumstances=Circumstances())
    with Sandbox(sandbox.required()) as box:
        with pytest.raises(MptcpCheckError, match="kernel:nothing") as refused:
            box.result({"do": "case", "case": wrong.as_json(), "keep": None})
        again = box.result({"do": "case", "case": CASE.as_json(), "keep": None})

    assert refused.value.exit_code == 2
    assert again["named"] == ["mp_join_removed"]


def test_cases_follow_each_other_without_a_trace_of_the_one_before() -> None:
    with Sandbox(sandbox.required()) as box:
        results = [
            box.result({"do": "case", "case": case.as_json(), "keep": None})
            for case in (HANGING, Case(behaviours=()), CASE, Case(behaviours=()))
        ]

    assert [r["named"] for r in results] == [
        ["mp_capable_syn_dropped"],
        [],
        ["mp_join_removed"],
        [],
    ]
    assert [r["proven"] for r in results] == [False, True, True, True]
    assert all(not r["troubles"] for r in results)


def test_an_ordinary_user_can_play(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"mptcp-lab-test-{os.getpid()}"  # noqa: S108 - pytest's own is root's
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    places = [sysconfig.get_path("purelib"), *(str(ROOT / p) for p in _PACKAGES)]
    play = f"""
from mptcp_check.lab import sandbox
from mptcp_check.lab.case import Case
way = sandbox.required()
print(way.words)
with sandbox.Sandbox(way) as box:
    for name in ("mp_join_removed", "kernel:masquerade"):
        said = box.result({{"do": "case", "case": Case(behaviours=(name,)).as_json(),
            "keep": "{home}/" + name[:6]}})
        print(said["named"], said["arrived"])
"""
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-c", play],
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(home),
                "XDG_CACHE_HOME": str(home),
                "PYTHONPATH": os.pathsep.join(places),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=tmp_path.anchor,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        owner = (home / "mp_joi" / "client.pcapng").stat().st_uid
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)

    assert done.stdout.splitlines() == [
        "in a user namespace with one user",
        "['mp_join_removed'] {'client': True, 'server': True}",
        "['address_translated'] {'client': True, 'server': True}",
    ], done.stderr
    assert owner == nobody.pw_uid


def test_an_ordinary_user_with_subordinate_users_runs_real_servers(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    subordinate = tmp_path / "subordinate"
    subordinate.write_text("nobody:100000:65536\n")
    home = Path("/tmp") / f"mptcp-lab-users-{os.getpid()}"  # noqa: S108 - pytest's own is root's
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    places = [sysconfig.get_path("purelib"), *(str(ROOT / p) for p in _PACKAGES)]
    words = [
        "lab",
        "run",
        "mp_join_removed",
        "--apps",
        "http,ftp",
        "--json",
        "--out",
        f"{home}/run",
    ]
    # the computer's own files stay as they are: these lie over them in a mount namespace only
    covered = " && ".join(f"mount --bind {subordinate} /etc/{f}" for f in ("subuid", "subgid"))
    become = f"setpriv --reuid {nobody.pw_uid} --regid {nobody.pw_gid} --clear-groups"
    python = ["/usr/bin/python3", "-c", "from mptcp_check.cli.main import main; main()", *words]
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", f'{covered} && exec {become} "$@"', "sh", *python],
            env={
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": str(home),
                "PYTHONPATH": os.pathsep.join(places),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=tmp_path.anchor,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        owners = {path.stat().st_uid for path in (home / "run").rglob("*")}
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)

    assert done.returncode == 0, done.stderr
    assert "in a user namespace)" in done.stderr
    document = json.loads(done.stdout)
    outcomes = [(e["app"], e["transport"], e["outcome"]) for e in document["exchanges"]]
    assert Counter(outcomes) == {
        ("http", "tcp", "tcp"): 2,
        ("http", "mptcp", "mptcp_degraded"): 2,
        ("ftp", "tcp", "tcp"): 4,
        ("ftp", "mptcp", "mptcp_degraded"): 4,
    }
    assert all(e["sha256_ok"] for e in document["exchanges"])
    assert owners == {nobody.pw_uid}


_PACKAGES = ("orchestrator", "appliance", "upload")
