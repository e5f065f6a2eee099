"""What Vagrant says, read without trust: machine-readable lines, ssh settings, the console; PURE.

The format is Vagrant's ``--machine-readable``: ``TIME,TARGET,KIND,DATA...`` with commas and line
ends escaped.  A provider that prints garbage gives no line, never an error.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import paramiko

_COMMA = "%!(VAGRANT_COMMA)"
_FIELDS = 3
_LARGEST_PORT = 65535
_TAIL_LINES = 3

HOST_KEY = re.compile(r"mptcp-check: host key ssh-ed25519 ([A-Za-z0-9+/]{68})\r?\n")
"""What ``ssh-over-network`` in the image writes to the serial ports; the line is whole."""

SSH_LISTENS = "mptcp-check: ssh on "
"""What it writes once a connection will be answered."""

NOT_USABLE = frozenset(
    {
        "BoxProviderDoesntMatch",
        "FogLibvirtConnectionError",
        "NoDefaultProvider",
        "ProviderNotFound",
        "ProviderNotUsable",
        "VBoxManageLaunchError",
        "VBoxManageNotFoundError",
        "VagrantVersionBad",
        "VirtualBoxBrokenVersion040214",
        "VirtualBoxInvalidVersion",
        "VirtualBoxKernelModuleNotLoaded",
        "VirtualBoxNotDetected",
        "VirtualBoxVersionEmpty",
    }
)
"""Vagrant's names of errors that say: this computer has no such hypervisor that works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One machine-readable line."""

    target: str
    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command of Vagrant's failed, in its own words."""

    name: str
    """The class of the error without its modules; empty when it named none."""
    words: str

    @property
    def not_usable(self) -> bool:
        """Whether the hypervisor is missing or cannot be used here."""
        return self.name in NOT_USABLE


def lines(text: str) -> Iterator[Said]:
    """Give the machine-readable lines; what is none is left out."""
    for line in text.splitlines():
        time, *fields = line.split(",")
        if time.isdigit() and len(fields) >= _FIELDS - 1:
            target, kind, *data = fields
            yield Said(target=target, kind=kind, words=tuple(map(_plain, data)))


def _plain(word: str) -> str:
    return word.replace(_COMMA, ",").replace("\\n", "\n").replace("\\r", "")


def failure(stdout: str, stderr: str) -> Failure:
    """Return why a command failed: what it named, else the last lines that hold something."""
    for said in lines(stdout):
        if said.kind == "error-exit" and said.words:
            name, *words = said.words
            return Failure(name=name.rpartition(":")[2], words=_one_line(" ".join(words)))
    told = [said.words[-1] for said in lines(stdout) if said.kind == "ui" and said.words]
    last = [line for line in stderr.splitlines() if line.strip()] or told or stdout.splitlines()
    return Failure(name="", words=_one_line(" ".join(last[-_TAIL_LINES:])))


def _one_line(text: str, limit: int = 400) -> str:
    said = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return said if len(said) <= limit else f"{said[:limit]}…"


def state(stdout: str) -> str | None:
    """Return the state that ``vagrant status`` told; none when it told none."""
    told = [said.words[0] for said in lines(stdout) if said.kind == "state" and said.words]
    return told[-1] if told else None


def address(settings: dict[str, str]) -> tuple[str, int] | None:
    """Return host and port from ``vagrant ssh-config``; none when they are not both there."""
    host, port = settings.get("HostName", ""), settings.get("Port", "")
    try:
        ip_address(host)
    except ValueError:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _LARGEST_PORT:
        return None
    return host, int(port)


def host_key(console: str) -> paramiko.PKey | None:
    """Return the host key that the machine said last; none before it also said that ssh is up."""
    said = list(HOST_KEY.finditer(console))
    if not said or SSH_LISTENS not in console[said[-1].end() :]:
        return None
    try:
        return paramiko.Ed25519Key(data=binascii.a2b_base64(said[-1][1]))
    except (paramiko.SSHException, ValueError):
        return None
