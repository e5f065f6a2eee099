import json
from pathlib import Path

import pytest

from mptcp_check.machines import vagrant_home

ENTRY = {"ruby_version": "3.1.2", "gem_version": ""}


def theirs(folder: Path, *names: str) -> Path:
    (folder / "gems" / "3.1.2").mkdir(parents=True)
    installed = {"version": "1", "installed": dict.fromkeys(names, ENTRY)}
    (folder / "plugins.json").write_text(json.dumps(installed))
    return folder


def lent(boxes: Path) -> set[str]:
    return set(json.loads((boxes / "plugins.json").read_text())["installed"])


def test_providers_plugins_are_lent_and_nothing_else(tmp_path: Path) -> None:
    boxes = vagrant_home.boxes_home(tmp_path / "ours")
    (boxes / "gems" / "3.1.2").mkdir(parents=True)  # Vagrant makes it when there is none
    home = theirs(tmp_path / "theirs", "vagrant-qemu", "vagrant-vbguest")

    for _ in range(2):  # each start does it
        vagrant_home.lend_plugins(boxes, home)

    assert lent(boxes) == {"vagrant-qemu"}
    assert (boxes / "gems").resolve() == home / "gems"
    assert sorted(path.name for path in boxes.iterdir()) == ["gems", "plugins.json"]


def test_a_plugin_that_was_uninstalled_is_not_lent_any_more(tmp_path: Path) -> None:
    boxes = vagrant_home.boxes_home(tmp_path / "ours")
    home = theirs(tmp_path / "theirs", "vagrant-libvirt")
    vagrant_home.lend_plugins(boxes, home)
    (home / "plugins.json").unlink()

    vagrant_home.lend_plugins(boxes, home)

    assert lent(boxes) == set()
    assert not (boxes / "gems").exists()
    assert (home / "gems" / "3.1.2").is_dir()


@pytest.mark.parametrize("content", ["", "[]", '{"installed": 1}', '{"installed": []}', "\0"])
def test_a_list_of_plugins_that_cannot_be_read_lends_nothing(tmp_path: Path, content: str) -> None:
    boxes = vagrant_home.boxes_home(tmp_path / "ours")
    home = theirs(tmp_path / "theirs")
    (home / "plugins.json").write_text(content)

    vagrant_home.lend_plugins(boxes, home)

    assert lent(boxes) == set()


def test_vagrants_home_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VAGRANT_HOME", raising=False)
    assert vagrant_home.user_home() == tmp_path / ".vagrant.d"
    monkeypatch.setenv("VAGRANT_HOME", "/elsewhere")
    assert vagrant_home.user_home() == Path("/elsewhere")


NAME = "mptcp-check/appliance-abc"


@pytest.mark.parametrize("place", ["0/libvirt", "0/amd64/libvirt"])  # Vagrant 2.3, Vagrant 2.4
def test_a_box_is_believed_as_long_as_it_is_what_was_taken_in(tmp_path: Path, place: str) -> None:
    boxes = vagrant_home.boxes_home(tmp_path) / "boxes"
    assert not vagrant_home.is_sealed(tmp_path, NAME, "libvirt")
    folder = boxes / "mptcp-check-VAGRANTSLASH-appliance-abc" / place
    folder.mkdir(parents=True)
    for name in ("metadata.json", "Vagrantfile", "box.img"):
        (folder / name).write_text(name)
    assert not vagrant_home.is_sealed(tmp_path, NAME, "libvirt")  # nobody said what it was

    vagrant_home.seal(tmp_path, NAME, "libvirt")

    assert vagrant_home.is_sealed(tmp_path, NAME, "libvirt")
    assert not vagrant_home.is_sealed(tmp_path, NAME, "virtualbox")
    (folder / "box_update_check").write_text("Vagrant's own")
    assert vagrant_home.is_sealed(tmp_path, NAME, "libvirt")
    (folder / "box.img").write_text("changed")
    assert not vagrant_home.is_sealed(tmp_path, NAME, "libvirt")
    (folder / "box.img").unlink()
    assert not vagrant_home.is_sealed(tmp_path, NAME, "libvirt")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"metadata.json": 1}', '{"\\u0000": ""}'])
def test_a_damaged_note_of_a_box_is_none(tmp_path: Path, content: str) -> None:
    folder = vagrant_home.boxes_home(tmp_path) / "boxes" / NAME.replace("/", "-VAGRANTSLASH-")
    (folder / "0" / "libvirt").mkdir(parents=True)
    (folder / "0" / "libvirt" / "metadata.json").write_text("{}")
    vagrant_home.seal(tmp_path, NAME, "libvirt")
    (note,) = (tmp_path / "seals").iterdir()
    note.write_text(content)

    assert not vagrant_home.is_sealed(tmp_path, NAME, "libvirt")
