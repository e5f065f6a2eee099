"""A computer of its own, seen from inside: a pretend site, with libvirtd on its laptop.

Run as process 1 of new namespaces (``unshare``, see `test_vagrant`): its ``/dev`` has no KVM, its
``/run``, ``/etc/libvirt`` and ``/var/lib/libvirt`` are its own, and all of it ends with it.

    python vagrant_site.py BOX DIGEST WORK SCENE; the last line of its output is JSON

    the machine in libvirt ── br0, br1 of the laptop ── router ── server (`real_site`)
"""

import contextlib
import ctypes
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mptcp_check import clock, settings
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import addresses, vagrant
from mptcp_check.machines.guest import Guest
from mptcp_check.machines.guest_archive import build_zipapp
from mptcp_check.machines.management import make_keys
from mptcp_check.machines.vagrant import BridgedNetwork, VagrantSpec
from system.cli import PROGRAM
from system.public_server import public_server
from system.real_site import SERVER, SSH_PORT, Site, site

NAME = "mptcp-check-test"
CLONE_NEWNET = 0x40000000
BOOT_S = 400
RUN_S = 800
LIBVIRT = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
QEMU_CONF = """
namespaces = []
security_driver = "none"
cgroup_controllers = []
"""

LOOK_FOR = """
import socket, sys, time
for _ in range(20):
    try:
        socket.create_connection((sys.argv[1], 9), 1)
    except ConnectionRefusedError:
        print("refused by itself")
        break
    except OSError:  # not found yet
        time.sleep(0.2)
"""


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def own_places(work: Path) -> None:
    """Hide this computer's libvirt, its names and its KVM; only mounts of our own are made."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for place in LIBVIRT:
        own = work / place.strip("/").replace("/", "-")
        own.mkdir(mode=0o755)
        run("mount", "--bind", str(own), place)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    device = work / "dev"
    device.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=755", "dev", str(device))
    (device / "net").mkdir()
    for name in ("null", "zero", "full", "random", "urandom", "tty", "net/tun"):
        (device / name).touch()
        run("mount", "--bind", f"/dev/{name}", str(device / name))
    for name in ("pts", "shm"):
        (device / name).mkdir()
    run("mount", "--bind", "/dev/pts", str(device / "pts"))
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        (device / name).symlink_to(target)
    run("mount", "--move", str(device), "/dev")
    run("ip", "link", "set", "lo", "up")


@contextlib.contextmanager
def on_laptop(place: Site) -> Iterator[None]:
    """Be in the laptop's network, with everything that is started meanwhile."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    laptop = os.open(f"/run/netns/{place.name('laptop')}", os.O_RDONLY)
    try:
        move_to(laptop)
        yield
    finally:
        move_to(own)  # the site's end ends who is in it
        os.close(laptop)
        os.close(own)


def move_to(namespace: int) -> None:
    moved = ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET)
    assert moved == 0, os.strerror(ctypes.get_errno())


@contextlib.contextmanager
def libvirt(work: Path) -> Iterator[None]:
    """Run libvirt's daemons until the end of the block."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((work / "libvirtd.log").open("wb"))
        for program in ("virtlogd", "libvirtd"):
            daemon = subprocess.Popen([program], stdout=log, stderr=log)
            stack.callback(daemon.wait)
            stack.callback(daemon.terminate)
        wanted = ["virsh", "-c", "qemu:///system", "list"]
        for _ in range(600):
            if subprocess.run(wanted, capture_output=True, check=False).returncode == 0:
                yield
                return
            time.sleep(0.1)
        raise TimeoutError(f"libvirtd does not answer; see {work / 'libvirtd.log'}")


def whole_run(work: Path, place: Site, *server: str, stem: str = "br") -> dict[str, Any]:
    """Let the laptop's user check both networks by a machine of Vagrant's."""
    wanted = [word for n in range(addresses.LINKS) for word in ("--iface", f"{stem}{n}")]
    command = [
        *("ip", "netns", "exec", place.name("laptop"), str(PROGRAM), "run", "--quick", "--json"),
        *("--machine", "vagrant:libvirt", *wanted, "--boot-timeout", str(BOOT_S)),
        *(*server, "--out", str(work / "run")),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        env=place.environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"document": json.loads(done.stdout), "said": done.stderr}


BOX = ("--server", f"ssh:{SERVER}:{SSH_PORT}")

BRIDGES = tuple(
    BridgedNetwork(interface=f"br{n}", mac=f"52:54:00:77:00:0{n + 1}")
    for n in range(addresses.LINKS)
)


def spec(box: Path, digest: str, home: Path, networks: tuple[BridgedNetwork, ...]) -> VagrantSpec:
    return VagrantSpec(
        name=NAME,
        provider="libvirt",
        box=box,
        box_digest=digest,
        networks=networks,
        home=home,
    )


Starts = Callable[..., contextlib.AbstractContextManager[Guest]]
"""Gives a guest; takes another machine than the usual one."""


def looked_at(start: Starts, work: Path, place: Site) -> dict[str, Any]:
    """Bring a machine up, look at it, try what must be refused meanwhile; then run the program."""
    with start() as guest:
        lab = guest.agent.call(
            "lab_up",
            {
                "namespace": addresses.NAMESPACE,
                "interfaces": addresses.interfaces(addresses.PROBE),
            },
        )
        # another user of this computer, who knows nothing of our folders
        elsewhere = work / "elsewhere"
        found = {
            "offloads_on": [i["offloads_on"] for i in lab["interfaces"]],
            "hello": guest.agent.call("hello")["kernel"],
            "second": refusal(start),
            "taken": refusal(lambda: start(elsewhere)),
            "machines": run("virsh", "list", "--name").split(),
            "hardware": run("virsh", "dumpxml", NAME),
            "listening": guest.management.run("ss -Hltn"),
            "routes": guest.management.run("ip route"),
            "keys": guest.management.run("cat /root/.ssh/authorized_keys"),
        }
    return {**found, **whole_run(work, place, *BOX)}


def measured_publicly(_: Starts, work: Path, place: Site) -> dict[str, Any]:
    """Run the program against a public measurement server."""
    with public_server(place) as server:
        found = whole_run(work, place, *server.option)
        return {**found, "services": server.kept_by_services()}


def interrupted(start: Starts, _: Path, __: Site) -> dict[str, Any]:
    """Press Ctrl-C while a machine is up."""
    before: list[str] = []
    with contextlib.suppress(KeyboardInterrupt), start():
        before += run("virsh", "list", "--name").split()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    return {"machines": before}


def refusal(start: Callable[[], contextlib.AbstractContextManager[Guest]]) -> str:
    """Return exit code and message of a machine that must not come up."""
    try:
        with start():
            return "came up"
    except MptcpCheckError as e:
        return f"{e.exit_code} {e.message}"


def direct(start: Starts, work: Path, place: Site) -> dict[str, Any]:
    """Join a machine to interfaces that are in no bridge, and let a neighbour look for it."""
    card = BridgedNetwork(interface="lan0", mac="52:54:00:77:00:01", direct=True)
    place.run("router", "ip", "address", "add", "fd88::1/64", "dev", "lan0", "nodad")
    with tap_nodes(work / "sys"):
        with start(networks=(card,)) as guest:
            wanted = {"name": "eth0", "addresses": ["fd88::99/64"], "gateways": []}
            guest.agent.call("lab_up", {"namespace": addresses.NAMESPACE, "interfaces": [wanted]})
            # the machine has not spoken yet: its kernel has joined a group, no more
            found = place.run("router", sys.executable, "-c", LOOK_FOR, "fd88::99")
            hardware = run("virsh", "dumpxml", NAME)
        return {"found": found, "hardware": hardware, **whole_run(work, place, *BOX, stem="lan")}


@contextlib.contextmanager
def tap_nodes(sysfs: Path) -> Iterator[None]:
    """Be udev for macvtaps of this network: libvirt opens each one's node a moment later."""
    sysfs.mkdir()
    run("mount", "-t", "sysfs", "sysfs", str(sysfs))  # shows the network of who mounts it
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            for numbers in sysfs.glob("class/net/*/macvtap/tap*/dev"):
                node = Path("/dev", numbers.parent.name)
                with contextlib.suppress(OSError):  # it went away meanwhile
                    device = os.makedev(*map(int, numbers.read_text().split(":")))
                    if node.exists() and node.stat().st_rdev != device:
                        node.unlink()
                    if not node.exists():
                        os.mknod(node, stat.S_IFCHR | 0o600, device)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


SCENES = {
    "measured": looked_at,
    "public": measured_publicly,
    "interrupted": interrupted,
    "direct": direct,
}


def main(box: Path, digest: str, work: Path, scene: str) -> dict[str, Any]:
    own_places(work)
    cache = work / "cache"
    (cache / "mptcp-check").mkdir(parents=True)
    (cache / "mptcp-check" / "images").symlink_to(settings.places().images)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    keys = make_keys(work / "keys")
    logs = work / "logs"
    logs.mkdir()

    def started(
        home: Path = work / "own", networks: tuple[BridgedNetwork, ...] = BRIDGES
    ) -> contextlib.AbstractContextManager[Guest]:
        return vagrant.vagrant_guest(
            spec(box, digest, home, networks),
            keys,
            archive=build_zipapp(),
            logs=logs,
            now_ns=clock.monotonic_ns,
            deadline_ns=clock.monotonic_ns() + BOOT_S * 10**9,
        )

    with site(work) as place, contextlib.ExitStack() as stack:
        if scene != "direct":
            stack.enter_context(place.bridges())
        stack.enter_context(on_laptop(place))
        stack.enter_context(libvirt(work))
        found = SCENES[scene](started, work, place)
        found["left"] = {
            "domains": run("virsh", "list", "--all", "--name").split(),
            "machines": sorted(p.name for p in work.glob("**/machines/mptcp-check-*")),
            "volumes": run("virsh", "vol-list", "default"),
            "networks": run("virsh", "net-list", "--all", "--name").split(),
        }
    return found


def be_init() -> None:
    """Leave process 1 to the reaping of orphans: libvirt waits for the end of what it killed."""
    child = os.fork()
    if child:
        while True:
            pid, status = os.wait()
            if pid == child:
                os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    be_init()
    result = main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    print(json.dumps(result))  # noqa: T201 - the answer to the test outside
