"""What of a plan a network could not run, in words; PURE."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.model import Exchange, Family, Joining, Upset

T = TypeVar("T")

_NAMES: Mapping[Family, str] = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}

JOININGS: Mapping[Joining, str] = {
    Joining.SUBFLOW: "",
    Joining.BACKUP: "no backup subflow was tried: the client has one address",
    Joining.SIGNAL: "the server announced no further address: it has one in each family",
    Joining.OTHER_FAMILY: (
        "no connection used IPv4 and IPv6 at once: client and server need an address of their own"
        " in each, and a server that many share announces none"
    ),
}

UPSETS: Mapping[Upset, str] = {
    Upset.INTERFACE_DOWN: "no interface was taken down in mid-transfer",
    Upset.ADDRESS_REMOVED: "no address was removed in mid-transfer",
    Upset.PATH_LOST: "no path was made to lose everything: on a real network nobody here can",
}


def sentences(plan: Sequence[Exchange], planned: Sequence[Exchange]) -> Iterator[str]:
    """Say what of a plan is not in what will run.

    Args:
        plan: What was wanted.
        planned: What the network can run of it.
    """
    for family in _gone(plan, planned, lambda e: e.family):
        yield f"nothing ran over {_NAMES[family]}: client and server do not both have an address"
    most = max(e.paths for e in planned)
    if most == 1 < max(e.paths for e in plan):
        yield "the client had one address: no second subflow was tried"
    elif most < max(e.paths for e in plan):
        yield f"the client had {most} addresses: no connection had more subflows"
    for joining in _gone(plan, planned, lambda e: e.joining):
        yield JOININGS[joining]
    for upset in _gone(plan, planned, _upset):
        reason = " has one path or its cards are not ours to take" if upset in _CLIENTS else ""
        yield UPSETS[upset] + (f": the client{reason}" if reason else "")
    for app, mode in _gone(plan, planned, lambda e: (e.app, e.mode)):
        in_mode = f" in {mode} mode" if mode else ""
        yield f"{app}{in_mode} was left out: {_why(app, mode, planned)}"
    yield from _ports(plan, planned)


def _why(app: str, mode: str | None, planned: Sequence[Exchange]) -> str:
    families = APPLICATIONS[app].modes[mode].families
    if not any(e.family in families for e in planned):
        return f"it exists over {' and '.join(_NAMES[f] for f in families)} only"
    return "it cannot work through an address translation" if mode == "active" else "no port"


def _upset(exchange: Exchange) -> Upset | None:
    return None if exchange.handover is None else exchange.handover.upset


_CLIENTS = frozenset({Upset.INTERFACE_DOWN, Upset.ADDRESS_REMOVED})


def _ports(plan: Sequence[Exchange], planned: Sequence[Exchange]) -> Iterator[str]:
    """Say which further ports were not tried; the usual one may be another at a user's server."""

    def further(exchanges: Sequence[Exchange]) -> set[tuple[str, int]]:
        return {(e.app, e.port) for e in exchanges if e.port in APPLICATIONS[e.app].ports[1:]}

    missing: dict[int, list[str]] = {}
    for app, port in sorted(further(plan) - further(planned)):
        missing.setdefault(port, []).append(app)
    if missing:
        named = ", ".join(f"{port} ({', '.join(apps)})" for port, apps in sorted(missing.items()))
        one = len(missing) == 1
        verb, them = ("was", "it") if one else ("were", "them")
        yield f"port{'' if one else 's'} {named} {verb} not tried: the server does not have {them}"


def _gone(
    plan: Sequence[Exchange], planned: Sequence[Exchange], what: Callable[[Exchange], T | None]
) -> list[T]:
    """Return what some exchange of a plan had and none that will run has, in the plan's order."""
    there = {what(e) for e in planned}
    wanted = dict.fromkeys(what(e) for e in plan)
    return [one for one in wanted if one is not None and one not in there]
