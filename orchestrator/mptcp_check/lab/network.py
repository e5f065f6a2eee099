"""The lab's network: two agents in namespaces of their own, a wire with behaviours between them.

It is built inside a sandbox (`resident.py`), where names of namespaces are nobody else's.  The
agents set up addresses, routes, MPTCP and run the applications, as they do in virtual machines.

    client ethN ── cN ═ wire ═ sN ── ethN server            sN ── inN box outN ── with a kernel box
"""

import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mptcp_check import clock
from mptcp_check.errors import MachineError
from mptcp_check.lab.commands import ip, run
from mptcp_check.lab.kernel_boxes import KernelBox, standing
from mptcp_check.machines import addresses
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.guest_archive import build_zipapp
from mptcp_check.machines.namespace import entered
from mptcp_check.machines.veth_wire import VethLink, VethWire
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Side

HOSTS: Mapping[Side, int] = {Side.CLIENT: addresses.PROBE, Side.SERVER: addresses.SERVER}
PYTHON = "/usr/bin/python3"
"""The system's: the agent needs the standard library only."""

OFFLOADS = tuple(word for short in ("tx", "sg", "tso", "gso", "gro") for word in (short, "off"))
_END_S = 5.0
_LINKS = range(addresses.LINKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network while it is up."""

    agents: Mapping[Side, Agent]
    chains: tuple[Chain, ...]
    wire: VethWire
    lab: Mapping[Side, Mapping[str, Any]]
    """What the agents said of their interfaces and settings."""
    box: KernelBox | None
    pool: ThreadPoolExecutor
    names: Mapping[Side, str]
    """Of the namespaces that hold the interfaces."""

    def namespace(self, side: Side) -> str:
        """Return where one side's interfaces are, as ``ip netns`` lists it."""
        return self.names[side]

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one agent."""
        return self.agents[side].call(verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""
        asked = {s: self.pool.submit(self.call, s, verb, arguments(s)) for s in Side}
        return {side: future.result() for side, future in asked.items()}

    def counters(self, side: Side) -> dict[str, int]:
        """Return the absolute kernel counters of one side by nstat's names, quickly."""
        with entered(self.namespace(side)):
            own = Path("/proc/thread-self/net")
            return parse_counters((own / "snmp").read_text() + (own / "netstat").read_text())

    def acted_counts(self) -> list[list[int]]:
        """Return how often each behaviour of each link acted."""
        return [[b.acted_count for b in chain.behaviours] for chain in self.chains]


@contextmanager
def network(
    chains: Sequence[Chain], *, directory: Path, number: int = 0, box: KernelBox | None = None
) -> Iterator[Network]:
    """Build a network and remove it after.

    Args:
        chains: What lies in each link.
        directory: For the agents' files; it exists.
        number: Tells this network's namespaces from an earlier one's, which may still be going.
        box: A box of this kernel between the wire and the server.

    Raises:
        MptcpCheckError: A tool is missing or says no.
    """
    outer = {side: f"{side}-{number}" for side in Side}
    inner = {side: f"lab-{side}-{number}" for side in Side}
    archive = directory / "guest.pyz"
    archive.write_bytes(build_zipapp())
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(Side)))
        for name in outer.values():
            ip(f"netns add {name}")
            stack.callback(_remove, name)
        # a namespace goes when the kernel finds time; an interface goes at once
        for peer in (f"{side[0]}{link}" for side in Side for link in _LINKS):
            stack.callback(_unjoin, peer)
        for link in _LINKS:
            _join(outer[Side.CLIENT], f"eth{link}", f"c{link}")
        if box is None:
            for link in _LINKS:
                _join(outer[Side.SERVER], f"eth{link}", f"s{link}")
        else:
            stack.enter_context(
                standing(box, name=f"box-{number}", server=outer[Side.SERVER], join=_join)
            )
        agents = {
            side: stack.enter_context(_agent(side, name, archive, directory / side))
            for side, name in outer.items()
        }
        wire = VethWire(
            [
                VethLink(client=f"c{link}", server=f"s{link}", chain=chain)
                for link, chain in zip(_LINKS, chains, strict=True)
            ]
        )
        stack.callback(wire.stop)  # before the agents end and take the interfaces with them
        wire.start()
        asked = {
            side: pool.submit(
                agent.call,
                "lab_up",
                {"namespace": inner[side], "interfaces": addresses.interfaces(HOSTS[side])},
            )
            for side, agent in agents.items()
        }
        yield Network(
            agents=agents,
            chains=tuple(chains),
            wire=wire,
            lab={side: future.result() for side, future in asked.items()},
            box=box,
            pool=pool,
            names=inner,
        )


def parse_counters(text: str) -> dict[str, int]:
    """Read /proc/net/snmp or netstat: pairs of lines, names and then numbers; PURE."""
    lines = [line.split() for line in text.splitlines()]
    return {
        names[0].rstrip(":") + name: int(number)
        for names, numbers in zip(lines[::2], lines[1::2], strict=True)
        for name, number in zip(names[1:], numbers[1:], strict=True)
    }


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much counters moved, without those that did not; PURE."""
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
    }


@contextmanager
def _agent(side: Side, namespace: str, archive: Path, directory: Path) -> Iterator[Agent]:
    """Run an agent in a namespace and end it by hanging up."""
    directory.mkdir(mode=0o755)
    ours, theirs = socket.socketpair()
    # nsenter and not `ip netns exec`: the agent's own namespaces must be seen by all of us
    enter = ["nsenter", f"--net=/run/netns/{namespace}"]
    command = [*enter, PYTHON, "-I", str(archive), "--work-directory", str(directory / "work")]
    with theirs, (directory / "agent.log").open("wb") as log:
        end = theirs.fileno()
        process = subprocess.Popen(command, stdin=end, stdout=end, stderr=log)  # noqa: S603 - a list

    def check_alive(patience_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(patience_s or 0.001)
            words = (directory / "agent.log").read_text(errors="replace")[-500:].strip()
            raise MachineError(f"the {side}'s agent ended with {code}: {words}")

    agent = Agent(ours, machine=side, check_alive=check_alive, now_ns=clock.monotonic_ns)
    try:
        yield agent
    finally:
        agent.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _join(namespace: str, interface: str, peer: str) -> None:
    """Make a pair of interfaces, one in a namespace and one here, without offloads."""
    ip(f"link add {interface} netns {namespace} type veth peer name {peer}")
    run(["ethtool", "-K", peer, *OFFLOADS])
    ip(f"link set {peer} up")


def _unjoin(peer: str) -> None:
    with suppress(MachineError):  # it went with the other end already
        ip(f"link del {peer}")


def _remove(name: str) -> None:
    with suppress(MachineError):
        for process in ip(f"netns pids {name}").split():  # only ours: the sandbox has no others
            with suppress(ProcessLookupError, MachineError):
                run(["kill", "-9", process])
        ip(f"netns del {name}")
