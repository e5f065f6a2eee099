"""A program that attaches a machine to this namespace's networks and does what it is told.

    ip netns exec HOST python attached_driver.py SETTINGS

SETTINGS is a JSON object: ``directory`` and ``root`` of the run's work folder, ``bridged`` and
``routed`` (names of interfaces), ``machine`` (whether to boot one) and ``patience_s``.
One JSON object per line comes in, one goes out, the first when everything is up.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mptcp_appliance import boot, cache, images
from mptcp_check import settings
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import (
    heartbeat,
    nat_test,
    nat_test_uplink,
    network,
    process,
    workspace,
)
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.guest import Guest, guest
from mptcp_check.machines.guest_archive import guest_archive
from mptcp_check.machines.management import make_keys
from mptcp_check.machines.qemu import Machine, MachineSpec

PASST_SOCKET = "passt.socket"
BOOT_S = 600.0


def user_networks(directory: Path) -> list[str]:
    """Two networks that end TCP: eth0 and eth1 in the machine, the attachments follow."""
    backends = ("user", f"stream,server=off,addr.type=unix,addr.path={directory / PASST_SOCKET}")
    words: list[str] = []
    for index, backend in enumerate(backends):
        words += ["-netdev", f"{backend},id=u{index}", "-device"]
        words.append(f"virtio-net-pci,netdev=u{index},mac=52:54:00:6d:ff:0{index},romfile=")
    return words


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def booted(
    directory: Path, attached: Sequence[network.Attachment], stack: ExitStack
) -> tuple[Guest, Machine]:
    image = cache.ensure(
        images.load("appliance"), cache_dir=settings.places().images, progress=lambda _: None
    )
    keys = make_keys(directory / "keys")
    passt = process.start(
        "passt",
        ["passt", "--foreground", "--socket", str(directory / PASST_SOCKET), "--runas", "0"],
        log=directory / "passt.log",
    )
    stack.callback(passt.kill)
    while not (directory / PASST_SOCKET).exists():
        assert passt.exit_code() is None, passt.log_tail()
        time.sleep(0.02)
    inside = boot.qemu_arguments(image, memory_mib=512, keys_directory=keys.directory)
    machine = Machine.boot(
        MachineSpec(
            name="probe",
            accelerator=Accelerator(name="tcg", reason="a test"),
            image_arguments=(*inside, *user_networks(directory)),
            directory=directory,
            links=(),
            attachments=tuple(attached),
            machine_index=0,
        )
    )
    stack.callback(machine.kill)
    up = guest(
        machine,
        keys,
        archive=guest_archive().content,
        now_ns=time.monotonic_ns,  # noqa: TID251 - a test
        deadline_ns=time.monotonic_ns() + int(BOOT_S * 1e9),  # noqa: TID251 - a test
    )
    return stack.enter_context(up), machine


def examined(
    machine: Guest, attached: Sequence[network.Attachment], asked: Mapping[str, Any]
) -> object:
    server = (asked["server"][0], asked["server"][1])
    ours = [a.device for a in attached]
    judgement = nat_test.examine(
        machine.agent.call,
        interface=asked["interface"],
        addresses=asked["addresses"],
        server=server,
        rng=random.Random(),  # noqa: S311 - a test
        watching=nat_test_uplink.watching(server, ignored=ours) if asked["look"] else None,
    )
    nat_test.require_passing(judgement, asked["interface"])
    return asdict(judgement)


def main() -> None:
    given = json.loads(sys.argv[1])
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(
                workspace.workspace("attached", root=Path(given["root"]))
            )
            interfaces = network.list_interfaces()
            attached: list[network.Attachment] = []
            lines: list[str] = []
            for names, kind in (
                (given["bridged"], None),
                (given["routed"], network.Network.ROUTED),
            ):
                if names:
                    context = network.attachments(
                        network.choose(interfaces, names),
                        directory=directory,
                        say=lines.append,
                        network=kind,
                    )
                    attached += stack.enter_context(context)
            deeds: dict[str, Callable[[Mapping[str, Any]], object]] = {
                "check": lambda _: network.check(attached)
            }
            qemu_pid = None
            if given["machine"]:
                machine, _ = booted(directory, attached, stack)
                if given["patience_s"]:
                    stack.enter_context(
                        heartbeat.beating(machine.agent, patience_s=given["patience_s"])
                    )
                qemu_pid = int((directory / "probe.pid").read_text())
                deeds |= {
                    "call": lambda a: machine.agent.call(a["verb"], a["arguments"]),
                    "run": lambda a: machine.management.run(a["command"]),
                    "examine": lambda a: examined(machine, attached, a),
                }
            say({"lines": lines, "attached": [asdict(a) for a in attached], "qemu_pid": qemu_pid})
        except MptcpCheckError as error:
            say({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
            return
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                say({"result": deeds[asked["do"]](asked)})
            except MptcpCheckError as error:
                say({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})


if __name__ == "__main__":
    main()
