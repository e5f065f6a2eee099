"""The same links as the switch has, between interfaces of this kernel: for the quick lab.

Each link joins two interfaces, normally the middle ends of two veth pairs whose outer ends are in
the client's and the server's network namespace.  The kernel in the middle routes nothing.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mptcp_check.clock import monotonic_ns
from mptcp_check.machines.forwarding import Forwarder, PortPair
from mptcp_check.machines.namespace import entered
from mptcp_check.machines.packet_port import PacketPort
from mptcp_check.middleboxes.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class VethLink:
    """The two interfaces that one link joins, and what lies between them."""

    client: str
    server: str
    chain: Chain


class VethWire:
    """Carries frames between interfaces of one network namespace, in a thread of its own.

    Args:
        links: What to join.
        namespace: Where the interfaces are, as ``ip netns`` lists it; none is the caller's own.
        clock: Nanoseconds that never go back.

    Raises:
        OSError: An interface or the namespace is not there, or this is not root.
    """

    def __init__(
        self,
        links: Sequence[VethLink],
        *,
        namespace: str | None = None,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        opened: list[PacketPort] = []
        try:
            with contextlib.nullcontext() if namespace is None else entered(namespace):
                for link in links:
                    opened += [PacketPort(link.client), PacketPort(link.server)]
        except BaseException:
            for port in opened:
                port.close()
            raise
        self._ports = tuple(opened)
        pairs = zip(opened[::2], opened[1::2], links, strict=True)
        self._forwarder = Forwarder(
            [PortPair(client=c, server=s, chain=link.chain) for c, s, link in pairs],
            clock=clock,
            name=f"the wire in namespace {namespace or 'of this process'}",
        )

    def start(self) -> None:
        """Start carrying."""
        self._forwarder.start()

    def stop(self) -> None:
        """Stop carrying and close the sockets; raises what the thread failed with."""
        self._forwarder.stop()

    def freeze(self) -> None:
        """Deliver nothing more."""
        self._forwarder.freeze()

    def check(self) -> None:
        """Raise what made the thread fail; see `Forwarder.check`."""
        self._forwarder.check()

    def queue_dropped_count(self) -> int:
        """How many frames this wire itself lost; zero on a wire that can be trusted."""
        return sum(port.queue_dropped_count for port in self._ports)
