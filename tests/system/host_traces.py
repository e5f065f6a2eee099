"""What a run leaves on laptop and server, and what it may change there."""

from pathlib import Path

from system.cli import wait_until
from system.real_site import SERVER, SSH_PORT, Site, run

TO_SERVER = ("--server", f"ssh:{SERVER}:{SSH_PORT}")
BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
QUICK = ("run", "--quick", "--json")
HTTP = (*QUICK, "--apps", "http")

Settings = dict[str, str]


def settings_of(place: Site) -> Settings:
    """Return all of laptop and server that a run may change."""
    found = {}
    for role in ("laptop", "server"):
        for command in (
            ("sysctl", "-a", "--pattern", r"^net\.(mptcp|ipv4\.(ip_forward|conf))"),
            ("ip", "mptcp", "limits"),
            ("ip", "mptcp", "endpoint"),
            ("ip", "-br", "link"),
            ("ip", "rule"),
            ("ip", "-4", "route", "show", "table", "all"),
            ("nft", "list", "ruleset"),
        ):
            found[f"{role} {' '.join(command)}"] = place.run(role, *command)
        for interface in ("lan0", "lan1") if role == "laptop" else ("eth0",):
            found[f"{role} {interface}"] = place.run(role, "ethtool", "-k", interface)
    return found


def agents(place: Site) -> list[str]:
    """Return the command lines of what a run started in the site."""
    found = []
    for role in ("laptop", "server", "desk"):
        for pid in run("ip", "netns", "pids", place.name(role)).split():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if any(word in line for word in (".pyz", "nginx", "pure-ftpd", "tcpdump", "udhcpc")):
                found.append(line)
    return found


def folders() -> list[Path]:
    """Return the folders of agents on this computer, whoever's they are."""
    work = Path("/run/mptcp-check")
    pushed = Path("/tmp").glob("mptcp-check-" + "?" * 16)  # noqa: S108 - the product's place
    return [*work.glob("*"), *pushed]


def left_by_us(earlier: list[Path]) -> list[Path]:
    """Return the folders that a run left which is over; those of runs beside it go with these."""
    found = [path for path in folders() if path not in earlier]
    wait_until(lambda: not any(path.exists() for path in found))
    return [path for path in found if path.exists()]
