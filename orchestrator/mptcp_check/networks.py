"""Which network a run measures, and having it: the ways that `--machine` and `--server` name.

Without a server there is the embedded network.  With one, the client is a machine on a network of
this computer, this computer itself, or a Linux box elsewhere.
"""

import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mptcp_appliance import boot, cache, disk, images, store
from mptcp_appliance.image import Image
from mptcp_check import clock
from mptcp_check.doctor import FREE_FOR_RUN_BYTES, IMAGE
from mptcp_check.errors import MachineError, PreflightError, UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.machines import (
    host,
    network,
    process,
    site,
    vagrant,
    vagrant_probe,
    vagrant_program,
)
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.addresses import LINKS
from mptcp_check.machines.box import CLIENT_TOOLS
from mptcp_check.machines.bridged import bridged_probe
from mptcp_check.machines.embedded import embedded
from mptcp_check.machines.image_accelerator import image_accelerator, qemu_version
from mptcp_check.machines.management import RunKeys, make_keys
from mptcp_check.machines.measured_network import MeasuredNetwork
from mptcp_check.machines.measurement_server import MeasurementServer, server_by_ssh
from mptcp_check.machines.network import Network
from mptcp_check.machines.site import Client
from mptcp_check.machines.ssh import ssh_box
from mptcp_check.machines.vagrant import PROVIDERS, VagrantSpec
from mptcp_check.machines.wishes import InterfaceWish, MachineKind, MachineWish, ServerWish
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.settings import Places
from mptcp_check.watch import Watch

MEMORY_MIB = 512
"""Of each guest: the system needs 60, the rest is room for captures and files."""

LINK = "link"
"""The behaviour that gives each link its delay and rate, always the last of a chain."""

SERVER_HINT = (
    "--server ssh:HOST, a Linux box of yours beyond the network to be measured, with python3, "
    "nginx, pure-ftpd, mptcpize and tcpdump"
)


AUTO = MachineWish(kind=MachineKind.AUTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said about the network."""

    machine: MachineWish = AUTO
    interfaces: tuple[InterfaceWish, ...] = ()
    server: ServerWish | None = None
    behind: tuple[str, ...] = ()
    """Emulated middleboxes, the first nearest to the client: ``ID`` or ``ID:key=value,...``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What any way to have a network needs of the run."""

    archive: bytes
    """The guest agent."""
    apps: tuple[str, ...]
    scratch: Path
    """The run's private work folder."""
    places: Places
    boot_timeout_s: float
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """A network that is up, and what the report says of it."""

    network: MeasuredNetwork
    machine: str
    server: str
    accelerator: Accelerator | None = None
    image_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """All that booting a machine needs."""

    image: Image
    accelerator: Accelerator
    keys: RunKeys

    @property
    def image_arguments(self) -> list[str]:
        """What depends on the image in QEMU's command line."""
        return boot.qemu_arguments(
            self.image, memory_mib=MEMORY_MIB, keys_directory=self.keys.directory
        )


REAL_ONLY = (MachineKind.VAGRANT, MachineKind.HOST, MachineKind.SSH)
"""Machines that know no embedded network."""


def require_sense(wanted: Wanted) -> None:
    """Raise when what was asked for contradicts itself; pure.

    Raises:
        UsageError: Names what is missing or too much.
    """
    real = wanted.machine.kind in REAL_ONLY or wanted.interfaces
    if real and wanted.server is None:
        option = "--iface" if wanted.interfaces else f"--machine {wanted.machine.kind}"
        raise UsageError(
            f"{option} measures a real network, which needs a measurement server at its other end",
            hint=SERVER_HINT,
        )
    if wanted.server is not None and wanted.behind:
        raise UsageError(
            "--behind puts a middlebox into the embedded network, --server measures a real one",
            hint="leave one of them out",
        )
    chains(wanted.behind)


@contextmanager
def having(wanted: Wanted, around: Around) -> Iterator[Had]:
    """Have the network that is wanted while it is measured.

    Raises:
        MptcpCheckError: What is missing, or what failed; nothing of it is left.
    """
    if wanted.server is None:
        with _embedded(wanted, around) as had:
            yield had
        return
    began_ns = clock.monotonic_ns()
    with ExitStack() as stack:
        server = server_by_ssh(wanted.server, archive=around.archive, apps=around.apps)
        near, far = CLIENTS[wanted.machine.kind](wanted, around, server, stack)
        yield Had(
            network=site.real_network(near.client, far, ready_ns=clock.monotonic_ns() - began_ns),
            machine=near.machine,
            server=str(wanted.server),
            accelerator=near.accelerator,
            image_digest=near.image.digest if near.image else None,
        )


def chains(behind: Sequence[str]) -> list[Chain]:
    """Return the chains of both links of the embedded network; pure.

    Raises:
        UsageError: A name or a parameter is not known.
    """
    # A fixed seed for each box: the same command plays the same, and no two boxes throw alike.
    return [
        Chain(
            [
                registry.build(text, link_index=link, rng=random.Random(f"{link} {place}"))  # noqa: S311 - no secret
                for place, text in enumerate((*behind, LINK))
            ]
        )
        for link in range(LINKS)
    ]


@contextmanager
def _embedded(wanted: Wanted, around: Around) -> Iterator[Had]:
    ready = _machinery(around)
    around.watch.step(f"Booting two machines ({ready.accelerator.name.upper()})")
    with embedded(
        image_arguments=ready.image_arguments,
        accelerator=ready.accelerator,
        chains=chains(wanted.behind),
        keys=ready.keys,
        archive=around.archive,
        directory=around.scratch,
        boot_timeout_s=around.boot_timeout_s,
    ) as up:
        yield Had(
            network=up,
            machine=MachineKind.QEMU,
            server=str(up.kind),
            accelerator=ready.accelerator,
            image_digest=ready.image.digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A client that is ready, and what it runs on."""

    client: Client
    machine: str
    accelerator: Accelerator | None = None
    image: Image | None = None


Server = AbstractContextManager[MeasurementServer]


def _machine_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Boot a machine on networks of this computer, and make the server meanwhile."""
    _require_dhcp(wanted.interfaces)
    chosen = network.choose(network.list_interfaces(), [w.name for w in wanted.interfaces])
    how = Network.ROUTED if any(w.routed for w in wanted.interfaces) else None
    ready = _machinery(around)
    attached = stack.enter_context(
        network.attachments(chosen, directory=around.scratch, say=around.watch.step, network=how)
    )
    around.watch.step(f"Booting the probe ({ready.accelerator.name.upper()})")
    probe = bridged_probe(
        attached,
        image_arguments=ready.image_arguments,
        accelerator=ready.accelerator,
        keys=ready.keys,
        archive=around.archive,
        directory=around.scratch,
        boot_timeout_s=around.boot_timeout_s,
    )
    client, far = _with_server(probe, server, stack)
    return Near(
        client=client, machine=MachineKind.QEMU, accelerator=ready.accelerator, image=ready.image
    ), far


def _vagrant_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Have Vagrant make a machine on networks of this computer, and make the server meanwhile."""
    _require_dhcp(wanted.interfaces)
    routed = next((w.name for w in wanted.interfaces if w.routed), None)
    if routed is not None:
        raise UsageError(
            f"--iface {routed},routed: Vagrant's machines are bridged",
            hint="--machine qemu and --machine host route",
        )
    process.find(vagrant_program.PROGRAM)
    chosen = network.choose(network.list_interfaces(), [w.name for w in wanted.interfaces])
    provider = vagrant_probe.provider(wanted.machine.provider)
    networks = vagrant_probe.bridged_networks(chosen, provider)
    image = _image(around.places, around.watch)
    around.watch.step("Verifying the appliance image")
    store.check(image, pins=around.places.catalogues)  # before its box is made, and every boot
    spec = VagrantSpec(
        name=f"mptcp-check-{around.scratch.name.lower()}",
        provider=provider,
        box=around.scratch / "appliance.box",
        box_digest=image.digest,
        networks=networks,
        home=around.places.vagrant,
        memory_mib=MEMORY_MIB,
    )
    for name in vagrant.destroy_remains(spec.home):
        around.watch.step(f"Destroyed {name}, the machine of a run that was killed")
    if not vagrant.has_box(spec):
        spec = replace(spec, box=_box(image, PROVIDERS[provider], spec.box, around.watch))
    around.watch.step(f"Starting the probe (Vagrant with {provider})")
    probe = vagrant_probe.vagrant_probe(
        spec,
        chosen,
        keys=make_keys(around.scratch / "keys"),
        archive=around.archive,
        directory=around.scratch,
        boot_timeout_s=around.boot_timeout_s,
    )
    client, far = _with_server(probe, server, stack)
    machine = f"{MachineKind.VAGRANT}:{provider}"
    return Near(client=client, machine=machine, image=image), far


def _require_dhcp(wishes: Sequence[InterfaceWish]) -> None:
    for wish in wishes:
        if wish.addresses or wish.gateways:
            raise UsageError(
                f"--iface {wish.name}: a machine asks the network for its address",
                hint="--machine host takes an address",
            )


def _with_server(
    probe: AbstractContextManager[Client], server: Server, stack: ExitStack
) -> tuple[Client, MeasurementServer]:
    """Enter a machine and the server at once; nobody but that server may talk to the machine."""
    with ThreadPoolExecutor(1) as pool:
        entering = pool.submit(server.__enter__)
        try:
            client = stack.enter_context(probe)
        finally:
            if entering.exception() is None:
                stack.push(server)
        far = entering.result()
    return site.locked(client, tuple(far.place.addresses.values())), far


def _box(image: Image, provider: str, into: Path, watch: Watch) -> Path:
    """Return an image's box: fetched with it, else made here."""
    form = f"box-{provider}"
    fetched = any(part.format == form for part in image.parts.values())
    if fetched or sys.platform != "linux":
        return image.part(form)
    watch.step("Making the Vagrant box (the first run with this image only)")
    disk.make(image, form, into, watch.detail)
    return into


def _client_tools(apps: Sequence[str]) -> tuple[str, ...]:
    """Return what a client's box must have."""
    own = (tool for app in apps for tool in APPLICATIONS[app].tools)
    return tuple(dict.fromkeys((*CLIENT_TOOLS, *own)))


def _host_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Make a namespace on this computer."""
    interfaces = network.list_interfaces()
    chosen = network.choose(interfaces, [w.name for w in wanted.interfaces])
    wishes = wanted.interfaces or tuple(InterfaceWish(name=i.name) for i in chosen)
    lab = site.namespace_on(wishes, chosen)
    around.watch.step(site.will_do(lab, where=host.NAME))
    box = stack.enter_context(
        host.host_box(
            archive=around.archive, directory=around.scratch, tools=_client_tools(around.apps)
        )
    )
    far = stack.enter_context(server)
    return Near(client=site.client_of_box(box, lab), machine=MachineKind.HOST), far


def _ssh_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Use another box: a namespace where interfaces are named, else its own network."""
    place = wanted.machine.ssh
    if place is None:
        raise UsageError("--machine ssh names no host", hint="--machine ssh:HOST")
    box = stack.enter_context(
        ssh_box(
            place, archive=around.archive, tools=_client_tools(around.apps), failure=MachineError
        )
    )
    far = stack.enter_context(server)
    found = box.survey["interfaces"]
    if wanted.interfaces:
        named = site.named(wanted.interfaces, found, name=box.name)
        lab = site.namespace_on(wanted.interfaces, named)
    else:
        servers = tuple(far.place.addresses.values())
        lab = site.own_network(found, servers, name=box.name)
    around.watch.step(site.will_do(lab, where=box.name))
    return Near(client=site.client_of_box(box, lab), machine=f"{MachineKind.SSH}:{place}"), far


CLIENTS: Mapping[
    MachineKind, Callable[[Wanted, Around, Server, ExitStack], tuple[Near, MeasurementServer]]
] = {
    MachineKind.AUTO: _machine_client,
    MachineKind.QEMU: _machine_client,
    MachineKind.VAGRANT: _vagrant_client,
    MachineKind.HOST: _host_client,
    MachineKind.SSH: _ssh_client,
}
"""How each kind of client is had, with the server at the other end."""


def _machinery(around: Around) -> Machinery:
    image = _image(around.places, around.watch)
    around.watch.step("Verifying the appliance image")
    with ThreadPoolExecutor(2) as pool:  # nothing of the image runs before it is verified
        verifying = pool.submit(store.check, image, pins=around.places.catalogues)
        making = pool.submit(make_keys, around.scratch / "keys")
        version = qemu_version()
        verifying.result()
    accelerated = image_accelerator(
        image,
        version=version,
        record=around.places.accelerators,
        scratch=around.scratch,
        progress=around.watch.step,
    )
    return Machinery(image=image, accelerator=accelerated, keys=making.result())


def require_space(final: Path) -> None:
    """Raise when the disk of a folder that is not there yet has no room for a run.

    Raises:
        PreflightError: With what is free.
    """
    parent = final.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free_bytes = shutil.disk_usage(parent).free
    if free_bytes < FREE_FOR_RUN_BYTES:
        raise PreflightError(
            f"{parent} has {free_bytes >> 20} MiB free, a run needs {FREE_FOR_RUN_BYTES >> 20}",
            hint="free some space, or use --out with a folder on another disk",
        )


def _image(places: Places, watch: Watch) -> Image:
    declared = images.load(IMAGE)
    image = store.find(declared, cache_dir=places.images)
    if image is None and sys.platform != "linux":
        raise PreflightError(
            f"there is no appliance image in {places.images}, and images are built on Debian",
            hint="`mptcp-check image fetch URL --key KEY` from who offers one (docs/images.md)",
        )
    if image is None:
        watch.step("Building the appliance image (the first run only, some minutes)")
        image = cache.ensure(declared, cache_dir=places.images, progress=watch.detail)
    return image
