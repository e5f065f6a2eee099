"""Connections at once, by netblock and in all; PURE."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class ConnectionCaps:
    """Counts open connections and says whether there is room for one more."""

    all_max: int
    netblock_max: int
    open: dict[str, int] = field(default_factory=dict)
    """Netblock -> open connections; those without any are not in it."""
    open_count: int = 0
    refused_count: int = 0

    def take(self, netblock: str) -> bool:
        """Count a new connection, or refuse it."""
        own = self.open.get(netblock, 0)
        if own >= self.netblock_max or self.open_count >= self.all_max:
            self.refused_count += 1
            return False
        self.open[netblock] = own + 1
        self.open_count += 1
        return True

    def release(self, netblock: str) -> None:
        """Count a connection that has ended."""
        left = self.open[netblock] - 1
        self.open_count -= 1
        if left:
            self.open[netblock] = left
        else:
            del self.open[netblock]
