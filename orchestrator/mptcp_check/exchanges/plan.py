"""Which exchanges a run makes, in which order; PURE.

`scopes` says which transfers are run under which conditions.  Here they become exchanges: each
transfer has its TCP control first, so that what fails over Multipath TCP is known to work
without, and then everything else that is asked of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.application import Application, Mode
from mptcp_check.exchanges.conditions import CONTROL, Condition
from mptcp_check.exchanges.scopes import (
    PAYLOAD_BYTES,
    SCOPES,
    Block,
    Depth,
    Directions,
    Modes,
    Ports,
)
from mptcp_check.model import ANNOUNCED, Exchange, Family, Joining, Transfer, Upset

__all__ = ["DEADLINE_S", "PAYLOAD_BYTES", "Depth", "Possible", "chosen", "limited", "plan"]

DEADLINE_S = 20.0
"""Two connections that each lose their SYNs with MP_CAPABLE need 6.2 s (Linux 6.18, 3.07 s each)
before any byte; an emulated machine needs a few more for the rest."""

SLOWEST_BYTES_PER_S = 500_000
"""What is larger than `PAYLOAD_BYTES` has so much longer."""

HANDOVER_PATIENCE_S = 25.0
"""Plain TCP doubles its timeout: what is lost 3 s after a path went comes again 3 to 6 s later."""


class Transferred(NamedTuple):
    """One transfer: everything of an exchange but the conditions."""

    app: str
    mode: str | None
    direction: Transfer
    family: Family
    port: int
    payload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """What a network can do."""

    paths: Mapping[Family, int]
    """How many paths the client has in each family; a family that is not there has none."""
    announced: Mapping[tuple[Family, Joining], int]
    """How many further addresses the server can announce to a connection of a family."""
    upsets: frozenset[Upset]
    """What may be done to the first path."""


def plan(apps: Sequence[str] | None = None, depth: Depth = Depth.DEFAULT) -> tuple[Exchange, ...]:
    """Return the exchanges of a run in their order; ``id`` is the position.

    Args:
        apps: Names of `APPLICATIONS`, in any order; none is what the depth says.
        depth: How much to try.

    Raises:
        UsageError: A name is not known, or there is none.
    """
    scope = SCOPES[depth]
    wanted = _known(scope.apps if apps is None else apps, strict=apps is not None)
    found: dict[Transferred, list[Condition]] = {}
    for block in scope.blocks:
        for transferred in _transfers(block, wanted):
            conditions = found.setdefault(transferred, [])
            for condition in block.conditions:
                if condition not in conditions and _fits(condition, transferred):
                    conditions.append(condition)
    planned = [
        (transferred, condition)
        for app in wanted  # all of an application together, whichever block asked for it
        for transferred, conditions in found.items()
        if transferred.app == app
        for condition in conditions
    ]
    return _numbered(_fitted([_exchange(t, c) for t, c in planned], scope.most_bytes))


def chosen(
    apps: Sequence[str], family: Family, conditions: Iterable[Condition]
) -> tuple[Exchange, ...]:
    """Return every mode and direction of applications under given conditions, the control first.

    Args:
        apps: Names of `APPLICATIONS`.
        family: Of all.
        conditions: Besides the control.
    """
    block = Block(why="", conditions=(CONTROL, *conditions), families=(family,))
    transfers = _transfers(block, _known(apps, strict=True))
    return _numbered([_exchange(t, c) for t in transfers for c in block.conditions])


def limited(planned: Sequence[Exchange], possible: Possible) -> tuple[Exchange, ...]:
    """Return what of a plan a network can run, numbered anew.

    What is planned over IPv4 runs over IPv6 where there is no IPv4.

    Args:
        planned: The exchanges.
        possible: What the network can do.
    """
    fitting = (_limited(_standing_in(e, possible), possible) for e in planned)
    # where there is one path, the twins for one and for two are the same
    return _numbered(dict.fromkeys(replace(e, id=0) for e in fitting if e is not None))


def _standing_in(exchange: Exchange, possible: Possible) -> Exchange:
    """Return the exchange in the family that is there, where that is IPv6 alone."""
    alone = possible.paths.get(Family.IPV6, 0) and not possible.paths.get(Family.IPV4, 0)
    modes = APPLICATIONS[exchange.app].modes
    if alone and Family.IPV6 in modes[exchange.mode].families:
        return replace(exchange, family=Family.IPV6)
    return exchange


def _limited(exchange: Exchange, possible: Possible) -> Exchange | None:
    paths = possible.paths.get(exchange.family, 0)
    if not paths:
        return None
    if exchange.handover is not None and (
        exchange.handover.upset not in possible.upsets or paths == 1
    ):
        return None
    announces = exchange.joining in ANNOUNCED
    if announces:
        paths = 1 + possible.announced.get((exchange.family, exchange.joining), 0)
    if exchange.joining is not Joining.SUBFLOW and paths == 1:
        return None
    return replace(exchange, paths=min(exchange.paths, paths))


def _known(apps: Sequence[str] | None, *, strict: bool) -> list[str]:
    names = list(APPLICATIONS) if apps is None else list(apps)
    known = ", ".join(APPLICATIONS)
    for name in names:
        if strict and name not in APPLICATIONS:
            raise UsageError(f"there is no application '{name}'", hint=f"known are: {known}")
    if not names:
        raise UsageError("no application to check", hint=f"known are: {known}")
    return [name for name in APPLICATIONS if name in names]


def _transfers(block: Block, wanted: Sequence[str]) -> Iterator[Transferred]:
    """Give the transfers of a block, in the order of the table of applications."""
    for app in wanted:
        if app in block.but or (block.apps is not None and app not in block.apps):
            continue
        application = APPLICATIONS[app]
        for family in block.families:
            for port in _ports(application, block.ports):
                for name, mode in _modes(application, block.modes):
                    if family not in mode.families:
                        continue
                    for direction in _directions(mode, block.directions):
                        for payload_bytes in block.payload_bytes:
                            yield Transferred(
                                app=app,
                                mode=name,
                                direction=direction,
                                family=family,
                                port=port,
                                payload_bytes=_at_most(mode.payload_bytes_max, payload_bytes),
                            )


def _ports(application: Application, wanted: Ports) -> tuple[int, ...]:
    return application.ports[:1] if wanted is Ports.USUAL else application.ports[1:]


def _modes(application: Application, wanted: Modes) -> list[tuple[str | None, Mode]]:
    modes = list(application.modes.items())
    if wanted is Modes.LAST:
        return modes[-1:]
    return [(name, mode) for name, mode in modes if mode.special is (wanted is Modes.SPECIAL)]


def _directions(mode: Mode, wanted: Directions) -> tuple[Transfer, ...]:
    return mode.transfers[:1] if wanted is Directions.FIRST else mode.transfers


def _fits(condition: Condition, transferred: Transferred) -> bool:
    """Say whether a transfer can be run so.

    Nobody listens for joins beside the application's own port; and Linux gives an application's
    socket of IPv4 no subflow over IPv6 (mptcp_pm_addr_families_match); one of IPv6 takes both.
    """
    if condition.joining is Joining.OTHER_FAMILY and transferred.family is Family.IPV4:
        return False
    opened = APPLICATIONS[transferred.app].modes[transferred.mode].opened
    return (opened.by_client, opened.by_server) == (1, 0) or condition.joining not in ANNOUNCED


def _exchange(transferred: Transferred, condition: Condition) -> Exchange:
    return Exchange(
        id=0,
        app=transferred.app,
        mode=transferred.mode,
        direction=transferred.direction,
        transport=condition.transport,
        checksum=condition.checksum,
        paths=condition.paths,
        family=transferred.family,
        port=transferred.port,
        payload_bytes=transferred.payload_bytes,
        deadline_s=_deadline_s(transferred.payload_bytes, condition),
        joining=condition.joining,
        handover=condition.handover,
    )


def _deadline_s(payload_bytes: int, condition: Condition) -> float:
    more_s = max(0, payload_bytes - PAYLOAD_BYTES) / SLOWEST_BYTES_PER_S
    return DEADLINE_S + round(more_s) + (HANDOVER_PATIENCE_S if condition.handover else 0)


def _fitted(planned: Sequence[Exchange], most_bytes: int | None) -> list[Exchange]:
    """Return the exchanges with their sizes made smaller, until all together stay below a bound."""
    total = sum(e.payload_bytes for e in planned)
    if most_bytes is None or total <= most_bytes:
        return list(planned)
    each = most_bytes // len(planned)
    return [replace(e, payload_bytes=min(e.payload_bytes, each)) for e in planned]


def _at_most(most: int | None, payload_bytes: int) -> int:
    return payload_bytes if most is None else min(most, payload_bytes)


def _numbered(planned: Iterable[Exchange]) -> tuple[Exchange, ...]:
    return tuple(replace(e, id=number) for number, e in enumerate(planned))
