"""Which tests may run beside each other when several processes share them (``pytest -n 2``).

The tests of a lane run one after the other in one process.  What boots machines, measures the
kernel or looks at all that runs on this computer shares a lane; every other module is its own.
"""

from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

MACHINES: Final = "machines"
"""Who needs this computer's kernel, its servers or much of its time."""

LANES: Final = {
    "tests/browser/": MACHINES,
    "tests/collector/": MACHINES,
    "tests/lab/": MACHINES,
    "tests/system/": MACHINES,
}
"""Lanes by how the paths of their tests begin."""


def lane(nodeid: str) -> str:
    """Return the lane of a test: its folder's, or its module alone."""
    module = nodeid.partition("::")[0]
    return next((shared for start, shared in LANES.items() if module.startswith(start)), module)


class LaneScheduling(LoadScopeScheduling):
    """Hands out lanes as they are collected: those of the table come first and take longest."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        # not the lanes with the most tests first: a machine takes longer than a thousand packets
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
