"""What the main job needs on this computer: one check each, with what to do when it fails.

Each module has thin probes, which look, and judgements, which are pure.  A check that could not
look is not in the answer: silence is not health.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mptcp_check.doctor import catalogues, computer, hypervisors, image, networks, server
from mptcp_check.doctor.check import Check, Question, Section, Status

__all__ = [
    "Check",
    "Examined",
    "Question",
    "Section",
    "Status",
    "examine",
]

Probe = Callable[[Question], Iterable[Check]]

PROBES: Mapping[Section, tuple[Probe, ...]] = {
    Section.COMPUTER: (
        computer.python,
        computer.disk,
        computer.rights,
        computer.clock_kept,
        computer.remains,
        computer.tshark,
    ),
    Section.MACHINES: (
        hypervisors.hypervisors,
        image.appliance,
        catalogues.catalogues,
    ),
    Section.NETWORK: (networks.networks,),
    Section.SERVER: (server.server,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A check with its number and its place."""

    number: int
    section: Section
    check: Check


def examine(question: Question) -> tuple[Examined, ...]:
    """Run every check; none changes anything but `remains`, which removes what a crash left."""
    found = [
        (section, check)
        for section, probes in PROBES.items()
        for probe in probes
        for check in probe(question)
    ]
    return tuple(
        Examined(number=number, section=section, check=check)
        for number, (section, check) in enumerate(found, 1)
    )
