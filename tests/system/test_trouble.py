"""Trouble: each one clear line, the contract's exit code, and nothing left behind."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mptcp_appliance import cache, images
from mptcp_check import settings
from mptcp_check.settings import IMAGE
from system.cli import (
    LIMIT_S,
    PATIENCE_S,
    call,
    interrupt,
    machines,
    running,
    wait_for_line,
    wait_until,
    work_folders,
)

pytestmark = pytest.mark.system

QUICK = ("run", "--quick", "--apps", "http")


def nothing_is_left(out: Path) -> bool:
    return not (machines() or work_folders() or list(out.parent.glob(f"{out.name}*")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--apps", "gopher"), "there is no application 'gopher'"),
        (("--behind", "evil_box"), "no behaviour is called 'evil_box'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_anything_starts(
    arguments: tuple[str, ...], message: str
) -> None:
    said = call("run", *arguments)

    assert (said.code, message in said.one_line) == (2, True)
    assert "there are: " in said.err or "known are: " in said.err


def test_a_folder_that_exists_is_refused(tmp_path: Path) -> None:
    said = call(*QUICK, "--out", str(tmp_path))

    assert said.code == 2
    assert f"{tmp_path} exists already" in said.one_line


def test_without_qemu_the_missing_program_is_named(tmp_path: Path) -> None:
    for tool in ("ps", "mmdebstrap", "mksquashfs"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    said = call(*QUICK, "--out", str(tmp_path / "run"), path=str(tmp_path))

    assert said.code == 3
    assert "qemu-system-x86_64 is not installed" in said.one_line
    assert nothing_is_left(tmp_path / "run")


def test_doctor_says_that_qemu_is_missing_and_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "ps").symlink_to(str(shutil.which("ps")))
    said = call("doctor", "--json", path=str(tmp_path))

    (check,) = [c for c in said.document["checks"] if c["name"] == "QEMU"]
    assert said.code == 3
    assert check["status"] == "FAIL"
    assert "qemu-system-x86" in check["advice"]


def test_an_image_that_was_changed_is_not_booted(tmp_path: Path) -> None:
    image = cache.ensure(
        images.load(IMAGE), cache_dir=settings.places().images, progress=lambda _: None
    )
    copy = tmp_path / "cache" / "images" / image.directory.name
    shutil.copytree(image.directory, copy)
    with (copy / image.kernel.name).open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"changed")

    said = call(*QUICK, home=tmp_path)

    assert said.code == 3
    assert image.kernel.name in said.one_line
    assert not list((tmp_path / "runs").glob("*"))


FROZEN = """#!/bin/sh
case "$*" in
    *mptcp-check-probe*) exec {real} -S "$@" ;;
esac
exec {real} "$@"
"""
"""A QEMU whose probe never begins to boot (``-S``), however fast the computer is."""


def test_a_machine_that_does_not_boot_in_time_is_ended(tmp_path: Path) -> None:
    out, tools = tmp_path / "run", tmp_path / "tools"
    tools.mkdir()
    qemu = tools / "qemu-system-x86_64"
    qemu.write_text(FROZEN.format(real=shutil.which(qemu.name)))
    qemu.chmod(0o755)

    said = call(
        *(*QUICK, "--boot-timeout", "2", "--out", str(out)),
        path=f"{tools}{os.pathsep}{os.environ['PATH']}",
    )

    assert said.code == 4
    assert "machine did not answer in time" in said.one_line
    assert "last words are in" in said.err
    assert nothing_is_left(out)


@pytest.mark.parametrize("name", ["probe", "server"])
def test_a_machine_that_dies_in_the_middle_ends_the_run(tmp_path: Path, name: str) -> None:
    out = tmp_path / "run"
    with running(*QUICK, "--out", str(out)) as child:
        wait_for_line(child, "1/4 ")
        for pid in machines():
            if f"mptcp-check-{name}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        wait_for_line(child, f"mptcp-check: the {name} machine ended")
        assert child.wait(timeout=PATIENCE_S) == 4
    assert nothing_is_left(out)


@pytest.mark.parametrize("moment", ["Verifying the appliance", "Booting two", "Preparing", "1/4 "])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_at_any_moment_leaves_nothing(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    with running(*QUICK, "--out", str(out)) as child:
        wait_for_line(child, moment)
        assert interrupt(child, number) == 130
    assert nothing_is_left(out)


def test_after_kill_9_no_machine_lives_on_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with running(*QUICK, "--out", str(out)) as child:
        wait_for_line(child, "1/4 ")
        assert len(machines()) == 2
        assert interrupt(child, signal.SIGKILL) == -signal.SIGKILL
        assert wait_until(lambda: not machines()), "a machine outlived its run"
    assert len(work_folders()) == 1

    said = call("doctor", "--json")

    (check,) = [c for c in said.document["checks"] if c["name"] == "Crashed runs"]
    assert check["status"] == "WARN"
    assert work_folders() == []


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    outs = [tmp_path / "one", tmp_path / "other"]
    with (
        running(*QUICK, "--out", str(outs[0])) as one,
        running(*QUICK, "--out", str(outs[1])) as two,
    ):
        assert (one.wait(LIMIT_S), two.wait(LIMIT_S)) == (0, 0)
    for out in outs:
        shown = call("runs", "show", str(out), "--json")
        assert shown.code == 0
        assert [e["outcome"] for e in shown.document["exchanges"]] == ["tcp", "mptcp"] * 2


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "small", str(small)], check=True)
    try:
        said = call(*QUICK, "--out", str(small / "run"))
        assert said.code == 3
        assert "1 MiB free, a run needs" in said.err.replace("0 MiB free", "1 MiB free")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
