"""A machine that Vagrant makes, on networks of this computer: the client of a real network."""

import random
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mptcp_check import clock
from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import nat_test_client, network, process, vagrant
from mptcp_check.machines.bridging import providers
from mptcp_check.machines.bridging.planning import machine_mac
from mptcp_check.machines.guest import fetch
from mptcp_check.machines.management import RunKeys
from mptcp_check.machines.measured_network import End, NetworkKind
from mptcp_check.machines.network_interface import HostInterface
from mptcp_check.machines.site import LOST, NAMESPACE, Client
from mptcp_check.machines.vagrant import BridgedNetwork, VagrantSpec
from mptcp_check.machines.wishes import PROVIDERS
from mptcp_guest.messages import Interface, LabUpArguments

PROGRAMS: Final[Mapping[str, str]] = {
    "libvirt": "virsh",
    "virtualbox": providers.VIRTUALBOX_COMMAND[0],
    "qemu": "qemu-img",
}
"""What is on PATH where a provider can be used; `PROVIDERS` has the order."""

DIRECT, BRIDGE, BY_PROVIDER = "macvtap", "bridge", "bridged"
"""How the report says that a card is joined."""


def provider(wish: str | None) -> str:
    """Return the provider that is wished, else the first that seems to be installed.

    Raises:
        PreflightError: It is not, or none is.
    """
    if wish is not None:
        if shutil.which(PROGRAMS[wish]) is None:
            raise PreflightError(
                f"{wish} is not installed here: there is no {PROGRAMS[wish]}",
                hint="install it (docs/vagrant.md), or use --machine qemu",
            )
        return wish
    usable = (p for p in PROVIDERS if shutil.which(PROGRAMS[p]))
    found = next(usable, None)
    if found is None:
        raise PreflightError(
            "Vagrant has nothing here to run a machine with",
            hint="install libvirt or VirtualBox (docs/vagrant.md), or use --machine qemu",
        )
    return found


def bridged_networks(
    interfaces: Sequence[HostInterface], provider: str
) -> tuple[BridgedNetwork, ...]:
    """Return how a provider calls the networks of interfaces.

    Raises:
        PreflightError: It cannot bridge to one of them.
    """
    said = ""
    if provider == "virtualbox":
        asked = process.run(providers.VIRTUALBOX_COMMAND, timeout_s=60)
        if asked.exit_code != 0:
            words = " ".join(process.plain(asked.stderr.encode()).split())
            raise PreflightError(
                f"'{' '.join(providers.VIRTUALBOX_COMMAND)}' failed "
                f"(exit code {asked.exit_code}): {words[:400] or 'it said nothing'}",
                hint="VirtualBox itself does not work: run that by hand",
            )
        said = process.plain(asked.stdout)
    return tuple(bridged_network(i, provider, said=said, platform=sys.platform) for i in interfaces)


def bridged_network(
    interface: HostInterface, provider: str, *, said: str, platform: str
) -> BridgedNetwork:
    """Return how a provider calls the network of one interface; pure.

    Args:
        interface: Of this computer.
        provider: One of `PROVIDERS`.
        said: By VirtualBox, of what it bridges to.
        platform: As ``sys.platform``.

    Raises:
        PreflightError: It cannot bridge to it.
    """
    mac = machine_mac(interface)
    if provider == "virtualbox":
        return BridgedNetwork(interface=providers.virtualbox_name(interface, said), mac=mac)
    if platform == "darwin":
        return BridgedNetwork(interface=interface.name, mac=mac)  # vmnet-bridged
    source = providers.libvirt_source(interface)
    if source.direct and provider == "qemu":
        raise PreflightError(
            f"vagrant-qemu joins machines to bridges, and {interface.title} is none",
            hint="name a bridge, or use --machine vagrant:libvirt or --machine qemu",
        )
    return BridgedNetwork(interface=source.name, mac=mac, direct=source.direct)


@contextmanager
def vagrant_probe(
    spec: VagrantSpec,
    interfaces: Sequence[HostInterface],
    *,
    keys: RunKeys,
    archive: bytes,
    directory: Path,
    boot_timeout_s: float,
) -> Iterator[Client]:
    """Have Vagrant start a machine, give the client, leave nothing of it.

    Args:
        spec: The machine.
        interfaces: Those that its networks are of, in the same order.
        keys: The keys of this run.
        archive: The guest agent.
        directory: The run's private work folder.
        boot_timeout_s: How long the machine may take, the box taken in.

    Raises:
        PreflightError: There is no Vagrant or no such hypervisor here.
        MachineError: It did not come up in time or ended.
    """
    with vagrant.vagrant_guest(
        spec,
        keys,
        archive=archive,
        logs=directory,
        now_ns=clock.monotonic_ns,
        deadline_ns=clock.monotonic_ns() + int(boot_timeout_s * 1e9),
    ) as probe:
        yield Client(
            end=End(
                name=spec.name,
                agent=probe.agent,
                lab=lab_of(len(interfaces)),
                fetch=lambda file: fetch(probe, file, directory),
                sets_clock=True,
                alone=True,
            ),
            kind=NetworkKind.BRIDGED,
            check=lambda: require_same(interfaces, network.list_interfaces()),
            examine=lambda states, servers: nat_test_client.require_on_networks(
                probe.agent.call,
                states,
                servers,
                parents={f"eth{n}": i.title for n, i in enumerate(interfaces)},
                rng=random.SystemRandom(),
            ),
            joined={
                f"eth{n}": (i.name, how_joined(spec.provider, network))
                for n, (i, network) in enumerate(zip(interfaces, spec.networks, strict=True))
            },
        )


def lab_of(card_count: int) -> LabUpArguments:
    """Return what the machine makes of its measured cards; pure."""
    cards = [
        Interface(name=f"eth{n}", addresses=[], gateways=[], dhcp=True) for n in range(card_count)
    ]
    return LabUpArguments(namespace=NAMESPACE, interfaces=cards)


def how_joined(provider: str, bridged: BridgedNetwork) -> str:
    """Return the report's word for how a card is joined; pure."""
    if bridged.direct:
        return DIRECT
    return BRIDGE if provider == "libvirt" else BY_PROVIDER


def require_same(before: Sequence[HostInterface], now: Sequence[HostInterface]) -> None:
    """Raise when an interface went away or lost its link; pure.

    Raises:
        MachineError: Names it.
    """
    there = {i.name: i for i in now}
    for interface in before:
        after = there.get(interface.name)
        if after is None or after.index != interface.index:
            raise MachineError(f"{interface.title} went away in mid-run", hint=LOST)
        if interface.up and not after.up:
            raise MachineError(f"{interface.title} lost its link in mid-run", hint=LOST)
