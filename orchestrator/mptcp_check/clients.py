"""The clients of a real network, each had in its own way, with the server at the other end."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mptcp_appliance import disk, store
from mptcp_appliance.image import Image
from mptcp_check import clock, machinery
from mptcp_check.errors import MachineError, UsageError
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
from mptcp_check.machines.box import Box
from mptcp_check.machines.bridged import bridged_probe
from mptcp_check.machines.management import make_keys
from mptcp_check.machines.measurement_server import MeasurementServer, server_by_ssh
from mptcp_check.machines.missing_programs import client_needs, lacking
from mptcp_check.machines.network import Network
from mptcp_check.machines.session_server import server_by_session
from mptcp_check.machines.site import Client
from mptcp_check.machines.ssh import ssh_box
from mptcp_check.machines.vagrant import PROVIDERS, VagrantSpec
from mptcp_check.machines.wishes import InterfaceWish, MachineKind, ServerWish, SessionWish
from mptcp_check.wanted import Around, Wanted
from mptcp_check.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A client that is ready, and what it runs on."""

    client: Client
    machine: str
    accelerator: Accelerator | None = None
    image: Image | None = None


Server = AbstractContextManager[MeasurementServer]


def server(wish: ServerWish | SessionWish, around: Around) -> Server:
    """Return the way to have a server: a box of the user's, or a session at one of everybody's."""
    if isinstance(wish, ServerWish):
        return server_by_ssh(wish, archive=around.archive, apps=around.apps)
    return server_by_session(
        wish,
        run_id=around.run_id,
        apps=around.apps,
        scratch=around.scratch,
        wall_ns=clock.wall_ns,
        say=around.watch.step,
    )


def _machine_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Boot a machine on networks of this computer, and make the server meanwhile."""
    _require_dhcp(wanted.interfaces)
    chosen = network.choose(network.list_interfaces(), [w.name for w in wanted.interfaces])
    how = Network.ROUTED if any(w.routed for w in wanted.interfaces) else None
    booting = machinery.ready(around)
    attached = stack.enter_context(
        network.attachments(chosen, directory=around.scratch, say=around.watch.step, network=how)
    )
    around.watch.step(f"Booting the probe ({booting.accelerator.name.upper()})")
    probe = bridged_probe(
        attached,
        image_arguments=booting.image_arguments,
        accelerator=booting.accelerator,
        keys=booting.keys,
        archive=around.archive,
        directory=around.scratch,
        boot_timeout_s=around.boot_timeout_s,
    )
    client, far = _with_server(probe, server, stack)
    return Near(
        client=client,
        machine=MachineKind.QEMU,
        accelerator=booting.accelerator,
        image=booting.image,
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
    image = machinery.appliance_image(around.places, around.watch)
    around.watch.step("Verifying the appliance image")
    store.check(image, pins=around.places.catalogues)  # before its box is made, and every boot
    spec = VagrantSpec(
        name=f"mptcp-check-{around.scratch.name.lower()}",
        provider=provider,
        box=around.scratch / "appliance.box",
        box_digest=image.digest,
        networks=networks,
        home=around.places.vagrant,
        memory_mib=machinery.memory_mib(around.wire_bytes),
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


def _host_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Make a namespace on this computer."""
    interfaces = network.list_interfaces()
    chosen = network.choose(interfaces, [w.name for w in wanted.interfaces])
    wishes = wanted.interfaces or tuple(InterfaceWish(name=i.name) for i in chosen)
    lab = site.namespace_on(wishes, chosen)
    around.watch.step(site.will_do(lab, where=host.NAME))
    box = stack.enter_context(host.host_box(archive=around.archive, directory=around.scratch))
    left_out = _left_out(box, around)
    far = stack.enter_context(server)
    lab = site.hearing(lab, tuple(far.place.addresses.values()))
    client = site.client_of_box(box, lab, left_out=left_out)
    return Near(client=client, machine=MachineKind.HOST), far


def _ssh_client(
    wanted: Wanted, around: Around, server: Server, stack: ExitStack
) -> tuple[Near, MeasurementServer]:
    """Use another box: a namespace where interfaces are named, else its own network."""
    place = wanted.machine.ssh
    if place is None:
        raise UsageError("--machine ssh names no host", hint="--machine ssh:HOST")
    box = stack.enter_context(ssh_box(place, archive=around.archive, failure=MachineError))
    left_out = _left_out(box, around)
    far = stack.enter_context(server)
    found = box.survey["interfaces"]
    servers = tuple(far.place.addresses.values())
    if wanted.interfaces:
        named = site.named(wanted.interfaces, found, name=box.name)
        lab = site.hearing(site.namespace_on(wanted.interfaces, named), servers)
    else:
        lab = site.own_network(found, servers, name=box.name)
    around.watch.step(site.will_do(lab, where=box.name))
    client = site.client_of_box(box, lab, left_out=left_out)
    return Near(client=client, machine=f"{MachineKind.SSH}:{place}"), far


def _left_out(box: Box, around: Around) -> dict[str, str]:
    needs = client_needs(around.apps.names)
    return lacking(box.hello, needs, name=box.name, named=around.apps.named)


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
