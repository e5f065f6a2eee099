"""A computer of its own, seen from inside: libvirtd, two bridges, a measurement server on them.

Run as process 1 of new namespaces (``unshare``, see `test_vagrant`): its ``/dev`` has no KVM, its
``/run``, ``/etc/libvirt`` and ``/var/lib/libvirt`` are its own, and all of it ends with it.

    python vagrant_site.py BOX DIGEST WORK SCENE; the last line of its output is JSON

    the machine in libvirt ── br0, br1 ── veth ── namespace "server" with the guest agent
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.agents import AgentProcess, agent
from mptcp_check import clock, measuring
from mptcp_check.errors import MptcpCheckError
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines import addresses, guest_clock, vagrant
from mptcp_check.machines.guest import Guest
from mptcp_check.machines.guest_archive import build_zipapp
from mptcp_check.machines.management import make_keys
from mptcp_check.machines.vagrant import BridgedNetwork, VagrantSpec
from mptcp_check.model import Side

PASSWORD = "of-this-run-only"  # noqa: S105 - a test's
NAME = "mptcp-check-test"
BOOT_S = 400
LIBVIRT = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
OFFLOADS = tuple(word for short in ("tx", "sg", "tso", "gso", "gro") for word in (short, "off"))
QEMU_CONF = """
namespaces = []
security_driver = "none"
cgroup_controllers = []
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


@contextlib.contextmanager
def server(work: Path) -> Iterator[AgentProcess]:
    """Give the agent of a server with a leg on either bridge."""
    run("ip", "netns", "add", "server")
    for link, interface in enumerate(addresses.INTERFACES):
        run("ip", "link", "add", f"br{link}", "type", "bridge", "forward_delay", "0")
        run("ip", "link", "set", f"br{link}", "up")
        run("ip", "link", "add", f"s{link}", "type", "veth", "peer", interface, "netns", "server")
        run("ethtool", "-K", f"s{link}", *OFFLOADS)
        run("ip", "link", "set", f"s{link}", "master", f"br{link}", "up")
    (work / "server").mkdir(mode=0o755)
    with agent("server", work / "server" / "agent") as started:
        yield started


class Both:
    """Two agents as `measuring.run_exchange` asks them."""

    seed = "vagrant"
    password = PASSWORD

    def __init__(self, client: Guest, server: AgentProcess) -> None:
        self._asked: Mapping[Side, Any] = {Side.CLIENT: client.agent, Side.SERVER: server}

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        return self._asked[side].call(verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        return {side: self.call(side, verb, arguments(side)) for side in Side}


def measure(guest: Guest, other: AgentProcess, work: Path) -> dict[str, Any]:
    """Run one http exchange between machine and server, captured at both ends."""
    session = Both(guest, other)
    lab = session.both(
        "lab_up",
        lambda side: {
            "namespace": addresses.NAMESPACE,
            "interfaces": addresses.interfaces(measuring.HOSTS[side]),
        },
    )
    guest_clock.set_clock(guest.agent, clock.wall_ns)
    exchanges = plan(["http"], Depth.QUICK)
    wanted = asking.services_start(
        exchanges, addresses.service_address, user=measuring.FTP_USER, password=PASSWORD
    )
    session.call(Side.SERVER, "services_start", wanted)
    interfaces = list(addresses.INTERFACES)
    filter_ = addresses.capture_filter()
    session.both("capture_start", lambda _: {"interfaces": interfaces, "filter": filter_})
    records = [measuring.run_exchange(session, exchange) for exchange in exchanges]
    stopped = session.both("capture_stop", lambda _: {})
    files = {}
    for side, answer in stopped.items():
        for file in answer["captures"]:
            local = work / f"{side}-{file['interface']}.pcap"
            if side is Side.CLIENT:
                guest.management.get(file["path"], local)
            else:
                local.write_bytes(Path(file["path"]).read_bytes())
            files[local.name] = file["problem"]
    return {
        "offloads_on": {s: [i["offloads_on"] for i in lab[s]["interfaces"]] for s in Side},
        "captures": files,
        "exchanges": [
            {
                "id": r.exchange.id,
                "transport": r.exchange.transport,
                "arrived": r.sha256_ok,
                "subflows": r.proof.capable_answered_count + r.proof.joins_completed_count,
                "proven": r.proof.proven,
                "problem": f"{r.problem} {r.proof}",
            }
            for r in records
        ],
        "listening": guest.management.run("ss -Hltn"),
        "routes": guest.management.run("ip route"),
        "keys": guest.management.run("cat /root/.ssh/authorized_keys"),
    }


def spec(box: Path, digest: str, home: Path) -> VagrantSpec:
    return VagrantSpec(
        name=NAME,
        provider="libvirt",
        box=box,
        box_digest=digest,
        networks=tuple(
            BridgedNetwork(interface=f"br{n}", mac=f"52:54:00:77:00:0{n + 1}")
            for n in range(addresses.LINKS)
        ),
        home=home,
    )


Starts = Callable[..., contextlib.AbstractContextManager[Guest]]
"""Gives a guest; takes another machine than the usual one."""


def measured(start: Starts, other: AgentProcess, work: Path) -> dict[str, Any]:
    """Bring a machine up, try what must be refused meanwhile, measure, and take it down."""
    with start() as guest:
        # another user of this computer, who knows nothing of our folders
        elsewhere = work / "elsewhere"
        return {
            "hello": guest.agent.call("hello")["kernel"],
            "second": refusal(start),
            "taken": refusal(lambda: start(elsewhere)),
            "machines": run("virsh", "list", "--name").split(),
            "hardware": run("virsh", "dumpxml", NAME),
            **measure(guest, other, work),
        }


def interrupted(start: Starts, _: AgentProcess, __: Path) -> dict[str, Any]:
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


SCENES = {"measured": measured, "interrupted": interrupted}


def main(box: Path, digest: str, work: Path, scene: str) -> dict[str, Any]:
    own_places(work)
    keys = make_keys(work / "keys")
    logs = work / "logs"
    logs.mkdir()

    def started(home: Path = work / "home") -> contextlib.AbstractContextManager[Guest]:
        return vagrant.vagrant_guest(
            spec(box, digest, home),
            keys,
            archive=build_zipapp(),
            logs=logs,
            now_ns=clock.monotonic_ns,
            deadline_ns=clock.monotonic_ns() + BOOT_S * 10**9,
        )

    with libvirt(work), server(work) as other:
        found = SCENES[scene](started, other, work)
        found["left"] = {
            "domains": run("virsh", "list", "--all", "--name").split(),
            "machines": sorted(p.name for p in (work / "home" / "machines").iterdir()),
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
