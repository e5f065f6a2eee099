"""What this computer is like, as far as attachments depend on it; read once, then a value."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_interface
from pathlib import Path

from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import process
from mptcp_check.machines.network_interface import HostInterface

SYSCTLS = Path("/proc/sys")
PER_INTERFACE = (
    "net/ipv4/conf/{}/forwarding",
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv6/conf/{}/forwarding",
    "net/ipv6/conf/{}/force_forwarding",
    "net/ipv6/conf/{}/accept_ra",
)
GLOBAL = ("net/bridge/bridge-nf-call-iptables",)
UNLOCKED_MACOS = 26
"""The first macOS on which vmnet bridges for everybody (read in vmnet-helper's documents)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One moment of this computer."""

    platform: str
    """`sys.platform`."""
    uid: int
    interfaces: tuple[HostInterface, ...]
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """With slashes: names of interfaces may have dots."""
    forward_policy_drops: bool = False
    """iptables drops what is forwarded unless a rule allows it, as Docker sets it."""
    macos: int = 0
    """The major version; 0 elsewhere."""

    @property
    def is_root(self) -> bool:
        """Say whether this program has root's rights."""
        return self.uid == 0

    def taken(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks that this computer is in."""
        return tuple(ip_interface(a).network for i in self.interfaces for a in i.addresses)


def read(interfaces: Sequence[HostInterface]) -> HostFacts:
    """Return the facts of this computer; what cannot be read is left out."""
    version = platform.mac_ver()[0].partition(".")[0]
    on_linux = sys.platform == "linux"
    return HostFacts(
        platform=sys.platform,
        uid=os.getuid(),
        interfaces=tuple(interfaces),
        sysctls=dict(_sysctls([i.name for i in interfaces])) if on_linux else {},
        forward_policy_drops=on_linux and _forward_policy_drops(),
        macos=int(version) if version.isdigit() else 0,
    )


def _sysctls(interfaces: Sequence[str]) -> Iterator[tuple[str, str]]:
    each = [name.format(i) for name in PER_INTERFACE for i in ("all", *interfaces)]
    for name in (*GLOBAL, *each):
        try:
            yield name, (SYSCTLS / name).read_text().strip()
        except OSError:  # this kernel has no such setting
            continue


def _forward_policy_drops() -> bool:
    try:
        said = process.run(["iptables", "-S", "FORWARD"], timeout_s=10)
    except MptcpCheckError:
        return False  # without iptables nobody has set its policy
    return b"-P FORWARD DROP" in said.stdout
