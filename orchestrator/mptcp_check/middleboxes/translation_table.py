"""A NAT's memory: which outer port stands for which client endpoint, bounded."""

from collections import OrderedDict

from mptcp_check.middleboxes.translation import Endpoint

_PORTS = 65_536


class TranslationTable:
    """Maps client endpoints to outer ports one to one, per family and protocol.

    The mapping does not depend on the peer (RFC 4787, REQ-1).  When the table is full the mapping
    that was used least recently is forgotten, and its port is given out again last.

    Args:
        size: How many mappings are kept.
        first_port: Ports are given out from here in turn, up to 65535 and from here again.
    """

    def __init__(self, *, size: int, first_port: int) -> None:
        if not 0 < size <= _PORTS - first_port:
            raise ValueError(f"{size} mappings do not fit the ports from {first_port}")
        self._size = size
        self._first_port = first_port
        self._next_port = first_port
        self._outer: OrderedDict[Endpoint, int] = OrderedDict()
        self._inner: dict[tuple[int, int, int], Endpoint] = {}

    def outer_port(self, inner: Endpoint) -> int:
        """Return the outer port of a client endpoint, a new one if it has none."""
        port = self._outer.get(inner)
        if port is None:
            if len(self._outer) >= self._size:
                oldest, freed = self._outer.popitem(last=False)
                del self._inner[oldest.family, oldest.protocol, freed]
            port = self._free_port(inner)
            self._outer[inner] = port
            self._inner[inner.family, inner.protocol, port] = inner
        self._outer.move_to_end(inner)
        return port

    def inner(self, family: int, protocol: int, port: int) -> Endpoint | None:
        """Return the client endpoint behind an outer port, none if nobody asked for it."""
        found = self._inner.get((family, protocol, port))
        if found is not None:
            self._outer.move_to_end(found)
        return found

    def _free_port(self, inner: Endpoint) -> int:
        # There are more ports than mappings, so this ends.
        while True:
            port = self._next_port
            self._next_port = port + 1 if port + 1 < _PORTS else self._first_port
            if (inner.family, inner.protocol, port) not in self._inner and port != inner.port:
                return port
