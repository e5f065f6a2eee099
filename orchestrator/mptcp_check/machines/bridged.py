"""A probe machine on networks of this computer: the client of a real network in a machine."""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mptcp_check import clock
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import nat_test_client, network
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.guest import fetch, guest
from mptcp_check.machines.management import RunKeys
from mptcp_check.machines.measured_network import End, NetworkKind
from mptcp_check.machines.network import Attachment, Network
from mptcp_check.machines.qemu import Machine, MachineSpec
from mptcp_check.machines.site import NAMESPACE, Client
from mptcp_guest.messages import Interface, LabUpArguments

PROBE = "probe"
GIVE_BACK_S = 5.0


@contextmanager
def bridged_probe(
    attached: Sequence[Attachment],
    *,
    image_arguments: Sequence[str],
    accelerator: Accelerator,
    keys: RunKeys,
    archive: bytes,
    directory: Path,
    boot_timeout_s: float,
) -> Iterator[Client]:
    """Boot a machine on attachments that are set up, give the client, leave nothing of it.

    Args:
        attached: How its interfaces are joined, eth0 first.
        image_arguments: What depends on the image in QEMU's command line.
        accelerator: How QEMU runs the guest.
        keys: The keys of this run.
        archive: The guest agent.
        directory: The run's private work folder.
        boot_timeout_s: How long the machine may take.

    Raises:
        MachineError: It did not boot in time or ended.
    """
    spec = MachineSpec(
        name=PROBE,
        accelerator=accelerator,
        image_arguments=tuple(image_arguments),
        directory=directory,
        links=(),
        attachments=tuple(attached),
        machine_index=0,
    )
    deadline_ns = clock.monotonic_ns() + int(boot_timeout_s * 1e9)
    with ExitStack() as stack:
        machine = Machine.boot(spec)
        stack.callback(machine.kill)
        probe = stack.enter_context(
            guest(
                machine, keys, archive=archive, now_ns=clock.monotonic_ns, deadline_ns=deadline_ns
            )
        )
        stack.callback(_give_back, probe.agent)
        yield Client(
            end=End(
                name=PROBE,
                agent=probe.agent,
                lab=lab_of(attached),
                fetch=lambda file: fetch(probe, file, directory),
                sets_clock=True,
                alone=True,
            ),
            kind=kind_of(attached),
            check=lambda: network.check(attached),
            examine=lambda states, servers: nat_test_client.require_on_networks(
                probe.agent.call,
                states,
                servers,
                parents={f"eth{n}": a.interface.title for n, a in enumerate(attached)},
                ours=[a.device for a in attached],
                rng=random.SystemRandom(),
            ),
            notes=tuple(dict.fromkeys(note for a in attached for note in a.notes)),
            joined={f"eth{n}": (a.interface.name, a.kind.value) for n, a in enumerate(attached)},
        )


def _give_back(agent: Agent) -> None:
    """Let the machine return the addresses that its networks gave it, if it still can."""
    with suppress(MptcpCheckError):
        agent.call("lab_down", within_s=GIVE_BACK_S)


def lab_of(attached: Sequence[Attachment]) -> LabUpArguments:
    """Return what the machine makes of its interfaces; pure."""
    return LabUpArguments(
        namespace=NAMESPACE,
        interfaces=[
            Interface(
                name=f"eth{index}",
                addresses=list(a.addresses),
                gateways=list(a.gateways),
                dhcp=not a.addresses,
            )
            for index, a in enumerate(attached)
        ],
    )


def kind_of(attached: Sequence[Attachment]) -> NetworkKind:
    """Return the word for the report: one routed interface makes the network a routed one; pure."""
    routed = any(a.network is Network.ROUTED for a in attached)
    return NetworkKind.ROUTED if routed else NetworkKind.BRIDGED
