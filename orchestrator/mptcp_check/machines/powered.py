"""What runs a guest may end at any moment; then that, and nothing that followed, is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from mptcp_check.errors import MachineError
from mptcp_check.machines.agent import PATIENCE_S

LOOK_S = 0.05
"""How long one look for a machine's end lasts, where it may be another's."""


class Powered(Protocol):
    """What a guest needs of the machine that it runs in, whatever runs the machine."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def check_alive(self, patience_s: float = 0.0) -> None:
        """Raise `MachineError` when the machine has ended; wait for that as long as said."""


@contextmanager
def its_end_first(machine: Powered) -> Iterator[None]:
    """Where something fails, raise the end of the machine instead if that is why.

    A connection breaks a moment before whoever held its other end is known to have ended.
    """
    try:
        yield
    except MachineError:
        machine.check_alive(PATIENCE_S)
        raise


@contextmanager
def any_end_first(machines: Sequence[Powered]) -> Iterator[None]:
    """`its_end_first`, where each of several machines may be the one, and to ask costs nothing."""
    try:
        yield
    except MachineError:
        for _ in range(round(PATIENCE_S / LOOK_S / len(machines))):
            for machine in machines:
                machine.check_alive(LOOK_S)
        raise
