"""What the machine's own network looks like: interfaces, addresses, next hops, taken ports."""

import json
from pathlib import Path
from typing import Any

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

LOOPBACK = "lo"
_CLASS = Path("/sys/class/net")


def survey(lab: Lab, until: Deadline) -> messages.SurveyResult:
    """Look and change nothing.

    Raises:
        RefusalError: ip or ss fails.
    """
    links = lab.succeed(["ip", "-j", "address", "show", "up"], until)
    routes = [lab.succeed(["ip", "-j", f"-{v}", "route", "show", "default"], until) for v in (4, 6)]
    sockets = lab.succeed(["ss", "-HOnlt"], until)
    interfaces = found(links, routes)
    for interface in interfaces:
        place = _CLASS / interface["name"]
        interface["wireless"] = (place / "wireless").exists() or (place / "phy80211").exists()
    return messages.SurveyResult(interfaces=interfaces, taken_ports=taken_ports(sockets))


def found(links: str, routes: list[str]) -> list[messages.Found]:
    """Return the interfaces that ``ip -j address`` and ``ip -j route`` tell of; PURE.

    Raises:
        RefusalError: That is not what ip writes.
    """
    try:
        ways = [row.get("dev") for text in routes for row in json.loads(text or "[]")]
        interfaces = [
            messages.Found(
                name=link["ifname"],
                addresses=global_addresses(link),
                gateways=gateways(routes, link["ifname"]),
                wireless=False,
                carrier="LOWER_UP" in link.get("flags", []),
            )
            for link in json.loads(links)
            if link.get("ifname", LOOPBACK) != LOOPBACK
        ]
        # ip tells default routes in the order in which the kernel prefers them
        return sorted(interfaces, key=lambda i: [*ways, i["name"]].index(i["name"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RefusalError("failed", f"ip wrote {links[:80]!r}") from error


def global_addresses(link: dict[str, Any]) -> list[str]:
    """Return the addresses with prefix length in one link of ``ip -j address``; PURE."""
    return [
        f"{info['local']}/{info['prefixlen']}"
        for info in link.get("addr_info", [])
        if info.get("scope") == "global" and not info.get("temporary")
    ]


def gateways(routes: list[str], interface: str) -> list[str]:
    """Return an interface's next hops in answers of ``ip -j route show default``; PURE."""
    rows = [row for text in routes for row in json.loads(text or "[]")]
    return [row["gateway"] for row in rows if row.get("dev") == interface and "gateway" in row]


def taken_ports(text: str) -> list[int]:
    """Return the ports of ``ss -HOnlt``, each once; PURE."""
    rows = (line.split() for line in text.splitlines())
    ends = (row[3].rpartition(":")[2] for row in rows if len(row) > 3)  # noqa: PLR2004 - ss columns
    return sorted({int(end) for end in ends if end.isdigit()})
