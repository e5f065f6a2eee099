"""What can go wrong around machines: one line, the contract's code, and nothing left behind."""

import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_catalogues import KEY, made_image
from mptcp_appliance import disk, signing_key
from mptcp_check import settings
from mptcp_check.cli.main import main
from mptcp_check.errors import PreflightError
from mptcp_check.machines import (
    accelerator,
    image_accelerator,
    network,
    process,
    vagrant,
    vagrant_program,
    workspace,
)
from mptcp_check.machines.network import HostInterface, InterfaceKind
from unit.mptcp_check.machines.fake_vagrant import installed

BRIDGE = HostInterface(name="br0", kind=InterfaceKind.BRIDGE, up=True, index=2, mac="")
NOBODY = "ssh:127.0.0.1:1"
"""A server that refuses at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the program did."""

    code: object
    err: str

    @property
    def line(self) -> str:
        """The message; anything a terminal would obey fails the test."""
        assert "Traceback" not in self.err
        assert all(c.isprintable() or c == "\n" for c in self.err), ascii(self.err)
        [line] = [line for line in self.err.splitlines() if line.startswith("mptcp-check: ")]
        return line


Call = Callable[..., Said]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have a place of our own for work folders: elsewhere runs of others may crash meanwhile."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        for name in ("workspace", "remains", "remove_remains"):
            here = functools.partial(getattr(workspace, name), root=Path(short))
            monkeypatch.setattr(workspace, name, here)
        yield Path(short)


@pytest.fixture
def call(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """Run the program on a computer that has fetched an image and has one bridge."""
    assert place.is_dir()
    monkeypatch.setenv(settings.HOME, str(tmp_path / "home"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(network, "list_interfaces", lambda: (BRIDGE,))

    def called(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        return Said(code=ended.value.code, err=capsys.readouterr().err)

    signing_key.create(tmp_path / "k", signing_key.write(KEY, password="", salt=b""))
    image, out = made_image(tmp_path / "image"), tmp_path / "out"
    assert (
        called("image", "sign", image, "--secret-key", tmp_path / "k", "--catalogue", out).code == 0
    )
    assert called("image", "fetch", out, "--key", KEY.public.text).code == 0
    return called


def run(call: Call, *arguments: object, boot_timeout_s: int = 60) -> Said:
    """Run the main job where it must fail, and see that it leaves no run and no work folder."""
    said = call("run", "--quick", "--boot-timeout", boot_timeout_s, *arguments)
    places = settings.places()
    assert list(places.runs.glob("*")) == []
    assert not (places.vagrant / "machines").exists() or not list(
        (places.vagrant / "machines").iterdir()
    )
    assert workspace.remains() == ()
    return said


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, body: str) -> Path:
    """Put a program in front of the one that is called so; return the file of its process ids."""
    folder.mkdir()
    pids = folder / "pids"
    program = folder / name
    program.write_text(
        f"#!{sys.executable} -IS\nimport os, sys, time\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n{body}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return pids


def all_ended(pids: Path) -> bool:
    """Say whether every process is gone; what was killed takes a moment on a busy computer."""
    numbers = [int(line) for line in pids.read_text().split()]
    for _ in range(6000):
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return bool(numbers)
        time.sleep(0.02)
    return False


GARBAGE = "sys.stdout.buffer.write(bytes(range(256)) * 3)"
VERSION = "'--version' in sys.argv and (print('QEMU emulator version 7.2.0'), sys.exit())"
"""What a QEMU says that can run machines; anything else is then up to its machines."""


def test_a_hypervisor_that_prints_garbage_is_a_machine_that_ended(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = fake(tmp_path / "bin", monkeypatch, "qemu-system-x86_64", f"{VERSION}\n{GARBAGE}")

    said = run(call)

    assert said.code == 4
    assert "machine ended (QEMU's exit code 0): 400 bytes that are no text" in said.line
    assert all_ended(pids)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (GARBAGE, "does not say its version, but '768 bytes that are no text'"),
        ("print('QEMU emulator version 6.2.0')", "QEMU 6.2 is too old"),
        ("print('no such library', file=sys.stderr); sys.exit(127)", "but 'no such library'"),
    ],
)
def test_a_hypervisor_that_cannot_run_machines_is_refused_before_one_is_started(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    pids = fake(tmp_path / "bin", monkeypatch, "qemu-system-x86_64", body)

    said = run(call)

    assert (said.code, words in said.line) == (3, True), said.err
    assert len(pids.read_text().split()) == 1
    assert all_ended(pids)


def test_a_hypervisor_that_hangs_is_not_waited_for(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = f"{VERSION}\ntime.sleep(600)"
    pids = fake(tmp_path / "bin", monkeypatch, "qemu-system-x86_64", hangs)
    hurried = functools.partial(accelerator.find, deadline_s=0.5)
    monkeypatch.setattr(image_accelerator.accelerator, "find", hurried)

    said = run(call, boot_timeout_s=2)

    assert (said.code, "did not answer in time" in said.line) == (4, True)
    assert all_ended(pids)


def test_a_hypervisor_that_does_not_even_say_its_version_is_a_preflight_failure(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = fake(tmp_path / "bin", monkeypatch, "qemu-system-x86_64", "time.sleep(600)")
    asked = process.run

    def impatient(argv: list[str], *, timeout_s: float) -> process.Completed:
        assert timeout_s >= 1
        return asked(argv, timeout_s=3)

    monkeypatch.setattr(image_accelerator.process, "run", impatient)

    said = run(call)

    assert said.code == PreflightError.exit_code
    assert "qemu-system-x86_64 did not end within 3 s" in said.line
    assert all_ended(pids)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (GARBAGE, 4, "vagrant"),
        (
            "print('17,,error-exit,Vagrant::Errors::VMBootBad,\\x1b[31mstuck'); sys.exit(1)",
            4,
            "stuck",
        ),
        (
            "print('17,,error-exit,Vagrant::Errors::ProviderNotUsable,not usable'); sys.exit(1)",
            3,
            "not usable",
        ),
        ("time.sleep(600)", 4, "did not end within"),
    ],
    ids=["garbage", "a colour", "no hypervisor", "hangs"],
)
def test_vagrant_that_does_not_do_its_work_is_one_line(
    *,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    code: int,
    words: str,
) -> None:
    program = installed(tmp_path / "bin", monkeypatch)
    program.does(body)
    monkeypatch.setattr(disk, "make", lambda _, __, into, ___: into.write_bytes(b"a box"))
    monkeypatch.setattr(vagrant_program, "_CLEAN_UP_S", 0.5)
    if "sleep" in body:
        # as long as a busy computer may take to start it
        for name in ("ADD_BOX_S", "DESTROY_S"):
            monkeypatch.setattr(vagrant, name, 4.0)
        monkeypatch.setattr(vagrant_program, "SHORT_S", 4.0)

    said = run(call, "--machine", "vagrant:libvirt", "--iface", "br0", "--server", NOBODY)

    assert (said.code, words in said.line) == (code, True), said.err
    assert program.calls()


@pytest.mark.parametrize("kind", ["vagrant:hyperv", "vagrant:"])
def test_an_unknown_provider_is_named_with_those_that_there_are(call: Call, kind: str) -> None:
    said = run(call, "--machine", kind, "--iface", "br0", "--server", NOBODY)

    assert said.code == 2
    assert said.line
    assert "libvirt" in said.err
    assert "virtualbox" in said.err


def test_an_interface_that_is_not_there_is_named_with_those_that_are(call: Call) -> None:
    said = run(call, "--iface", "eth7", "--server", NOBODY)

    assert (said.code, "eth7" in said.line, "br0" in said.err) == (2, True, True)


def test_an_image_that_was_changed_runs_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [kernel] = settings.places().images.rglob("kernel")
    kernel.write_bytes(bytes(len(kernel.read_bytes())))
    pids = fake(tmp_path / "bin", monkeypatch, "qemu-system-x86_64", VERSION)

    said = run(call)

    assert (said.code, "kernel was changed" in said.line) == (3, True)
    assert len(pids.read_text().split()) <= 1  # its version, and no machine


def test_a_catalogue_that_was_changed_is_refused_and_the_image_stays(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mptcp_appliance.fetch_catalogue._PAUSES_S", ())
    document = tmp_path / "out" / "catalogue.json"
    document.write_bytes(document.read_bytes().replace(b'"version"', b'"versioN"'))
    before = sorted(settings.places().images.rglob("*"))

    said = call("image", "fetch")

    assert (said.code, "is refused" in said.line) == (3, True)
    assert sorted(settings.places().images.rglob("*")) == before


def test_an_older_catalogue_than_one_that_was_seen_is_refused(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(out, tmp_path / "old")
    renew = ("image", "sign", "--renew", "--secret-key", tmp_path / "k", "--catalogue", out)
    assert call(*renew).code == 0
    assert call("image", "fetch").code == 0
    shutil.rmtree(out)
    (tmp_path / "old").rename(out)

    said = call("image", "fetch")

    assert (said.code, "version 2 was seen before" in said.line) == (3, True)
    assert "an older one is refused" in said.line
