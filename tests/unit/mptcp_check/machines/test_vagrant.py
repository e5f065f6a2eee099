import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from mptcp_check.errors import MachineError, PreflightError, UsageError
from mptcp_check.machines import vagrant, vagrant_folder
from mptcp_check.machines.management import RunKeys, make_keys
from mptcp_check.machines.vagrant import BridgedNetwork, VagrantSpec
from unit.mptcp_check.machines.fake_vagrant import FakeVagrant, installed

NETWORKS = (
    BridgedNetwork(interface="br0", mac="52:54:00:77:00:01"),
    BridgedNetwork(interface="en0: Wi-Fi (AirPort)", mac="52:54:00:77:00:02", direct=True),
)
CREATES = (
    "made = '.vagrant/machines/m/libvirt'\n"
    "if verb == 'up': os.makedirs(made); open(made + '/id', 'w').write('1')\n"
)
FAILS_UP = (
    CREATES
    + "if verb == 'up': print('17,m,error-exit,Some::Error,the lights went out'); sys.exit(1)"
)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVagrant:
    return installed(tmp_path / "bin", monkeypatch)


@pytest.fixture
def keys(tmp_path: Path) -> RunKeys:
    return make_keys(tmp_path / "keys")


def spec(tmp_path: Path, **changes: object) -> VagrantSpec:
    wanted: dict[str, object] = {
        "name": "mptcp-check-1",
        "provider": "libvirt",
        "box": tmp_path / "a.box",
        "box_digest": "ab" * 32,
        "networks": NETWORKS,
        "home": tmp_path / "home",
        **changes,
    }
    return VagrantSpec(**wanted)  # type: ignore[arg-type]


def start(wanted: VagrantSpec, keys: RunKeys, logs: Path) -> NoReturn:
    logs.mkdir(exist_ok=True)
    with vagrant.vagrant_guest(
        wanted, keys, archive=b"", logs=logs, now_ns=lambda: 0, deadline_ns=30 * 10**9
    ):
        pytest.fail("no machine can have come up")


def test_the_vagrantfile_is_told_public_things_only(tmp_path: Path, keys: RunKeys) -> None:
    said = vagrant.environment(spec(tmp_path), client=keys.client, console=tmp_path / "console")
    assert json.loads(said["MPTCP_CHECK_NETWORKS"]) == [
        {"interface": "br0", "attach": "bridge", "mac": "525400770001"},
        {"interface": "en0: Wi-Fi (AirPort)", "attach": "direct", "mac": "525400770002"},
    ]
    key = said["MPTCP_CHECK_KEY"]
    assert re.fullmatch("[A-Za-z0-9+/]{43}", key)
    assert vagrant.KEY_PREFIX + key == keys.client.get_base64()
    assert said["MPTCP_CHECK_BOX"] == "mptcp-check/appliance-abababababababab"
    assert "PRIVATE" not in str(said)


def test_an_unknown_provider_names_the_known_ones(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    with pytest.raises(UsageError, match="hyperv") as error:
        start(spec(tmp_path, provider="hyperv"), keys, tmp_path / "logs")
    assert "libvirt, qemu, virtualbox" in error.value.hint
    assert fake.calls() == []
    assert not (tmp_path / "home").exists()


def test_a_machine_that_fails_is_destroyed_and_its_words_are_kept(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    fake.does(FAILS_UP)
    with pytest.raises(MachineError, match="the lights went out"):
        start(spec(tmp_path), keys, tmp_path / "logs")
    assert [call.split()[0] for call in fake.calls()] == ["box", "up", "destroy"]
    assert "the lights went out" in (tmp_path / "logs" / "mptcp-check-1.vagrant.log").read_text()
    assert list((tmp_path / "home" / "machines").iterdir()) == []


def test_what_cannot_be_destroyed_is_found_by_the_next_start(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    fake.does(FAILS_UP + "\nif verb == 'destroy': sys.exit(1)")
    with pytest.raises(MachineError, match="the lights went out") as error:
        start(spec(tmp_path), keys, tmp_path / "logs")
    assert "the machine is still there ('vagrant destroy' failed" in error.value.hint
    assert [p.name for p in (tmp_path / "home" / "machines").iterdir()] == ["mptcp-check-1"]
    assert vagrant.destroy_remains(tmp_path / "home") == ()
    fake.does("pass")
    assert vagrant.destroy_remains(tmp_path / "home") == ("mptcp-check-1",)
    assert fake.environment()["MPTCP_CHECK_NAME"] == "mptcp-check-1"
    assert list((tmp_path / "home" / "machines").iterdir()) == []


def test_a_second_machine_of_the_same_name_is_refused_and_the_first_left_alone(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    home = tmp_path / "home"
    with vagrant_folder.machine_folder(home, "mptcp-check-1") as folder:
        with pytest.raises(MachineError, match="is there already"):
            start(spec(tmp_path), keys, tmp_path / "logs")
        assert vagrant.destroy_remains(home) == ()
        assert folder.is_dir()
    assert fake.calls() == []


def test_a_name_that_is_a_path_is_refused(tmp_path: Path, keys: RunKeys) -> None:
    with pytest.raises(UsageError, match="no machine can be called"):
        start(spec(tmp_path, name="../x"), keys, tmp_path / "logs")


def test_a_machine_that_says_no_key_in_time_is_told_with_its_console(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    fake.does(
        CREATES
        + "if verb == 'up': open(os.environ['MPTCP_CHECK_CONSOLE'], 'w').write('Kernel panic')\n"
        "if verb == 'ssh-config': print('Host m\\n  HostName 127.0.0.1\\n  Port 1')"
    )
    clock = iter([0, *range(0, 10**12, 10**10)])
    (tmp_path / "logs").mkdir()
    with (
        pytest.raises(
            MachineError, match="did not say on its console that ssh is up in time: Kernel panic"
        ),
        vagrant.vagrant_guest(
            spec(tmp_path),
            keys,
            archive=b"",
            logs=tmp_path / "logs",
            now_ns=lambda: next(clock),
            deadline_ns=30 * 10**9,
        ),
    ):
        pytest.fail("no machine can have come up")
    assert fake.calls()[-1].startswith("destroy")
    assert (tmp_path / "logs" / "mptcp-check-1.console.log").read_text() == "Kernel panic"


def test_where_no_machine_was_made_none_is_destroyed(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    fake.does("if verb == 'up': print('17,,error-exit,V::ProviderNotUsable,no'); sys.exit(1)")
    with pytest.raises(PreflightError) as error:
        start(spec(tmp_path), keys, tmp_path / "logs")
    assert error.value.hint == "docs/vagrant.md says what each provider needs"
    assert [call.split()[0] for call in fake.calls()] == ["box", "up"]
    assert list((tmp_path / "home" / "machines").iterdir()) == []


def test_a_box_is_taken_in_once_and_again_when_it_was_changed(
    tmp_path: Path, keys: RunKeys, fake: FakeVagrant
) -> None:
    place = "/boxes/mptcp-check-VAGRANTSLASH-appliance-abababababababab/0/amd64/libvirt"
    fake.does(
        f"place = os.environ['VAGRANT_HOME'] + {place!r}\n"
        "if verb == 'box':\n"
        "    os.makedirs(place, exist_ok=True)\n"
        "    for name in ('metadata.json', 'box.img'): open(place + '/' + name, 'w').write('{}')\n"
        + FAILS_UP
    )

    def verbs() -> list[str]:
        before = len(fake.calls())
        with pytest.raises(MachineError, match="the lights went out"):
            start(spec(tmp_path), keys, tmp_path / "logs")
        return [call.split()[0] for call in fake.calls()[before:]]

    assert verbs() == ["box", "up", "destroy"]
    assert verbs() == ["up", "destroy"]
    (Path(f"{tmp_path}/home/vagrant{place}") / "box.img").write_text("changed")
    assert verbs() == ["box", "up", "destroy"]


def test_a_machine_is_asked_for_its_state_only_when_there_is_a_reason(
    tmp_path: Path, fake: FakeVagrant
) -> None:
    wanted = spec(tmp_path)
    home = wanted.home
    with vagrant_folder.machine_folder(home, wanted.name) as folder:
        program = vagrant.VagrantProgram(folder=folder, home=home, environment={})
        console = folder / "console.log"
        console.write_text("Out of memory")
        machine = vagrant.VagrantMachine(wanted, program, console)
        machine.check_alive()
        assert fake.calls() == []
        fake.does("print('17,m,state,running')")
        machine.check_alive(1.0)
        fake.does("print('17,m,state,shutoff')")
        with pytest.raises(MachineError, match=r"ended \(shutoff\): Out of memory"):
            machine.check_alive(1.0)


def test_without_vagrant_nothing_is_left(
    tmp_path: Path, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="vagrant is not installed"):
        start(spec(tmp_path), keys, tmp_path / "logs")
    assert not (tmp_path / "home").exists()


def test_the_vagrantfile_is_found() -> None:
    assert b"Vagrant.configure" in vagrant.vagrantfile()


def test_a_killed_run_leaves_its_folder_to_the_next_start(
    tmp_path: Path, fake: FakeVagrant
) -> None:
    home = tmp_path / "home"
    dies = (
        "import os, pathlib, sys\n"
        "from mptcp_check.machines import vagrant_folder\n"
        "with vagrant_folder.machine_folder(pathlib.Path(sys.argv[1]), 'm') as folder:\n"
        "    (folder / '.vagrant/machines/m/libvirt').mkdir(parents=True)\n"
        "    (folder / '.vagrant/machines/m/libvirt/id').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", dies, str(home)], env={"PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == -9
    assert vagrant.destroy_remains(home) == ("m",)
    assert [call.split()[0] for call in fake.calls()] == ["destroy"]
