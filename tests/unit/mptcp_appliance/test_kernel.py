import dataclasses
import subprocess
from pathlib import Path

import pytest

from appliance_declaration import BINARY, module
from mptcp_appliance import kconfig, kernel
from mptcp_appliance.errors import ImageError

FILES = {
    "DEBIAN/control": b"Package: linux-image-6\nVersion: 1\nArchitecture: all\n"
    b"Maintainer: nobody <nobody@example.invalid>\nDescription: test\n",
    "boot/vmlinuz-6.1-cloud": b"KERNEL",
    "boot/config-6.1-cloud": b"CONFIG_OVERLAY_FS=m\nCONFIG_TUN=m\nCONFIG_MPTCP=y\n",
    "lib/modules/6.1-cloud/modules.builtin": b"kernel/core.ko\n",
    "lib/modules/6.1-cloud/kernel/fs/overlay.ko": module("depends=core"),
    "lib/modules/6.1-cloud/kernel/drivers/net/tun.ko": module("depends=tap", "alias=devname:tun"),
    "lib/modules/6.1-cloud/kernel/drivers/net/tap.ko": module("depends="),
    "lib/modules/6.1-cloud/kernel/drivers/net/other.ko": module("depends="),
}


def package(folder: Path, files: dict[str, bytes]) -> Path:
    """Make a real .deb with dpkg-deb."""
    for name, data in files.items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    deb = folder / "kernel.deb"
    subprocess.run(["dpkg-deb", "--build", folder / "tree", deb], check=True, capture_output=True)
    return deb


def test_a_kernel_package_is_taken_apart(tmp_path: Path) -> None:
    found = kernel.read(package(tmp_path, FILES))

    assert found.release == "6.1-cloud"
    assert found.image == b"KERNEL"
    assert "kernel/fs/overlay.ko" in found.packed_modules


def test_only_what_is_declared_and_what_it_needs_is_chosen(tmp_path: Path) -> None:
    found = kernel.read(package(tmp_path, FILES))

    chosen = kernel.select(found, BINARY)

    assert [m.name for m in chosen.boot] == ["overlay"]
    assert [m.name for m in chosen.root] == ["overlay", "tap", "tun"]
    files = kernel.module_files(found, chosen)
    folder = "usr/lib/modules/6.1-cloud"
    assert f"{folder}/kernel/drivers/net/other.ko" not in files
    assert files[f"{folder}/modules.alias"] == b"alias devname:tun tun\n"
    assert (
        b"kernel/drivers/net/tun.ko: kernel/drivers/net/tap.ko\n" in files[f"{folder}/modules.dep"]
    )


def test_a_kernel_that_has_all_built_in_needs_no_modules(tmp_path: Path) -> None:
    config = FILES["boot/config-6.1-cloud"].replace(b"=m", b"=y")
    found = kernel.read(package(tmp_path, {**FILES, "boot/config-6.1-cloud": config}))

    assert kernel.select(found, BINARY) == kernel.NO_MODULES


def test_a_missing_option_is_named(tmp_path: Path) -> None:
    required = (*BINARY.required, *kconfig.parse("more", "CONFIG_NF_TABLES=y  # nft\n"))
    found = kernel.read(package(tmp_path, FILES))

    with pytest.raises(ImageError, match="lacks CONFIG_NF_TABLES=y"):
        kernel.select(found, dataclasses.replace(BINARY, required=required))


def test_a_package_without_a_kernel_is_named(tmp_path: Path) -> None:
    files = {name: data for name, data in FILES.items() if "vmlinuz" not in name}

    with pytest.raises(ImageError, match=r"kernel\.deb holds 0 kernels"):
        kernel.read(package(tmp_path, files))


@pytest.mark.parametrize("junk", [b"", b"!<arch>\n", b"x" * 1000])
def test_what_is_no_package_is_an_error(
    tmp_path: Path, junk: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kernel.deb").write_bytes(junk)

    with pytest.raises(ImageError, match="kernel"):
        kernel.read(tmp_path / "kernel.deb")
    capfd.readouterr()


def test_a_bare_kernel_is_taken_only_where_qemu_can_start_it(tmp_path: Path) -> None:
    found = kernel.read(package(tmp_path, FILES))

    assert kernel.bootable(found) == b"KERNEL"
