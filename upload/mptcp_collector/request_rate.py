"""How often a netblock may ask: a bucket of tokens for each, filled again with time; PURE."""

from collections import OrderedDict
from typing import Final

BUCKETS_MAX: Final = 65_536
"""Netblocks remembered; beyond it the one that asked longest ago is forgotten, and so is full."""

_MINUTE_NS: Final = 60 * 10**9


class RequestRate:
    """Counts requests by netblock.

    Args:
        per_minute: Requests that a netblock gets back in a minute; as many at once at most.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._full_at_ns: OrderedDict[str, int] = OrderedDict()

    def take(self, netblock: str, *, now_ns: int) -> bool:
        """Count a request, or refuse it.

        A bucket is the time at which it will be full: one request moves that by what one token
        costs, and further than a minute ahead means empty (the generic cell rate algorithm).
        """
        cost_ns = _MINUTE_NS // self._per_minute
        full_at_ns = max(self._full_at_ns.get(netblock, 0), now_ns) + cost_ns
        if full_at_ns > now_ns + _MINUTE_NS:
            return False
        self._full_at_ns[netblock] = full_at_ns
        self._full_at_ns.move_to_end(netblock)
        if len(self._full_at_ns) > BUCKETS_MAX:
            self._full_at_ns.popitem(last=False)
        return True
