"""Signs of life to a machine, so that it ends by itself when this program is gone.

A machine under QEMU dies with us anyway (`keeper.py`).  One that another program started, or one
whose host hangs, does not: its watchdog (`mptcp_guest.watchdog`) powers it off.
"""

import contextlib
import threading
from collections.abc import Iterator

from mptcp_check.machines.agent import Agent

PATIENCE_S = 60.0
"""How long a machine waits for a sign of life; more than any pause of a busy computer."""
STARTING_S = 60.0
"""How long the first answer may take: Python starts in the machine before it."""
SIGNS = 6
"""In that time."""


@contextlib.contextmanager
def beating(agent: Agent, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Let the machine watch us while the context lasts, and give it signs of life.

    Args:
        agent: Of a machine that is its own (``--owns-machine``).
        patience_s: After how long without one it powers itself off.

    Raises:
        MachineError: It does not answer.
    """
    agent.call("watchdog", {"within_s": patience_s}, within_s=STARTING_S)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(patience_s / SIGNS):
            agent.sign_of_life()

    beater = threading.Thread(target=beat, name="heartbeat", daemon=True)
    beater.start()
    try:
        yield
    finally:
        over.set()
        beater.join()
