"""How soon does the appliance take a command?  Its ratio to the distribution's own system.

    sudo .venv/bin/python benchmarks/boot.py [BOOTS]

From the start of QEMU to the end of the first command over ssh, on a virtio-serial port in both
cases, under software emulation, on the same q35 machine without a network.  The other side is
built here from the same archive in the same run: Debian's cloud kernel and the initramfs that its
package makes, systemd, an ext4 root.  Boots take turns; medians are compared.  Seconds only say
how fast this computer is.  The exit code is 1 if the ratio is above what is claimed.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import boot, cache, images, packages, plan
from mptcp_appliance.workshop import Workshop
from mptcp_check import clock, settings
from mptcp_check.machines import workspace
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.guest import booted
from mptcp_check.machines.management import RunKeys, make_keys
from mptcp_check.machines.qemu import MachineSpec

CLAIM = 0.25
BOOTS = 5
MEMORY_MIB = 512
DEADLINE_S = 300.0
TCG = Accelerator(name="tcg", reason="the same for both")

DISTRIBUTION = (
    "busybox-static",
    "ifupdown",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "linux-image-6.12-cloud-amd64",
    "openssh-server",
    "systemd-sysv",
    "udev",
    "zstd",
)
"""What a small Debian system with ssh is made of."""

SERVICE = """\
[Unit]
Description=ssh over a virtio-serial port
After=basic.target
[Service]
RuntimeDirectory=sshd
ExecStart=/usr/local/sbin/ssh-over-port mgmt
Restart=always
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two systems."""

    name: str
    arguments: tuple[str, ...]
    """QEMU's, for what is booted."""


@contextmanager
def distribution(folder: Path, keys: RunKeys) -> Iterator[Side]:
    """Build Debian's own system: packages into a tree, the tree into an ext4 file system."""
    declaration = images.load("appliance")
    tar, tree, disk = folder / "packages.tar", folder / "tree", folder / "root.ext4"
    print("building Debian's cloud kernel with systemd from packages", flush=True)
    packages.install(
        plan.Packages(
            suite=declaration.suite,
            architecture="amd64",
            variant="minbase",
            include=DISTRIBUTION,
        ),
        hook=b"",
        environment={},
        tar=tar,
        shop=Workshop(work=folder, progress=lambda _: None),
    )
    tree.mkdir()
    subprocess.run(["tar", "-xpf", tar, "-C", tree, "--numeric-owner"], check=True)
    over_port = tree / "usr/local/sbin/ssh-over-port"
    over_port.write_bytes(declaration.root_files["usr/local/sbin/ssh-over-port"])
    over_port.chmod(0o755)
    (tree / "etc/systemd/system/ssh-over-port.service").write_text(SERVICE)
    subprocess.run(["systemctl", f"--root={tree}", "enable", "ssh-over-port.service"], check=True)
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(keys.directory / "authorized_keys", tree / "root/.ssh/authorized_keys")
    for path in (tree / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    shutil.copy(keys.directory / "ssh_host_ed25519_key", tree / "etc/ssh/ssh_host_ed25519_key")
    (kernel,) = (tree / "boot").glob("vmlinuz-*")
    (initrd,) = (tree / "boot").glob("initrd.img-*")
    disk.touch()
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "2G"], check=True)
    yield Side(
        name="Debian's cloud kernel, its initramfs, systemd",
        arguments=(
            *("-m", str(MEMORY_MIB)),
            *("-kernel", str(kernel), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 root=/dev/vda rw quiet"),
            *("-drive", f"if=none,id=root,format=raw,snapshot=on,file={disk}"),
            *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci"),
        ),
    )


def first_command_s(side: Side, keys: RunKeys, folder: Path) -> float:
    """Return how long a boot takes until a command has run."""
    spec = MachineSpec(
        name="boot",
        accelerator=TCG,
        image_arguments=side.arguments,
        directory=folder,
        links=(),
        machine_index=0,
    )
    spec.management_socket.unlink(missing_ok=True)
    began = time.perf_counter()
    with booted(spec, keys, now_ns=clock.monotonic_ns, boot_timeout_s=DEADLINE_S) as (
        _,
        management,
    ):
        management.run("true")
        return time.perf_counter() - began


def main() -> int:
    """Compare both, print the ratio."""
    boots = int(sys.argv[1]) if len(sys.argv) > 1 else BOOTS
    if shutil.which("mke2fs") is None:
        raise SystemExit("this needs e2fsprogs and root")
    image = cache.ensure(
        images.load("appliance"), cache_dir=settings.places().images, progress=lambda _: None
    )
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as name,
        workspace.workspace("boot-benchmark") as scratch,
    ):
        keys = make_keys(scratch / "keys")
        own = Side(
            name="the appliance",
            arguments=tuple(
                boot.qemu_arguments(image, memory_mib=MEMORY_MIB, keys_directory=keys.directory)
            ),
        )
        with distribution(Path(name), keys) as theirs:
            taken = {side.name: [0.0] * 0 for side in (own, theirs)}
            for _ in range(boots):
                for side in (own, theirs):
                    taken[side.name].append(first_command_s(side, keys, scratch))
    medians = {side: statistics.median(seconds) for side, seconds in taken.items()}
    for side, seconds in taken.items():
        print(f"{side}: median {medians[side]:.2f} s of {', '.join(f'{s:.2f}' for s in seconds)}")
    ratio = medians[own.name] / medians[theirs.name]
    good = ratio <= CLAIM
    print(f"{'PASS' if good else 'FAIL'} boot to first command: ratio {ratio:.3f}, at most {CLAIM}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
