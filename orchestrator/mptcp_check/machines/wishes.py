"""What the user says about machines, interfaces and servers, as values; pure.

--machine auto | qemu | vagrant[:PROVIDER] | host | ssh:[USER@]HOST[:PORT]
--iface   NAME[,address=ADDRESS/LENGTH]...[,gateway=ADDRESS]...[,routed]
--server  ssh:[USER@]HOST[:PORT][,address=ADDRESS]...[,APPLICATION=PORT]...
--server  https://HOST[:PORT][,fingerprint=SHA256] | LIST.toml | LIST.json
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from pathlib import Path

from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.session_client import server_list
from mptcp_check.session_client.server_list import KnownServer

PROVIDERS = ("libvirt", "virtualbox", "qemu")
"""What Vagrant may drive (`vagrant.PROVIDERS`), the first that is installed is taken."""

LISTS = (".toml", ".json")
"""How the name of a list of servers ends."""

SSH = "ssh"
SSH_PORT = 22
_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
"""A host never begins with '-': no program may take it for an option."""
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HIGHEST_PORT = 65535


class MachineKind(enum.StrEnum):
    """Where the exchanges' client runs."""

    AUTO = "auto"
    QEMU = "qemu"
    VAGRANT = "vagrant"
    HOST = "host"
    SSH = "ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshHost:
    """A Linux box that is reached by ssh."""

    host: str
    user: str | None = None
    """None is what the user's ssh configuration says."""
    port: int | None = None

    def __str__(self) -> str:
        """Return it as it is written after ``ssh:``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{user}{host}{f':{self.port}' if self.port else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineWish:
    """``--machine``."""

    kind: MachineKind
    ssh: SshHost | None = None
    provider: str | None = None
    """Of Vagrant's machine, one of `PROVIDERS`; none takes the one that is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceWish:
    """``--iface``."""

    name: str
    addresses: tuple[str, ...] = ()
    """With prefix length; none asks the network (DHCP)."""
    gateways: tuple[str, ...] = ()
    routed: bool = False
    """Forward and translate even where a card of its own could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWish:
    """``--server``."""

    ssh: SshHost
    addresses: tuple[str, ...] = ()
    """Where clients reach it, at most one per family; none is where ssh reached it."""
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    """By application; what is not there is chosen among the free ones."""

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{SSH}:{self.ssh}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWish:
    """``--server``: one public server, or a list of them."""

    servers: tuple[KnownServer, ...]
    text: str
    """As the user wrote it."""
    keeps: bool = True
    """The server keeps its half of a whole run for a collector; else nothing is left there."""

    def __str__(self) -> str:
        """Return it as it was written."""
        return self.text


def machine_wish(text: str) -> MachineWish:
    """Read ``--machine``.

    Raises:
        UsageError: There is no such way to have a machine.
    """
    kind, colon, rest = text.partition(":")
    if text in [k.value for k in MachineKind if k is not MachineKind.SSH]:
        return MachineWish(kind=MachineKind(text))
    if kind == SSH and rest:
        return MachineWish(kind=MachineKind.SSH, ssh=_ssh_host(rest, text))
    if kind == MachineKind.VAGRANT and colon and rest in PROVIDERS:
        return MachineWish(kind=MachineKind.VAGRANT, provider=rest)
    raise UsageError(
        f"there is no way '{text}' to have a machine",
        hint=f"there are: auto, qemu, vagrant, {', '.join(f'vagrant:{p}' for p in PROVIDERS)}, "
        "host, ssh:HOST",
    )


def interface_wish(text: str) -> InterfaceWish:
    """Read one ``--iface``.

    Raises:
        UsageError: It is not of that form.
    """
    name, *words = text.split(",")
    if not _INTERFACE.fullmatch(name):
        raise UsageError(f"'{name}' is not the name of a network interface")
    addresses, gateways, routed = [], [], False
    for word in words:
        key, _, value = word.partition("=")
        if key == "address" and "/" in value:
            addresses.append(_read(ip_interface, value, text))
        elif key == "gateway":
            gateways.append(_read(ip_address, value, text))
        elif word == "routed":
            routed = True
        else:
            raise UsageError(
                f"'{word}' in --iface {text} is not understood",
                hint="address=ADDRESS/LENGTH, gateway=ADDRESS, or routed",
            )
    if routed and addresses:
        raise UsageError(f"--iface {text}: a routed interface has addresses of its own")
    return InterfaceWish(
        name=name, addresses=tuple(addresses), gateways=tuple(gateways), routed=routed
    )


def measurement_server(
    text: str, load: Callable[[Path], tuple[KnownServer, ...]]
) -> ServerWish | SessionWish:
    """Read ``--server``.

    Args:
        text: What the user wrote.
        load: Reads a list of servers.

    Raises:
        UsageError: It is of no form that is known.
    """
    if text.startswith("https://") or text.endswith(LISTS):
        return session_wish(text, load)
    return server_wish(text)


def session_wish(text: str, load: Callable[[Path], tuple[KnownServer, ...]]) -> SessionWish:
    """Read a ``--server`` that names public servers.

    Args:
        text: What the user wrote.
        load: Reads a list of servers.

    Raises:
        UsageError: It is not of that form, or the list is none.
    """
    if text.endswith(LISTS) and not text.startswith("https://"):
        return SessionWish(servers=load(Path(text)), text=text)
    url, *words = text.split(",")
    fingerprint = ""
    for word in words:
        key, _, fingerprint = word.partition("=")
        if key != "fingerprint" or len(words) > 1:
            raise UsageError(
                f"'{word}' in --server {text} is not understood",
                hint="fingerprint=SHA256, what `mptcp-check server self-signed` printed",
            )
    return SessionWish(servers=(server_list.server(url, fingerprint=fingerprint),), text=url)


def server_wish(text: str) -> ServerWish:
    """Read ``--server`` of a box that ssh reaches.

    Raises:
        UsageError: It is not of that form, or of a kind that is not known.
    """
    kind, _, rest = text.partition(":")
    if kind != SSH or not rest:
        raise UsageError(
            f"'{text}' is not a measurement server that this version can use",
            hint="--server https://HOST, a list LIST.toml of such, or ssh:HOST, a box of yours",
        )
    place, *words = rest.split(",")
    addresses: list[str] = []
    ports: dict[str, int] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key == "address":
            addresses.append(_read(ip_address, value, text))
        elif key in APPLICATIONS and value.isdigit() and 0 < int(value) <= _HIGHEST_PORT:
            ports[key] = int(value)
        else:
            raise UsageError(
                f"'{word}' in --server {text} is not understood",
                hint=f"address=ADDRESS, or one of {', '.join(APPLICATIONS)} with =PORT",
            )
    versions = [ip_address(a).version for a in addresses]
    if len(set(versions)) != len(versions):
        raise UsageError(f"--server {text}: one address per family is enough")
    if len(set(ports.values())) != len(ports):
        raise UsageError(f"--server {text}: two applications cannot share a port")
    return ServerWish(ssh=_ssh_host(place, text), addresses=tuple(addresses), ports=ports)


def _ssh_host(text: str, whole: str) -> SshHost:
    found = _HOST.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port <= _HIGHEST_PORT):
        raise UsageError(
            f"'{whole}' names no host for ssh", hint="ssh:HOST, ssh:USER@HOST, ssh:HOST:PORT"
        )
    return SshHost(host=found["host"] or found["six"], user=found["user"], port=port)


def _read(reader: Callable[[str], object], value: str, whole: str) -> str:
    try:
        return str(reader(value))
    except ValueError:
        raise UsageError(f"'{value}' in {whole} is not an address") from None
