"""Caps on the services' own ports, per netblock, as a ruleset for nftables; PURE.

The services are many programs, and the kernel is the one place where they can be counted
together: connections at once, new ones in a minute, bytes sent in an hour.  What belongs to a
connection that is open is never cut by the first two.  A flood of SYNs fills the connection
table with entries that the kernel evicts first, as no answer was seen for them.
"""

import ipaddress
from typing import Final

from mptcp_check.server.configuration import Configuration

TABLE: Final = "mptcp_check_server"
ELEMENTS: Final = 65_536
"""Netblocks that are counted at once; beyond that new ones are let through uncounted."""


def ruleset(configuration: Configuration) -> str:
    """Return the ruleset; loading it again replaces the former one and its counts."""
    caps = configuration.netblocks
    ports = ", ".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in configuration.capture.ports
    )
    rows = []
    chains: dict[str, list[str]] = {"services": [], "answers": []}
    for family, word, bits in (("4", "ip", caps.ipv4_bits), ("6", "ip6", caps.ipv6_bits)):
        width = 32 if family == "4" else 128
        mask = ipaddress.ip_network((0 if family == "4" else bytes(16), bits)).netmask
        from_block = f"{word} saddr & {mask}" if bits < width else f"{word} saddr"
        to_block = f"{word} daddr & {mask}" if bits < width else f"{word} daddr"
        kind = f"type ipv{family}_addr; size {ELEMENTS};"
        rows += [
            f"    set at_once{family} {{ {kind} flags dynamic; }}",
            f"    set new{family} {{ {kind} flags dynamic,timeout; timeout 5m; }}",
            f"    set sent{family} {{ {kind} flags dynamic,timeout; timeout 1h; }}",
        ]
        rate = caps.service_connections_per_minute
        burst = f"limit rate over {rate}/minute burst {rate} packets"
        new = f"update @new{family} {{ {from_block} {burst} }}"
        held = f"add @at_once{family} {{ {from_block} ct count over {caps.service_connections} }}"
        quota = f"{to_block} quota over {caps.service_bytes_per_hour} bytes"
        chains["services"] += [
            f"        tcp flags & (syn|ack) == syn {new} counter drop",
            f"        ct state new {held} counter reject with tcp reset",
        ]
        chains["answers"].append(f"        add @sent{family} {{ {quota} }} counter drop")
    return "\n".join(
        [
            f"table inet {TABLE}",
            f"delete table inet {TABLE}",
            f"table inet {TABLE} {{",
            *rows,
            "    chain services {",
            "        type filter hook input priority filter; policy accept;",
            f"        tcp dport != {{ {ports} }} accept",
            "        meta l4proto != tcp accept",
            *chains["services"],
            "    }",
            "    chain answers {",
            "        type filter hook output priority filter; policy accept;",
            f"        tcp sport != {{ {ports} }} accept",
            "        meta l4proto != tcp accept",
            *chains["answers"],
            "    }",
            "}",
            "",
        ]
    )
