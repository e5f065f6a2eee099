"""What a network interface of this computer is, whatever system told us."""

import enum
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface


class InterfaceKind(enum.StrEnum):
    """What is behind an interface, as far as it decides how a machine can be attached to it."""

    ETHERNET = "Ethernet"
    WIFI = "Wi-Fi"
    CELLULAR = "cellular"
    VPN = "VPN"
    BRIDGE = "bridge"
    TAP = "tap"
    VETH = "veth"
    VIRTUAL = "virtual"
    LOOPBACK = "loopback"


PHYSICAL = (InterfaceKind.ETHERNET, InterfaceKind.WIFI, InterfaceKind.CELLULAR)
"""What leads to a real network, the best for a measurement first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostInterface:
    """One network interface as the system describes it at one moment."""

    name: str
    kind: InterfaceKind
    up: bool
    """Switched on, and with a carrier."""
    switched_on: bool = True
    """With a carrier or without; a tap gets one when somebody opens it."""
    index: int
    mac: str
    """Empty for an interface without Ethernet addresses."""
    mtu_bytes: int = 1500
    addresses: tuple[str, ...] = ()
    """With prefix length, link-local ones left out."""
    gateways: tuple[str, ...] = ()
    """Next hops of default routes by this interface."""
    default_metric: int | None = None
    """Of the best default route by this interface; none without one.  Smaller is preferred."""
    master: str = ""
    """The bridge that this interface belongs to; empty without one."""
    label: str = ""
    """How the system calls it for people (macOS: the hardware port)."""
    owner_uid: int | None = None
    """Who may open a tap interface besides root; none for all others."""

    @property
    def title(self) -> str:
        """The name with its kind, for people."""
        return f"{self.name} ({self.label or self.kind}{'' if self.up else ', down'})"

    def has_family(self, version: int) -> bool:
        """Say whether it has an address of IP version 4 or 6 that leads beyond the link."""
        return any(a.version == version for a in self.networks())

    def gateway(self, version: int) -> str | None:
        """Return the next hop of the default route of IP version 4 or 6."""
        return next((g for g in self.gateways if (":" in g) == (version == 6)), None)  # noqa: PLR2004

    def networks(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """Return the addresses as values."""
        return tuple(ip_interface(a) for a in self.addresses)
