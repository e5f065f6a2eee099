"""The self-test (`nat_test`) of a client that is a machine, over each interface of it."""

import random
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address, ip_interface

from mptcp_check.machines import nat_test, nat_test_uplink
from mptcp_check.machines.nat_test import Ask, Ending, Judgement
from mptcp_guest.messages import InterfaceState

Server = tuple[str, int]
"""Address and port of a measurement server that listens, with Multipath TCP."""

WORDS: Mapping[Ending, str] = {
    Ending.PASSES: "the machine's own TCP leaves this computer",
    Ending.UNKNOWN: "the machine's own TCP leaves this computer or not, which could not be told",
}


def require_on_networks(
    ask: Ask,
    states: Sequence[InterfaceState],
    servers: Sequence[Server],
    *,
    parents: Mapping[str, str],
    ours: Collection[str] = (),
    rng: random.Random,
) -> tuple[str, ...]:
    """See that the machine is on the networks of this computer that were named, and say how.

    Args:
        ask: The machine's agent.
        states: Its interfaces, up.
        servers: Where something listens with Multipath TCP.
        parents: By its interface, the interface of this computer.
        ours: Interfaces of this computer that are the machine's own ends.
        rng: As for `nat_test.examine`.

    Returns:
        The answers for the report, a sentence each.

    Raises:
        PreflightError: A user-mode network ends its TCP, with the way out.
        MachineError: It does not answer.
    """
    said = []
    for state in states:
        server = _reachable(state, servers)
        if server is None:
            continue  # nothing will be measured over it either
        name = state["name"]
        judgement = nat_test.examine(
            ask,
            interface=name,
            addresses=state["addresses"],
            server=server,
            rng=rng,
            watching=nat_test_uplink.watching(server, ignored=ours),
        )
        nat_test.require_passing(judgement, parents.get(name, name))
        said.append(_sentence(name, judgement))
    return tuple(said)


def _reachable(state: InterfaceState, servers: Sequence[Server]) -> Server | None:
    versions = {ip_interface(text).version for text in state["addresses"]}
    return next((s for s in servers if ip_address(s[0]).version in versions), None)


def _sentence(name: str, judgement: Judgement) -> str:
    return f"by {name} {WORDS[judgement.ending]} ({judgement.reason})"
