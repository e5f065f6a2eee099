import dataclasses
from pathlib import Path

import pytest

from appliance_declaration import SMALL, SOURCE, module
from mptcp_appliance import images, modules, plan
from mptcp_appliance.errors import ImageError


def key(declaration: plan.Declaration = SMALL, architecture: str = "amd64", **files: str) -> str:
    return plan.cache_key(declaration, architecture=architecture, builder=files)


@pytest.mark.parametrize(
    ("machine", "debian"), [("x86_64", "amd64"), ("AMD64", "amd64"), ("arm64", "arm64")]
)
def test_debian_has_its_own_names_for_processors(machine: str, debian: str) -> None:
    assert plan.architecture(machine) == debian


def test_a_processor_without_images_is_named() -> None:
    with pytest.raises(ImageError, match="riscv64"):
        plan.architecture("riscv64")


def test_the_key_is_the_same_for_the_same_inputs() -> None:
    assert key(plan="1") == key(dataclasses.replace(SMALL), plan="1")
    assert len(key()) == 16


def test_every_field_of_the_declaration_changes_the_key() -> None:
    other = {
        str: "other",
        int: 7,
        bytes: b"other",
        tuple: (),
        dict: {"other": b"other"},
    }
    for field in dataclasses.fields(SMALL):
        now = getattr(SMALL, field.name)
        value = {"kernel": SOURCE, "selftests": True}.get(field.name) or other[type(now)]
        assert key(dataclasses.replace(SMALL, **{field.name: value})) != key(), field.name


def test_the_builder_and_the_architecture_change_the_key() -> None:
    assert len({key(), key(architecture="arm64"), key(plan="1"), key(plan="2")}) == 4


def test_an_architecture_without_a_console_is_named() -> None:
    with pytest.raises(ImageError, match="small is not declared for arm64"):
        plan.command_line(SMALL, architecture="arm64")


def test_mmdebstrap_is_told_every_package_and_no_host() -> None:
    arguments = plan.mmdebstrap_arguments(
        plan.packages(SMALL, architecture="amd64"),
        hook=Path("/w/hook"),
        tar=Path("/w/out.tar"),
        sources_on_stdin=True,
        own_mounts=False,
    )

    assert "--variant=essential" in arguments
    assert "--include=curl,python3" in arguments
    assert "--customize-hook=/w/hook" in arguments
    assert arguments[-3:] == ["bookworm", "/w/out.tar", "-"]
    assert not any("://" in argument for argument in arguments)


def test_for_a_source_package_nothing_is_installed() -> None:
    arguments = plan.mmdebstrap_arguments(
        plan.Packages(suite="bookworm", architecture="amd64", variant="custom"),
        hook=None,
        tar=Path("t"),
        sources_on_stdin=False,
        own_mounts=False,
    )

    assert "--variant=custom" in arguments
    assert not any(argument.startswith(("--include", "--customize-hook")) for argument in arguments)


def test_without_sources_of_this_machine_mmdebstrap_takes_its_own() -> None:
    arguments = plan.mmdebstrap_arguments(
        plan.packages(SMALL, architecture="amd64"),
        hook=Path("h"),
        tar=Path("t"),
        sources_on_stdin=False,
        own_mounts=True,
    )

    assert arguments[-2:] == ["bookworm", "t"]
    assert arguments[:3] == ["unshare", "--mount", "mmdebstrap"]


@pytest.mark.parametrize("as_root", [True, False])
def test_the_root_image_has_one_time_for_everything(as_root: bool) -> None:  # noqa: FBT001 - a case
    arguments = plan.mksquashfs_arguments(SMALL, output=Path("o"), as_root=as_root)

    for option in ("-mkfs-time", "-all-time"):
        assert arguments[arguments.index(option) + 1] == "1700000000"
    assert ("--map-root-user" in arguments) is not as_root


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("etc/ssh/ssh_host_ed25519_key", True),
        ("etc/ssh/sshd_config", False),
        ("etc/apt/sources.list.d/0000main.sources", True),
        ("etc/resolv.conf", True),
        ("etc/machine-id", True),
        ("etc/shadow-", True),
        ("etc/shadow", False),
        ("dev/null", True),
        ("dev", False),
        ("usr/share/doc/curl/copyright", False),
        ("usr/share/doc/curl/changelog.Debian.gz", True),
        ("usr/share/doc/curl/NEWS.gz", True),
        ("usr/share/doc/curl", False),
        ("usr/lib/x86_64-linux-gnu/perl-base/strict.pm", False),
        ("usr/lib/x86_64-linux-gnu/perl/5.36.0/Config.pm", True),
        ("usr/lib/python3.11/ctypes/__init__.py", False),
        ("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", False),
        ("var/lib/dpkg/status", False),
        ("var/lib/dpkg/info/curl.list", True),
        (".mptcp-check/linux-image.deb", True),
        (".mptcp-check", True),
    ],
)
def test_the_appliance_leaves_out_what_nobody_needs(path: str, out: bool) -> None:  # noqa: FBT001 - a case
    assert bool(plan.left_out(images.load("appliance")).match(path)) is out


def test_the_first_root_loads_its_modules_in_order() -> None:
    chosen = [modules.expand(f"k/{name}.ko", module("depends=")) for name in ("b", "a")]

    entries = {e.path: e for e in plan.initramfs(SMALL, busybox=b"BB", modules=chosen)}

    assert entries["modules.order"].data == b"b.ko\na.ko\n"
    assert entries["modules/a.ko"].data == chosen[1].data
    assert entries["init"].data == SMALL.initramfs_init
    assert entries["init"].mode & 0o111
    assert entries["bin/busybox"].data == b"BB"
    assert entries["dev/console"].device == (5, 1)
