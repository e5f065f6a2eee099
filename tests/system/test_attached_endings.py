"""How a machine on (pretended) real networks ends, and what is left of its attachments: nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mptcp_check.machines import workspace
from system.attached import attached, eventually, runs
from system.pretend_site import site

pytestmark = pytest.mark.system


def test_an_interface_that_vanishes_in_mid_run_is_named(tmp_path: Path) -> None:
    with site() as made, attached(made, tmp_path, bridged=("eth0",), machine=False) as program:
        assert program.ask("check") == {"result": None}
        made.run(made.router, "ip", "link", "set", "dev", "lan0", "down")
        unplugged = program.ask("check")
        made.run(made.host, "ip", "link", "delete", "dev", "eth0")
        gone = program.ask("check")

    assert unplugged["error"] == "eth0 (veth) lost its link in mid-run"
    assert gone["error"] == "eth0 (veth) went away in mid-run"
    assert gone["exit_code"] == 4


def test_forwarding_of_kernels_before_6_17_is_put_back_too(tmp_path: Path) -> None:
    code = f"""
from dataclasses import replace
from pathlib import Path
from mptcp_check.machines import network
from mptcp_check.machines.bridging import host_facts, planning, taking_effect
facts = host_facts.read(network.list_interfaces())
older = {{k: v for k, v in facts.sysctls.items() if "force_forwarding" not in k}}
chosen = network.choose(facts.interfaces, ("eth0", "eth1"))
planned = planning.plan(chosen, replace(facts, sysctls=older), network=network.Network.ROUTED)
directory = Path({str(tmp_path)!r})
with taking_effect.set_up(planned, directory=directory, uid=0, say=lambda _: None):
    for name in ("all/forwarding", "eth0/accept_ra", "eth1/accept_ra"):
        print(Path("/proc/sys/net/ipv6/conf", name).read_text().strip())
"""
    environment = f"PYTHONPATH={os.pathsep.join(p for p in sys.path if p)}"
    with site() as made:
        before = made.state()
        said = made.run(made.host, "env", environment, sys.executable, "-c", code)

        assert said.split() == ["1", "2", "2"]
        assert made.state() == before


def test_kill_9_leaves_no_attachment_and_no_machine(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")  # short: a socket's path has 107 characters
    with site() as made:
        before = made.state()
        with attached(made, root, bridged=("eth0", "br0"), routed=("eth1",)) as program:
            pid = program.first["qemu_pid"]
            assert runs(pid)
            assert made.state() != before
            program.process.kill()
            program.process.wait()
            # keeper and steward do it, nobody else is there
            assert eventually(lambda: not runs(pid))
            assert eventually(lambda: made.state() == before)


def test_what_a_killed_steward_left_is_undone_by_the_next_start(tmp_path: Path) -> None:
    with site() as made:
        before = made.state()
        with attached(made, tmp_path, routed=("eth1",), machine=False) as program:
            stewards = subprocess.run(
                ["pgrep", "-f", f"steward.py {tmp_path}"],
                capture_output=True,
                text=True,
                check=True,
            )
            for pid in stewards.stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            program.process.kill()
            program.process.wait()
        assert made.state() != before
        code = (
            "from pathlib import Path; from mptcp_check.machines import workspace; "
            f"print(len(workspace.remove_remains(root=Path({str(tmp_path)!r}))))"
        )
        environment = f"PYTHONPATH={os.pathsep.join(p for p in sys.path if p)}"
        removed = made.run(made.host, "env", environment, sys.executable, "-c", code)

        assert removed == "1\n"
        assert made.state() == before
    assert workspace.remains(root=tmp_path) == ()


def test_a_second_machine_at_the_same_interface_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    with site() as made, attached(made, one, bridged=("eth0",), machine=False) as first:
        assert "error" not in first.first
        with attached(made, other, bridged=("eth0",), machine=False) as second:
            assert second.first["exit_code"] == 3
            assert "has a machine already" in second.first["error"]
        assert first.ask("check") == {"result": None}


@pytest.mark.slow
def test_a_machine_whose_host_hangs_powers_itself_off(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")  # short: a socket's path has 107 characters
    patience_s = 10
    with site() as made, attached(made, root, patience_s=patience_s) as program:
        pid = program.first["qemu_pid"]
        time.sleep(1.5 * patience_s)
        assert runs(pid)  # while the host gives signs of life
        program.process.send_signal(signal.SIGSTOP)
        try:
            assert eventually(lambda: not runs(pid))
        finally:
            program.process.send_signal(signal.SIGCONT)
            program.process.kill()
