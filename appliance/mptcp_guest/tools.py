"""Which tools a machine has, and of which version.

From Debian's own list of packages: asking ten programs for their version costs an emulated
machine two seconds of every run.  Elsewhere each tool is asked.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from mptcp_guest import own_program
from mptcp_guest.lab import ENVIRONMENT, Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.waiting import Deadline

STATUS = Path("/var/lib/dpkg/status")

BY_VERSION = ("--version",)

TOOLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{p.tool: (p.package, BY_VERSION) for p in PROGRAMS.values() if p.tool},
    "curl": ("curl", BY_VERSION),
    "ethtool": ("ethtool", BY_VERSION),
    "ip": ("iproute2", ("-V",)),
    "lftp": ("lftp", BY_VERSION),
    "mosquitto_pub": ("mosquitto-clients", BY_VERSION),
    "mosquitto_sub": ("mosquitto-clients", BY_VERSION),
    "mptcpize": ("mptcpize", BY_VERSION),
    "nft": ("nftables", BY_VERSION),
    "nginx": ("nginx", ("-v",)),
    "nstat": ("iproute2", ("-V",)),
    "pure-ftpd": ("pure-ftpd", ("--help",)),
    "redis-cli": ("redis-tools", BY_VERSION),
    "scp": ("openssh-client", ("-V",)),
    "sftp": ("openssh-client", ("-V",)),
    "ss": ("iproute2", ("-V",)),
    "ssh": ("openssh-client", ("-V",)),
    "sysctl": ("procps", BY_VERSION),
    "tcpdump": ("tcpdump", BY_VERSION),
}
"""Each tool's Debian package, or the beginning of its name, and how the tool tells its version.

The servers are from their table; these are the clients, and what every measurement needs."""


MODULES: Mapping[str, str] = {"python3-websockets": "websockets"}
"""Tools that are modules for Python, with no executable."""

IMPORTED = "import importlib, sys; print(importlib.import_module(sys.argv[1]).__name__)"


def versions(lab: Lab, until: Deadline) -> dict[str, str]:
    """Return the version of each tool; empty for one that is not there."""
    packages = parse_status(STATUS.read_text(errors="replace")) if STATUS.exists() else {}
    return {
        tool: _version(lab, tool, packages.get(package, ""), words, until)
        for tool, (package, words) in TOOLS.items()
    }


def parse_status(text: str) -> dict[str, str]:
    """Return the installed packages of a dpkg status file that hold tools, with versions; PURE."""
    wanted = {package for package, _ in TOOLS.values()}
    found: dict[str, str] = {}
    for paragraph in text.split("\n\n"):
        name = _field(paragraph, "Package")
        # nginx is nginx-light, nginx-full, …; its own package may be an empty one
        known = next((w for w in (name, name.partition("-")[0]) if w in wanted), None)
        if known and _field(paragraph, "Status").endswith(" installed"):
            found.setdefault(known, f"{name} {_field(paragraph, 'Version')}")
    return found


def _field(paragraph: str, name: str) -> str:
    """Return a field of one line, or nothing; hundreds of paragraphs are looked at for one."""
    start = f"\n{paragraph}".find(f"\n{name}: ")
    return paragraph[start + len(name) + 2 :].partition("\n")[0] if start >= 0 else ""


def _version(lab: Lab, tool: str, known: str, words: tuple[str, ...], until: Deadline) -> str:
    if tool not in MODULES and shutil.which(tool, path=ENVIRONMENT["PATH"]) is None:
        return ""
    if known:
        return known
    module = MODULES.get(tool)
    asked = [own_program.DEBIAN_PYTHON, "-P", "-c", IMPORTED, module] if module else [tool, *words]
    try:
        done = lab.run(asked, until)
    except RefusalError:
        return ""
    if module and done.returncode != 0:
        return ""
    lines = (done.stdout + done.stderr).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), "")
