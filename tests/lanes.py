"""Which tests may run beside each other when several processes share them (``pytest -n 2``).

The tests of a lane run one after the other in one process.  What needs much of this computer, or
something of which there is one, shares a lane with its like; every other module is its own.
"""

from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

LANES: Final = (
    "tests/system/",  # boots machines, looks at all of them, builds the image if need be
    "tests/lab/",  # plays between namespaces, and waits more than it computes
    "tests/collector/",  # has one database and one object store for all of its tests
)
"""Folders whose tests are one lane each; they begin in this order."""


def lane(nodeid: str) -> str:
    """Return the lane of a test: its folder's, or its module alone."""
    module = nodeid.partition("::")[0]
    return next((folder for folder in LANES if module.startswith(folder)), module)


def place(nodeid: str) -> int:
    """Return a test's place in the order in which lanes begin: what takes longest first."""
    return LANES.index(lane(nodeid)) if lane(nodeid) in LANES else len(LANES)


class LaneScheduling(LoadScopeScheduling):
    """Hands out whole lanes, in the order in which their tests were collected."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        # not the lanes with the most tests first: a machine takes longer than a thousand packets
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
