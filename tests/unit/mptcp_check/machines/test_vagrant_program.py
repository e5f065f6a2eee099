import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import vagrant_program
from mptcp_check.machines.vagrant_program import VagrantProgram
from unit.mptcp_check.machines.fake_vagrant import FakeVagrant, installed


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVagrant:
    return installed(tmp_path / "bin", monkeypatch)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[VagrantProgram]:
    folder = tmp_path / "machine"
    folder.mkdir()
    made = VagrantProgram(
        folder=folder, home=tmp_path / "home", environment={"MPTCP_CHECK_NAME": "m"}
    )
    yield made
    assert sorted(p.suffix for p in folder.iterdir()) in ([], [".log"])


def test_its_environment_is_ours_and_not_the_users(
    fake: FakeVagrant, program: VagrantProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VAGRANT_VAGRANTFILE", "/somebody/elses")
    monkeypatch.setenv("MPTCP_CHECK_BOX", "old")
    fresh = VagrantProgram(
        folder=Path(program.root), home=tmp_path / "home", environment={"MPTCP_CHECK_NAME": "m"}
    )
    fresh.bring_up("libvirt", within_s=60)
    assert fake.calls() == ["up --provider=libvirt --machine-readable"]
    environment = fake.environment()
    assert environment["VAGRANT_HOME"] == str(tmp_path / "home")
    assert environment["VAGRANT_DOTFILE_PATH"] == f"{program.root}/.vagrant"
    assert environment["MPTCP_CHECK_NAME"] == "m"
    assert "VAGRANT_VAGRANTFILE" not in environment
    assert "MPTCP_CHECK_BOX" not in environment


def test_a_failure_keeps_vagrants_words_in_the_message_and_the_log(
    fake: FakeVagrant, program: VagrantProgram
) -> None:
    fake.does("print('17,m,error-exit,Vagrant::Errors::VMBootBad,The guest is stuck'); sys.exit(1)")
    with pytest.raises(
        MachineError, match=r"'vagrant up' failed \(exit code 1\): The guest is stuck"
    ):
        program.bring_up("libvirt", within_s=60)
    assert "The guest is stuck" in program.log.read_text()


def test_a_hypervisor_that_is_not_there_is_no_failed_machine(
    fake: FakeVagrant, program: VagrantProgram
) -> None:
    fake.does("print('17,,error-exit,Vagrant::Errors::ProviderNotUsable,not usable'); sys.exit(1)")
    with pytest.raises(PreflightError, match="not usable") as error:
        program.bring_up("virtualbox", within_s=60)
    assert error.value.exit_code == 3


def test_a_program_that_hangs_is_ended_with_its_children(
    fake: FakeVagrant, program: VagrantProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vagrant_program, "_CLEAN_UP_S", 0.5)
    pids = tmp_path / "pids"
    fake.does(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        f"open({str(pids)!r}, 'a').write(str(os.getpid()) + '\\n')\n"
        "time.sleep(600)"
    )
    with pytest.raises(MachineError, match="did not end within 3 s") as error:
        program.bring_up("libvirt", within_s=3)
    assert error.value.exit_code == 4
    numbers = [int(line) for line in pids.read_text().split()]
    assert numbers
    for number in numbers:
        _wait_until_gone(number)


def test_interruption_asks_vagrant_to_undo_what_it_began(
    fake: FakeVagrant, program: VagrantProgram, tmp_path: Path
) -> None:
    begun, undone = tmp_path / "begun", tmp_path / "undone"
    fake.does(
        f"open({str(begun)!r}, 'w').close()\n"
        "try:\n    time.sleep(600)\n"
        f"except KeyboardInterrupt:\n    open({str(undone)!r}, 'w').close()"
    )

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        program.bring_up("libvirt", within_s=60)
    thread.join()
    assert undone.exists()


def test_a_flood_of_words_is_cut_off(
    fake: FakeVagrant, program: VagrantProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vagrant_program, "_OUTPUT_LIMIT_BYTES", 1 << 20)
    fake.does("while True: print('x' * 100000)")
    with pytest.raises(MachineError, match="did not end"):
        program.bring_up("libvirt", within_s=60)
    assert program.log.stat().st_size < 2 * vagrant_program._READ_BYTES


@pytest.mark.parametrize(
    "body", ["pass", "print('garbage')", "sys.stdout.buffer.write(bytes(range(256)) * 10)"]
)
def test_garbage_is_one_clear_line(fake: FakeVagrant, program: VagrantProgram, body: str) -> None:
    fake.does(body)
    for ask in (program.state, program.ssh_address):
        with pytest.raises(MachineError, match="cannot be read") as error:
            ask()
        assert "\n" not in error.value.message


def test_state_and_address_are_read(fake: FakeVagrant, program: VagrantProgram) -> None:
    fake.does("print('17,m,state,running')")
    assert program.state() == "running"
    fake.does("print('Host m\\n  HostName 127.0.0.1\\n  Port 2222\\n  IdentityFile \"/a b\"')")
    assert program.ssh_address() == ("127.0.0.1", 2222)


def test_without_vagrant_the_way_out_is_told(
    program: VagrantProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="vagrant is not installed"):
        program.state()
    assert not vagrant_program.installed()


def _wait_until_gone(pid: int) -> None:
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # whose parent is gone too: the machine's init reaps it
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")
