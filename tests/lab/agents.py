"""The guest agent as a real process in a namespace that plays the machine.

with machines() as (client, server):
    server.call("services_start", ...)
"""

import contextlib
import itertools
import os
import select
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.lines import line
from lab.topology import LINKS
from mptcp_check.exchanges import guest_api
from mptcp_check.machines import addresses
from mptcp_check.machines.guest_archive import build_zipapp
from mptcp_check.machines.veth_wire import VethLink, VethWire
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Side
from mptcp_guest.verbs import VERBS

PREFIX = "mptcpguest"
HOSTS = {Side.CLIENT: addresses.PROBE, Side.SERVER: addresses.SERVER}
PYTHON = "/usr/bin/python3"
"""The distribution's, as in the guest: nothing of this environment must be needed."""

LATE_S = 120
"""What a busy computer may take longer than a machine of our own."""

_runs = itertools.count()


@dataclass(slots=True, kw_only=True)
class AgentProcess:
    """An agent that answers over pipes, as it does over ssh."""

    process: subprocess.Popen[bytes]
    work_directory: Path
    number: int = 0
    rest: bytes = b""

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - `guest_api` has checked it
        self.number += 1
        line = guest_api.request_line(self.number, verb, arguments, within_s=within_s)
        answer = self.answer_to(line, (within_s or VERBS[verb].deadline_s) + LATE_S)
        return guest_api.result_of(answer, number=self.number, verb=verb, machine="guest")

    def answer_to(self, line: bytes, within_s: float) -> bytes:
        """Send any bytes and return the next line that comes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], within_s)
            read = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert read, f"no answer to {line[:200]!r} within {within_s} s"
            self.rest += read
        answer, _, self.rest = self.rest.partition(b"\n")
        return answer

    def hang_up(self) -> int:
        """End the requests, as a lost connection does, and return the agent's exit code."""
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            return self.process.wait(LATE_S)


@contextlib.contextmanager
def agent(namespace: str | None, work_directory: Path) -> Iterator[AgentProcess]:
    """Run an agent, in a namespace or here, and end it by hanging up."""
    work_directory.mkdir(parents=True)
    archive = work_directory / "guest.pyz"
    archive.write_bytes(build_zipapp())
    prefix = [] if namespace is None else ["ip", "netns", "exec", namespace]
    run = [PYTHON, "-I", str(archive), "--work-directory", str(work_directory / "work")]
    process = subprocess.Popen([*prefix, *run], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started = AgentProcess(process=process, work_directory=work_directory / "work")
    try:
        yield started
    finally:
        if process.returncode is None:
            started.hang_up()


@contextlib.contextmanager
def machines(
    chains: Sequence[Chain] | None = None, *, carried: bool = True
) -> Iterator[dict[Side, AgentProcess]]:
    """Give two agents whose machines are joined by two links, and remove everything after.

    Args:
        chains: What lies in the links; default 5 ms and 40 Mbit/s each.
        carried: False leaves the links cut, for who takes their ends away while they run.
    """
    stem = f"{PREFIX}-{os.getpid()}-{next(_runs)}"
    names = {Side.CLIENT: f"{stem}-client", Side.SERVER: f"{stem}-server"}
    middle = f"{stem}-wire"
    directory = Path("/run") / stem
    own = tuple(chains) if chains is not None else tuple(Chain([line()]) for _ in LINKS)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.mkdir(mode=0o755)
        for name in (middle, *names.values()):
            _ip("netns", "add", name)
            stack.callback(_remove, name)
        _ip("netns", "exec", middle, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        for link in LINKS:
            for side, name in names.items():
                _join(name, f"eth{link}", middle, f"{side[0]}{link}")
        agents = {
            side: stack.enter_context(agent(name, directory / side)) for side, name in names.items()
        }
        wire = VethWire(
            [
                VethLink(client=f"c{link}", server=f"s{link}", chain=chain)
                for link, chain in zip(LINKS, own, strict=True)
            ],
            namespace=middle,
        )
        if carried:
            wire.start()
        stack.callback(wire.stop)  # before the agents end and take the interfaces with them
        yield agents


def lab_up(agents: Mapping[Side, AgentProcess]) -> dict[Side, Any]:
    """Set up both labs with the embedded network's addresses."""
    return {
        side: each.call(
            "lab_up",
            {
                # both agents share this host's list of names; guests have one each
                "namespace": f"{PREFIX}-{os.getpid()}-{side}",
                "interfaces": addresses.interfaces(HOSTS[side]),
            },
        )
        for side, each in agents.items()
    }


def names_left() -> list[str]:
    """Return the namespaces that this process made and that are still there."""
    stem = f"{PREFIX}-{os.getpid()}-"
    return sorted(path.name for path in Path("/run/netns").glob(f"{stem}*"))


def _join(name: str, interface: str, middle: str, peer: str) -> None:
    # created in place: the names of other runs' interfaces are in other namespaces
    _ip("-n", name, "link", "add", interface, "type", "veth", "peer", "name", peer, "netns", middle)
    offloads = [word for short in ("tx", "sg", "tso", "gso", "gro") for word in (short, "off")]
    subprocess.run(
        ["ip", "netns", "exec", middle, "ethtool", "-K", peer, *offloads],
        check=True,
        capture_output=True,
    )
    _ip("-n", middle, "link", "set", peer, "up")


def _remove(name: str) -> None:
    for pid in subprocess.run(
        ["ip", "netns", "pids", name], capture_output=True, text=True, check=True
    ).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
