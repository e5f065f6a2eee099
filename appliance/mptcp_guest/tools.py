"""Which tools a machine has, and of which version.

From Debian's own list of packages: asking ten programs for their version costs an emulated
machine two seconds of every run.  Elsewhere each tool is asked.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

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
    "mosquitto_pub": ("mosquitto-clients", BY_VERSION),
    "mosquitto_sub": ("mosquitto-clients", BY_VERSION),
    "mptcpize": ("mptcpize", BY_VERSION),
    "nft": ("nftables", BY_VERSION),
    "nginx": ("nginx", ("-v",)),
    "nstat": ("iproute2", ("-V",)),
    "pure-ftpd": ("pure-ftpd", ("--help",)),
    "redis-cli": ("redis-tools", BY_VERSION),
    "ss": ("iproute2", ("-V",)),
    "sysctl": ("procps", BY_VERSION),
    "tcpdump": ("tcpdump", BY_VERSION),
}
"""Each tool's Debian package, or the beginning of its name, and how the tool tells its version.

The servers are from their table; these are the clients, and what every measurement needs."""


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
        fields = dict(line.partition(": ")[::2] for line in paragraph.split("\n"))
        name = fields.get("Package", "")
        # nginx is nginx-light, nginx-full, …; its own package may be an empty one
        known = next((w for w in (name, name.partition("-")[0]) if w in wanted), None)
        if known and fields.get("Status", "").endswith(" installed"):
            found.setdefault(known, f"{name} {fields.get('Version', '')}")
    return found


def _version(lab: Lab, tool: str, known: str, words: tuple[str, ...], until: Deadline) -> str:
    if shutil.which(tool, path=ENVIRONMENT["PATH"]) is None:
        return ""
    if known:
        return known
    try:
        done = lab.run([tool, *words], until)
    except RefusalError:
        return ""
    lines = (done.stdout + done.stderr).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), "")
