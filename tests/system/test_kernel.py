"""The kernel of our own: what was asked for is in it, upstream accepts it, and it starts."""

import dataclasses
import gzip
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_appliance import cache, images, kconfig, kernel_build, kernel_source, manifest
from mptcp_appliance.image import Image
from mptcp_appliance.kernel_declaration import BinaryKernel, SourceKernel
from mptcp_appliance.selftests import Outcome
from mptcp_appliance.workshop import Workshop
from mptcp_check import image_test, settings
from mptcp_check.cli.live import PlainWatch
from system.image_guest import ARM64, Guest, booted

pytestmark = pytest.mark.system

BOOTS = 100

ACCEPTED = {
    ("diag", Outcome.PASSED): 26,
    # ss of bookworm does not show what they look for
    ("diag", Outcome.SKIPPED): 3,
    ("pm_netlink", Outcome.PASSED): 22,
    ("mptcp_sockopt", Outcome.PASSED): 11,
    ("mptcp_join", Outcome.PASSED): 15,
}
"""What upstream's 77 checks said of Linux 6.12.117 with the tools of bookworm."""


def built(name: str, architecture: str | None = None) -> Image:
    return cache.ensure(
        images.load(name),
        cache_dir=settings.places().images,
        progress=lambda _: None,
        architecture=architecture,
    )


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with booted(built("appliance"), tmp_path_factory.mktemp("kernel") / "guest") as guest:
        yield guest


def test_the_kernel_shows_the_configuration_that_the_image_has(guest: Guest) -> None:
    shown = guest.check("zcat /proc/config.gz")

    kernel = images.load("appliance").kernel
    assert isinstance(kernel, SourceKernel)
    kconfig.require_taken(kernel.requests["amd64"], shown)
    file = built("appliance").directory / manifest.KERNEL_CONFIG
    assert kconfig.options(shown) == kconfig.options(file.read_text())


def test_nothing_can_be_loaded_into_the_kernel(guest: Guest) -> None:
    assert guest.run("test -e /proc/modules")[0] == 1
    assert guest.run("test -e /lib/modules")[0] == 1


def test_the_kernel_mounts_its_root_without_an_initramfs(guest: Guest) -> None:
    assert "init=/usr/local/sbin/overlay-init" in guest.check("cat /proc/cmdline")
    assert guest.check("stat -f -c %T /") == "overlayfs"
    # the layers below are nobody's to reach
    assert guest.check("ls -A /mnt") == ""
    assert guest.check("cut -d' ' -f2 /proc/mounts | sort | uniq -d") == ""


def test_firmware_can_start_the_kernel_file() -> None:
    file = (built("appliance").directory / manifest.EFI_KERNEL).read_bytes()

    # PE/COFF: UEFI specification 2.10, section 2.1.1
    assert file[:2] == b"MZ"
    header = int.from_bytes(file[0x3C:0x40], "little")
    assert file[header : header + 4] == b"PE\0\0"


def test_an_image_is_small_enough_to_be_fetched() -> None:
    image = built("appliance")
    parts = [image.rootfs, image.initrd, image.directory / manifest.EFI_KERNEL]
    # QEMU's form of the kernel is the other one's content without its wrapper
    packed = len(gzip.compress(image.kernel.read_bytes(), 6))

    assert sum(path.stat().st_size for path in parts) + packed < 100_000_000


@pytest.mark.slow
def test_upstreams_selftests_accept_the_image() -> None:
    checks = image_test.run(
        built("selftest"), places=settings.places(), watch=PlainWatch(), boot_timeout_s=90.0
    )

    assert [check for check in checks if not check.ok] == []
    counts = Counter((check.suite, check.outcome) for check in checks)
    assert counts == ACCEPTED


@pytest.mark.slow
def test_the_selftest_image_has_the_appliances_kernel() -> None:
    ours, theirs = built("appliance"), built("selftest")

    assert ours.kernel.read_bytes() == theirs.kernel.read_bytes()


@pytest.mark.slow
def test_a_hundred_boots_do_not_fail_once(tmp_path: Path) -> None:
    image = built("appliance")
    failed = []
    for number in range(BOOTS):
        try:
            with booted(image, tmp_path / str(number)) as guest:
                guest.check("true")
        except Exception as e:  # noqa: BLE001 - counted, whatever it was
            failed.append((number, repr(e)))

    assert failed == []


@pytest.mark.slow
def test_arm64_boots_the_same_appliance(tmp_path: Path) -> None:
    image = built("appliance", "arm64")

    with booted(image, tmp_path / "guest", machine=ARM64) as guest:
        assert guest.check("uname -m") == "aarch64"
        kernel = images.load("appliance").kernel
        assert isinstance(kernel, SourceKernel)
        kconfig.require_taken(kernel.requests["arm64"], guest.check("zcat /proc/config.gz"))
        assert guest.check("sysctl -n net.mptcp.enabled") == "1"
        assert guest.check("ls /sys/class/net").split() == ["eth0", "eth1", "lo"]
        guest.check("nginx -v && tcpdump --version && python3 -c 'import ssl'")
        guest.transport.open_session().exec_command("poweroff -f")
        assert guest.process.wait(60) == 0


@pytest.mark.slow
def test_the_distributions_kernel_loads_every_module_of_its_image(tmp_path: Path) -> None:
    kernel = images.load("cloud").kernel
    assert isinstance(kernel, BinaryKernel)
    names = [name for names in kernel.root_modules.values() for name in names]
    with booted(built("cloud"), tmp_path / "guest") as guest:
        guest.check(f"modprobe -a {' '.join(names)}")

        loaded = {line.split()[0] for line in guest.check("cat /proc/modules").splitlines()}
        builtin = guest.check("cat /lib/modules/$(uname -r)/modules.builtin")
        missing = [n for n in names if n not in loaded and f"/{n}.ko" not in builtin]
        assert missing == []
        guest.check("nft add table inet t && tc qdisc add dev lo root netem delay 1ms")


@pytest.mark.slow
def test_two_builds_of_the_kernel_are_equal(tmp_path: Path) -> None:
    declaration = images.load("appliance")
    assert isinstance(declaration.kernel, SourceKernel)
    recipe = kernel_build.Recipe(
        suite=declaration.suite,
        epoch_s=declaration.source_date_epoch,
        hook=declaration.hooks[kernel_source.HOOK],
    )
    folders = (tmp_path / "one", tmp_path / "another" / "deeper")
    found = []
    for folder in folders:
        (folder / "work").mkdir(parents=True)
        shop = Workshop(work=folder / "work", progress=lambda _: None)
        found.append(
            kernel_build.ensure(
                declaration.kernel, recipe, architecture="amd64", cache_dir=folder, shop=shop
            )
        )
    first, second = found

    assert first.directory != second.directory
    assert first.kernel.image == second.kernel.image
    assert dataclasses.replace(first, directory=second.directory) == second
    for folder in folders:
        shutil.rmtree(folder)
