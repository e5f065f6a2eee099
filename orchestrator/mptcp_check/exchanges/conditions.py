"""The conditions under which a transfer is run; PURE.

Each varies what a path can treat differently: whether the option is there at all, whether data
carry a checksum, how many subflows there are and who asked for them, and what happens to the first
path in mid-transfer.
"""

from dataclasses import dataclass

from mptcp_check.model import Handover, Joining, Transport, Upset

HANDOVER_AFTER_BYTES = 1024 * 1024
"""Beyond slow start, and well before the end of `scopes.HANDOVER_BYTES`."""

HANDOVER_LASTS_S = 3.0
"""Longer than Linux needs to give a subflow up (0.3 s to 2.7 s, measured), and short enough for
plain TCP to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One way to run a transfer."""

    transport: Transport
    checksum: bool = False
    paths: int = 1
    joining: Joining = Joining.SUBFLOW
    handover: Handover | None = None


def _mptcp(
    *,
    checksum: bool = False,
    paths: int = 2,
    joining: Joining = Joining.SUBFLOW,
    handover: Handover | None = None,
) -> Condition:
    return Condition(
        transport=Transport.MPTCP,
        checksum=checksum,
        paths=paths,
        joining=joining,
        handover=handover,
    )


CONTROL = Condition(transport=Transport.TCP)
"""Always the first of a transfer: what fails over Multipath TCP is known to work without."""

ONE_PATH = _mptcp(paths=1)
TWO_PATHS = _mptcp()
CHECKED = _mptcp(checksum=True)
THREE_PATHS = _mptcp(paths=3)
TWINS = (ONE_PATH, TWO_PATHS, _mptcp(checksum=True, paths=1), CHECKED)
"""Checksum and number of subflows crossed: altered data end in four different ways."""

BACKUP = _mptcp(joining=Joining.BACKUP)
SIGNAL = _mptcp(joining=Joining.SIGNAL)
# of an IPv6 socket only: Linux gives one of IPv4 no subflow over IPv6
BOTH_FAMILIES = _mptcp(joining=Joining.OTHER_FAMILY)


def handovers(*upsets: Upset) -> tuple[Condition, ...]:
    """Return each handover over plain TCP, to compare with, and over Multipath TCP."""
    found = []
    for upset in upsets:
        handover = Handover(upset=upset, after_bytes=HANDOVER_AFTER_BYTES, lasts_s=HANDOVER_LASTS_S)
        found += [Condition(transport=Transport.TCP, handover=handover), _mptcp(handover=handover)]
    return tuple(found)
