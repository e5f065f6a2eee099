"""Is there something between the machine and the network that ends TCP: a user-mode network?

QEMU's ``-netdev user``, passt and VirtualBox's NAT are no routers: they take the machine's
connections and make others outside, so every option ends there, Multipath TCP first of all, and
what would be measured is the hypervisor.  Configuration cannot tell (who started the hypervisor?),
so the first hop is asked with SYNs whose sequence number and options are known:

* A server's SYN/ACK with MP_CAPABLE: Multipath TCP came through, so nothing ended TCP.
* What left this computer, as far as it can be seen (`uplink`): the machine's SYN or another one.
* A SYN with a hop limit of 1: a router discards it, what ends TCP answers it.
"""

import enum
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from mptcp_check.errors import PreflightError
from mptcp_check.machines.network_interface import HostInterface
from mptcp_guest.first_hop import OPTIONS
from mptcp_guest.messages import FirstHopAnswer, FirstHopResult

LONG_WAY, FIRST_HOP_ONLY = 64, 1
"""Hop limits of the two SYNs."""
WITHIN_S = 4.0
"""Of each SYN, with its repetitions."""
FIRST_PORT, LAST_PORT = 40_000, 59_999

WAY_OUT = (
    "join the machine to the network itself: QEMU and libvirt by a bridge, macvtap or tap, "
    "VirtualBox and VMware by their Bridged adapter, macOS by vmnet-bridged; "
    "docs/network.md says what each needs"
)

Ask = Callable[[str, Mapping[str, Any]], Any]
"""The agent: a verb and its arguments in, its result out."""


class Ending(enum.StrEnum):
    """What the self-test found out."""

    PASSES = "passes"
    """The machine's own TCP segments leave this computer."""
    ENDS_HERE = "ends_here"
    """Something here ends TCP connections and makes its own."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSyn:
    """A SYN to the server that left this computer."""

    interface: str
    isn: int
    options: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """All that one self-test learnt."""

    isn: int
    """Of the SYN that may go all the way."""
    direct: bool
    """The server is on the machine's own network: a hop limit of 1 says nothing."""
    first_hop: Sequence[FirstHopAnswer]
    """Answers to the SYN with a hop limit of 1."""
    whole_way: Sequence[FirstHopAnswer]
    uplink: Sequence[SeenSyn] | None = None
    """SYNs to the server that left this computer; none when nobody could look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer, and why."""

    ending: Ending
    reason: str


def judge(heard: Heard) -> Judgement:
    """Return whether TCP ends before it leaves this computer; PURE."""
    return next(
        Judgement(ending=ending, reason=reason) for holds, ending, reason in _rules(heard) if holds
    )


def _rules(heard: Heard) -> list[tuple[bool, Ending, str]]:
    """Return what decides, the surest first; the last one always holds."""
    seen = heard.uplink or ()
    own = [s for s in seen if s.isn == heard.isn]
    whole_way = [a["kind"] for a in heard.whole_way]
    answered_near = any(a["kind"] == "synack" for a in heard.first_hop) and not heard.direct
    expired = next((a["sender"] for a in heard.first_hop if a["kind"] == "time_exceeded"), None)
    return [
        (
            any(a["mp_capable"] for a in heard.whole_way),
            Ending.PASSES,
            "the server answered with MP_CAPABLE",
        ),
        (
            any(s.options == OPTIONS for s in own),
            Ending.PASSES,
            "this computer sent the machine's SYN on as it was",
        ),
        (
            bool(own),
            Ending.PASSES,
            "this computer sent the machine's SYN on, with other options",
        ),
        (
            bool(seen),
            Ending.ENDS_HERE,
            "the machine's SYN did not leave this computer, another SYN to the server did",
        ),
        (
            answered_near,
            Ending.ENDS_HERE,
            "a SYN that no router carries on (hop limit 1) was answered as if by the server",
        ),
        (
            expired is not None,
            Ending.PASSES,
            f"the first hop is a router{f' ({expired})' if expired else ''}",
        ),
        (
            bool(whole_way) and not heard.direct,
            Ending.PASSES,
            "the server answers, but not to a SYN with a hop limit of 1",
        ),
        (
            not whole_way,
            Ending.UNKNOWN,
            "nobody answers at the server's address and port",
        ),
        (
            True,
            Ending.UNKNOWN,
            "the server is on the machine's own network and does not speak Multipath TCP",
        ),
    ]


def examine(
    ask: Ask,
    *,
    interface: str,
    addresses: Sequence[str],
    server: tuple[str, int],
    rng: random.Random,
    watching: AbstractContextManager[list[SeenSyn] | None] | None = None,
) -> Judgement:
    """Ask the first hop of one interface.

    Args:
        ask: The machine's agent, its lab up.
        interface: Of the machine.
        addresses: The interface's, with prefix length.
        server: A measurement server's address and port, best one that speaks Multipath TCP.
        rng: Draws sequence numbers and ports.
        watching: From `uplink.watching`, when this computer can look at what leaves it.
    """
    address, port = server
    mine = [ip_interface(a) for a in addresses]
    sources = [str(a.ip) for a in mine if a.version == ip_address(address).version]
    source = {"source": sources[0]} if sources else {}

    # never one port for both: the second SYN would belong to the first one's half-open connection
    far_port, near_port = rng.sample(range(FIRST_PORT, LAST_PORT + 1), 2)

    def answers(isn: int, source_port: int, hop_limit: int) -> Sequence[FirstHopAnswer]:
        result: FirstHopResult = ask(
            "first_hop",
            {
                "interface": interface,
                **source,
                "address": address,
                "port": port,
                "source_port": source_port,
                "isn": isn,
                "hop_limit": hop_limit,
                "within_s": WITHIN_S,
            },
        )
        return result["answers"]

    isn = rng.getrandbits(32)
    with watching or nullcontext() as seen:
        whole_way = answers(isn, far_port, LONG_WAY)
    direct = any(ip_address(address) in a.network for a in mine)
    settled = direct or any(a["mp_capable"] for a in whole_way)
    return judge(
        Heard(
            isn=isn,
            direct=direct,
            whole_way=whole_way,
            first_hop=() if settled else answers(rng.getrandbits(32), near_port, FIRST_HOP_ONLY),
            uplink=seen,
        )
    )


def require_passing(judgement: Judgement, interface: HostInterface | str) -> None:
    """Raise when what would be measured is this computer's own user-mode network.

    Raises:
        PreflightError: With the way out.
    """
    if judgement.ending is Ending.ENDS_HERE:
        name = interface if isinstance(interface, str) else interface.title
        raise PreflightError(
            f"the machine is not really on the network of {name}: a user-mode network (NAT) of "
            f"this computer ends its TCP connections: {judgement.reason}",
            hint=WAY_OUT,
        )
