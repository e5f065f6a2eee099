"""The image as it is built and booted: everything that a run counts on is in it."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_appliance import boot, cache, cpio, images, kernel_build, manifest
from mptcp_appliance.image import Image
from mptcp_appliance.verify import verify
from mptcp_check import settings
from system.image_guest import (
    BOOT_DEADLINE_S,
    COMMAND_DEADLINE_S,
    Guest,
    booted,
    command,
    greeted,
)

pytestmark = pytest.mark.system

LARGEST_ROOT_BYTES = 100_000_000
WAKES = 40_000


@pytest.fixture(scope="module")
def image() -> Image:
    return cache.ensure(
        images.load("appliance"), cache_dir=settings.places().images, progress=lambda _: None
    )


@pytest.fixture(scope="module")
def guest(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with booted(image, tmp_path_factory.mktemp("image") / "guest") as guest:
        yield guest


def test_the_image_is_small_and_whole(image: Image) -> None:
    verify(image)
    assert image.rootfs.stat().st_size < LARGEST_ROOT_BYTES


def test_another_program_reads_the_initramfs_as_we_wrote_it(image: Image, tmp_path: Path) -> None:
    archive = image.initrd.read_bytes()
    entries = cpio.read(archive)
    busybox = tmp_path / "busybox"
    busybox.write_bytes(next(e.data for e in entries if e.path == "bin/busybox"))
    busybox.chmod(0o755)

    listed = subprocess.run([busybox, "cpio", "-t"], input=archive, capture_output=True, check=True)

    assert listed.stdout.decode().splitlines() == [entry.path for entry in entries]


def test_a_boot_probe_says_so_and_powers_off(image: Image, tmp_path: Path) -> None:
    console = tmp_path / "console"

    done = subprocess.run(
        command(boot.boot_probe_arguments(image), console=console),
        timeout=BOOT_DEADLINE_S,
        check=False,
    )

    assert done.returncode == 0
    assert boot.BOOT_OK in console.read_text()


def test_a_machine_without_its_root_says_so_and_powers_off(image: Image, tmp_path: Path) -> None:
    console = tmp_path / "console"
    arguments = [
        word.replace("mptcp_check.boot_probe=1", "") for word in boot.boot_probe_arguments(image)
    ]

    done = subprocess.run(command(arguments, console=console), timeout=BOOT_DEADLINE_S, check=False)

    assert done.returncode == 0
    assert "mptcp-check: boot failed: there is no disk /dev/vda" in console.read_text()


def test_the_kernel_is_the_one_in_the_manifest(guest: Guest, image: Image) -> None:
    assert f'"kernel_release": "{guest.check("uname -r")}"' in image.manifest.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "mptcpize --version",
        "nginx -v",
        "pure-ftpd --help",
        "pure-pw --help || [ $? = 255 ] || [ $? = 1 ]",
        "curl --version",
        "lftp --version",
        "tcpdump --version",
        "ethtool --version",
        "nft --version",
        "ip -V",
        "ss -V",
        "nstat -V",
        "sysctl --version",
        "ping -V",
        "/usr/bin/python3 -c 'import asyncio, ctypes, json, selectors, ssl, subprocess, zipfile'",
    ],
)
def test_a_program_that_runs_count_on_starts(guest: Guest, line: str) -> None:
    guest.check(line)


def test_multipath_tcp_carries_data(guest: Guest) -> None:
    assert guest.check("sysctl -n net.mptcp.enabled") == "1"
    # a namespace of its own, so that the counters hold this and nothing else
    guest.check("ip netns add proof && ip -n proof link set lo up")
    said = guest.check(
        """ip netns exec proof python3 -c '
import socket, subprocess
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
listener.bind(("127.0.0.1", 0)); listener.listen()
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
client.connect(listener.getsockname()); server, _ = listener.accept()
client.sendall(b"hello"); print(server.recv(5).decode())
print(subprocess.run(["ss", "-Mn"], capture_output=True, text=True).stdout)
'"""
    )
    assert said.startswith("hello")
    assert "ESTAB" in said
    counters = guest.check("ip netns exec proof nstat -asz MPTcpExtMPCapableSYNACKRX")
    assert counters.split()[-2:] == ["1", "0.0"]


@pytest.mark.parametrize(
    "line",
    [
        "tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root",
        "tc qdisc add dev eth1 root tbf rate 1mbit burst 10k latency 5ms",
        "nft add table inet t",
        "nft 'add chain inet t c { type filter hook output priority 0; }'",
        "nft add rule inet t c tcp flags rst counter drop",
        "ip link add v0 type veth peer name v1 && ip link del v0",
        "ip tuntap add dev t0 mode tun && ip link del t0",
        "ss -Mnit && ss -tni && ss -0",
    ],
)
def test_the_kernel_has_what_is_wanted(guest: Guest, line: str) -> None:
    guest.check(line)


def test_the_measurement_interfaces_are_there_and_untouched(guest: Guest) -> None:
    assert guest.check("ls /sys/class/net").split() == ["eth0", "eth1", "lo"]
    assert guest.check("cat /sys/class/net/eth0/operstate") == "down"
    assert "52:54:00:00:00:01" in guest.check("cat /sys/class/net/eth1/address")


def test_nothing_listens_on_a_network(guest: Guest) -> None:
    assert guest.check("ss -Htuln") == ""


def test_only_the_key_of_this_run_opens_the_door(guest: Guest) -> None:
    assert guest.check("stat -c '%a %U' /root/.ssh /root/.ssh/authorized_keys") == (
        "700 root\n400 root"
    )
    assert guest.check("ls /etc/ssh/ssh_host_*") == "/etc/ssh/ssh_host_ed25519_key"
    assert "passwordauthentication no" in guest.check("/usr/sbin/sshd -T")


def test_the_ftp_user_has_a_home_and_no_password(guest: Guest) -> None:
    assert guest.check("stat -c '%U %a' /srv/ftp") == "mptcp 755"
    assert guest.check("getent shadow mptcp").split(":")[1] == "*"


def test_the_image_does_not_name_the_machine_that_built_it(guest: Guest) -> None:
    assert guest.check("cat /etc/hostname") == "appliance"
    assert guest.run("test -e /etc/resolv.conf")[0] == 1
    assert guest.run("ls /etc/apt/sources.list*")[0] != 0


def test_the_system_can_be_written_and_the_image_cannot(guest: Guest) -> None:
    guest.check("echo x >/etc/written && rm /usr/bin/lftp && touch /tmp/t /run/r /var/log/l")
    assert guest.check("cat /sys/block/vda/ro") == "1"


def test_programs_find_their_own_descriptors_by_name(guest: Guest) -> None:
    assert guest.check("echo x | cat /dev/stdin; echo y >/dev/stderr") == "x\ny"
    assert guest.check("bash -c 'cat <(echo z)'") == "z"


def test_orphans_are_reaped(guest: Guest) -> None:
    guest.check("sh -c 'for i in 1 2 3; do (sleep 0.2 &) ; done'; sleep 1")

    # what has just ended is a zombie for a moment; what nobody reaps is one for ever
    states = "cat /proc/[0-9]*/stat | sed 's/.*) //' | cut -c1 | sort -u"
    guest.check(f"for i in $(seq 60); do {states} | grep -q Z || exit 0; sleep 1; done; exit 1")


def test_power_off_ends_qemu(image: Image, tmp_path: Path) -> None:
    with booted(image, tmp_path / "guest") as guest:
        guest.transport.open_session().exec_command("poweroff -f")
        assert guest.process.wait(COMMAND_DEADLINE_S) == 0


def test_a_signal_to_init_ends_qemu(image: Image, tmp_path: Path) -> None:
    with booted(image, tmp_path / "guest") as guest:
        guest.transport.open_session().exec_command("kill 1")
        assert guest.process.wait(COMMAND_DEADLINE_S) == 0


def test_a_second_connection_is_served_after_the_first(image: Image, tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    with booted(image, folder) as guest:
        guest.check("true")
        guest.transport.close()
        with greeted(folder / "mgmt") as stream:
            assert stream.recv(8).startswith(b"SSH-2.0-")


def test_sshd_never_polls_the_management_port_itself(guest: Guest) -> None:
    """Two polls of one virtio port lose a wake-up now and then: `ssh-over-port` says how."""
    holders = guest.check(
        "find /proc/[0-9]*/fd -lname '/dev/vport*' 2>/dev/null | cut -d/ -f3 | sort -u | "
        "while read -r process; do cat /proc/$process/comm; done | sort"
    )

    # the listener, which waits for sshd, and the two that copy
    assert holders.split() == ["busybox", "busybox", "ssh-over-port"]


def test_nothing_of_a_connection_is_left_when_its_sshd_dies(image: Image, tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    with booted(image, folder) as guest:
        # once this command's end is told: how long that takes on a busy computer nobody knows
        wait = "until [ -e /run/go ]; do sleep 0.1; done; sleep 0.3"
        guest.check(f"({wait}; kill -9 $PPID) >/dev/null 2>&1 &")
        guest.transport.open_session().exec_command("touch /run/go")
        time.sleep(2)  # nothing on this side tells that it is gone
        guest.transport.close()
        with greeted(folder / "mgmt") as stream:
            assert stream.recv(8).startswith(b"SSH-2.0-")


@pytest.mark.slow
def test_a_message_in_the_wake_of_another_is_always_answered(guest: Guest) -> None:
    """Forty thousand chances to fall between two polls; sshd on the bare port missed one in 10000.

    The delays span what sshd takes for the first message before it waits for the next.
    """
    answered = 0

    def ask() -> None:
        nonlocal answered
        for turn in range(WAKES):
            guest.transport.send_ignore(16)
            until = time.perf_counter() + (turn % 800) / 1e6
            while time.perf_counter() < until:
                pass
            guest.transport.global_request("keepalive@openssh.com", wait=True)
            answered += 1

    # paramiko waits for this answer without an end
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    before = -1
    while asking.is_alive():
        assert answered > before, f"the guest fell silent after {before} answers"
        before = answered
        asking.join(COMMAND_DEADLINE_S)
    assert answered == WAKES


@pytest.mark.slow
def test_two_builds_give_the_same_digest(image: Image, tmp_path: Path) -> None:
    """Two builds in two folders, compared file by file.

    Not with the cached one: packages move.  The kernel is the cached one: that two builds of it
    are equal is another test's (`test_kernel.py`).
    """
    for name in ("a", "b"):
        kernels = image.directory.parent / kernel_build.FOLDER
        shutil.copytree(kernels, tmp_path / name / kernel_build.FOLDER)
    first = cache.ensure(
        images.load("appliance"), cache_dir=tmp_path / "a", progress=lambda _: None
    )
    second = cache.ensure(
        images.load("appliance"), cache_dir=tmp_path / "b", progress=lambda _: None
    )

    assert first.directory != second.directory
    assert first.digest == second.digest
    for name in manifest.PARTS:
        assert (first.directory / name).read_bytes() == (second.directory / name).read_bytes()
    assert first.command_line == image.command_line
    for folder in (first, second):
        shutil.rmtree(folder.directory)
