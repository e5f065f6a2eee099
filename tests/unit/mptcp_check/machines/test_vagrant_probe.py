"""Which provider, which of its names for a network, and what went away."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import vagrant_probe
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind
from mptcp_check.machines.vagrant import PROVIDERS as KNOWN
from mptcp_check.machines.vagrant import BridgedNetwork
from mptcp_check.machines.vagrant_probe import bridged_network, how_joined, provider, require_same
from mptcp_check.machines.wishes import PROVIDERS

LISTED = "Name:            en0: Wi-Fi\nHardwareAddress: 02:00:00:00:00:09\nStatus:          Up\n"


def interface(name: str, kind: InterfaceKind, *, master: str = "") -> HostInterface:
    return HostInterface(
        name=name, kind=kind, up=True, index=2, mac="02:00:00:00:00:07", master=master
    )


ETHERNET = interface("eth0", InterfaceKind.ETHERNET)
BRIDGE = interface("br0", InterfaceKind.BRIDGE)
PORT = interface("eth1", InterfaceKind.ETHERNET, master="br0")
WIFI = interface("wlan0", InterfaceKind.WIFI)
MAC = interface("en0", InterfaceKind.WIFI)


def joined(to: HostInterface, by: str, platform: str = "linux") -> tuple[str, bool]:
    found = bridged_network(to, by, said=LISTED, platform=platform)
    assert found.mac == vagrant_probe.machine_mac(to)
    return found.interface, found.direct


def test_what_can_be_wished_is_what_can_be_driven() -> None:
    assert set(PROVIDERS) == set(KNOWN) == set(vagrant_probe.PROGRAMS)


@pytest.mark.parametrize(
    ("to", "by", "platform", "expected"),
    [
        (ETHERNET, "libvirt", "linux", ("eth0", True)),
        (BRIDGE, "libvirt", "linux", ("br0", False)),
        (PORT, "libvirt", "linux", ("br0", False)),
        (BRIDGE, "qemu", "linux", ("br0", False)),
        (MAC, "qemu", "darwin", ("en0", False)),
        (MAC, "virtualbox", "darwin", ("en0: Wi-Fi", False)),
    ],
)
def test_a_network_is_called_as_its_provider_calls_it(
    to: HostInterface, by: str, platform: str, expected: tuple[str, bool]
) -> None:
    assert joined(to, by, platform) == expected


@pytest.mark.parametrize(
    ("to", "by", "words"),
    [
        (WIFI, "libvirt", "libvirt cannot bridge to wlan0"),
        (ETHERNET, "qemu", "eth0 .* is none"),
        (ETHERNET, "virtualbox", "VirtualBox does not bridge to eth0"),
    ],
)
def test_a_network_that_cannot_be_bridged_is_told_with_a_way_out(
    to: HostInterface, by: str, words: str
) -> None:
    with pytest.raises(PreflightError, match=words) as error:
        joined(to, by)
    assert error.value.hint


def test_the_first_provider_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"VBoxManage"}
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in there else None)

    assert provider(None) == "virtualbox"
    assert provider("virtualbox") == "virtualbox"
    with pytest.raises(PreflightError, match="qemu is not installed here: there is no qemu-img"):
        provider("qemu")
    there.clear()
    with pytest.raises(PreflightError, match="nothing here to run a machine with"):
        provider(None)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo the kernel module is missing >&2; exit 1", "exit code 1.*kernel module is missing"),
        ("exit 1", "exit code 1.*it said nothing"),
        ("head -c 4000 /dev/zero", "names no interface"),
        ("echo 'Name: en9: Wi-Fi'", "does not bridge to eth0"),
    ],
)
def test_a_virtualbox_that_does_not_work_is_told_in_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, words: str
) -> None:
    program = tmp_path / "VBoxManage"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(PreflightError, match=words) as error:
        vagrant_probe.bridged_networks([ETHERNET], "virtualbox")
    assert error.value.hint


def test_the_report_says_how_a_card_is_joined() -> None:
    card = BridgedNetwork(interface="x", mac="")
    assert how_joined("libvirt", replace(card, direct=True)) == "macvtap"
    assert how_joined("libvirt", card) == "bridge"
    assert how_joined("virtualbox", card) == "bridged"


def test_an_interface_that_went_away_is_named() -> None:
    require_same([ETHERNET, BRIDGE], [BRIDGE, ETHERNET])
    with pytest.raises(MachineError, match=r"eth0 .* went away in mid-run"):
        require_same([ETHERNET], [BRIDGE])
    with pytest.raises(MachineError, match=r"eth0 .* went away in mid-run"):
        require_same([ETHERNET], [replace(ETHERNET, index=9)])
    with pytest.raises(MachineError, match=r"eth0 .* lost its link in mid-run"):
        require_same([ETHERNET], [replace(ETHERNET, up=False)])
