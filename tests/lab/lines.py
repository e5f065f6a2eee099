"""The links of the quick lab: a home's lines whose queues have no end.

A busy computer carries frames in bursts.  A line with a bounded queue drops some of them, which is
what lines do, and nothing that a test of something else may wait for.
"""

from typing import Final

from mptcp_check.middleboxes.link import DEFAULT, Link, Parameters

ENDLESS_BYTES: Final = 2**30


def line(delay_ns: int = DEFAULT.delay_ns) -> Link:
    """Return a link of the default rate that drops nothing."""
    return Link(Parameters(delay_ns=delay_ns, queue_bytes=ENDLESS_BYTES))
