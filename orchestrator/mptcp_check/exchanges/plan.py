"""Which exchanges a run makes, in which order; PURE.

A table of cases, not loops of options: each transfer has its TCP control first, so that what
fails over Multipath TCP is known to work without, and then its Multipath TCP twins.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.ftp import ACTIVE, PASSIVE
from mptcp_check.model import Exchange, Family, Transfer, Transport

PAYLOAD_BYTES = 1024 * 1024
"""0.2 s at 40 Mbit/s: a second subflow has joined (30 ms) long before the end."""

DEADLINE_S = 20.0
"""Two connections that each lose their SYNs with MP_CAPABLE need 6.2 s (Linux 6.18, 3.07 s each)
before any byte; an emulated machine needs a few more for the rest."""


class Depth(enum.StrEnum):
    """How much a run tries."""

    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One way to run a transfer."""

    transport: Transport
    checksum: bool
    paths: int


CONTROL = Variation(transport=Transport.TCP, checksum=False, paths=1)

TWINS = tuple(
    Variation(transport=Transport.MPTCP, checksum=checksum, paths=paths)
    for checksum in (False, True)
    for paths in (1, 2)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a depth means."""

    families: tuple[Family, ...]
    variations: tuple[Variation, ...]
    transfers: frozenset[tuple[str, str | None, Transfer]]
    """Application, mode and direction of what is run unless applications are named."""


USUAL_APPS = ("http", "ftp")
USUAL = frozenset(
    (app, mode, direction)
    for app, mode in (("http", None), ("ftp", ACTIVE), ("ftp", PASSIVE))
    for direction in Transfer
)

SCOPES = {
    Depth.QUICK: Scope(
        families=(Family.IPV4,),
        variations=(CONTROL, Variation(transport=Transport.MPTCP, checksum=False, paths=2)),
        transfers=frozenset(
            {
                ("http", None, Transfer.DOWNLOAD),
                ("http", None, Transfer.UPLOAD),
                ("ftp", PASSIVE, Transfer.DOWNLOAD),
            }
        ),
    ),
    Depth.DEFAULT: Scope(families=(Family.IPV4,), variations=(CONTROL, *TWINS), transfers=USUAL),
    Depth.FULL: Scope(
        families=(Family.IPV4, Family.IPV6), variations=(CONTROL, *TWINS), transfers=USUAL
    ),
}


def plan(
    apps: Sequence[str] | None = None,
    depth: Depth = Depth.DEFAULT,
    *,
    payload_bytes: int = PAYLOAD_BYTES,
    deadline_s: float = DEADLINE_S,
) -> tuple[Exchange, ...]:
    """Return the exchanges of a run in their order; ``id`` is the position.

    Args:
        apps: Names of `APPLICATIONS`, in any order; none is `USUAL_APPS`.
        depth: How much to try.
        payload_bytes: Size of each exchange's file.
        deadline_s: When an exchange has hung.

    Raises:
        UsageError: A name is not known, or there is none.
    """
    wanted = list(USUAL_APPS) if apps is None else list(apps)
    known = ", ".join(APPLICATIONS)
    for name in wanted:
        if name not in APPLICATIONS:
            raise UsageError(f"there is no application '{name}'", hint=f"known are: {known}")
    if not wanted:
        raise UsageError("no application to check", hint=f"known are: {known}")
    return tuple(
        Exchange(
            id=number,
            app=app,
            mode=mode,
            direction=direction,
            transport=variation.transport,
            checksum=variation.checksum,
            paths=variation.paths,
            family=family,
            port=APPLICATIONS[app].port,
            payload_bytes=_at_most(APPLICATIONS[app].modes[mode].payload_bytes_max, payload_bytes),
            deadline_s=deadline_s,
        )
        for number, (family, app, mode, direction, variation) in enumerate(
            _cases(
                frozenset(wanted), SCOPES[depth], SCOPES[depth].transfers if apps is None else None
            )
        )
    )


def limited(planned: Sequence[Exchange], paths: Mapping[Family, int]) -> tuple[Exchange, ...]:
    """Return what of a plan a network can run, numbered anew.

    Args:
        planned: The exchanges.
        paths: How many paths there are in each family; a family that is not there has none.
    """
    fitting = [
        replace(e, id=0, paths=min(e.paths, paths[e.family]))
        for e in planned
        if paths.get(e.family, 0)
    ]
    # where there is one path, the twins for one and for two are the same
    return tuple(replace(e, id=number) for number, e in enumerate(dict.fromkeys(fitting)))


def _at_most(most: int | None, payload_bytes: int) -> int:
    return payload_bytes if most is None else min(most, payload_bytes)


def _cases(
    wanted: frozenset[str],
    scope: Scope,
    transfers: frozenset[tuple[str, str | None, Transfer]] | None,
) -> Iterator[tuple[Family, str, str | None, Transfer, Variation]]:
    for family in scope.families:
        for app, application in APPLICATIONS.items():
            for mode, how in application.modes.items():
                for direction in how.transfers:
                    transfer = (app, mode, direction)
                    if (
                        app in wanted
                        and family in how.families
                        and (transfers is None or transfer in transfers)
                    ):
                        for variation in scope.variations:
                            yield family, *transfer, variation
