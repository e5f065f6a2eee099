"""The embedded network's switch: links between QEMU machines, a chain of middleboxes in each.

Each link has two ports, 0 for the client's machine and 1 for the server's; each port is a unix
socket for one ``-netdev stream,addr.type=unix`` of QEMU.  No root, no interface of this computer.
The switch counts every frame, can record and capture them, and can be frozen so that nothing
changes in the machines while their captures are stopped.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from mptcp_check.clock import monotonic_ns, wall_ns
from mptcp_check.errors import MachineError
from mptcp_check.machines.forwarding import Forwarder, PortPair
from mptcp_check.machines.interruption import Interruption
from mptcp_check.machines.stream_port import PortState, PortStatus, StreamPort
from mptcp_check.machines.wire_record import WireCapture, WireFrame, WireRecord
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import FRAME_DIRECTIONS, Side

PORTS = (Side.CLIENT, Side.SERVER)
"""Of the frames that come from each port."""


class Switch:
    """Links in one thread; see the module.

    Args:
        chains: What lies in each link.
        directory: A private folder for the sockets; its path must be short.
        capture_directory: Where to write a pcap file per port, ``link0-client.pcap`` and so on;
            none writes none.
        clock: Monotonic nanoseconds, for delays and records.
        wall_clock: Nanoseconds since 1970, for the captures.

    Raises:
        MachineError: A socket cannot be made, or a capture cannot.
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        *,
        directory: Path,
        capture_directory: Path | None = None,
        clock: Callable[[], int] = monotonic_ns,
        wall_clock: Callable[[], int] = wall_ns,
    ) -> None:
        self._chains = tuple(chains)
        self._ports: list[tuple[StreamPort, StreamPort]] = []
        with ExitStack() as on_error:
            for link in range(len(self._chains)):
                pair = []
                for side, direction in zip(PORTS, FRAME_DIRECTIONS, strict=True):
                    capture = _capture(capture_directory, link, side)
                    if capture is not None:
                        on_error.callback(capture.close)
                    port = StreamPort(
                        directory / f"link{link}-{side}",
                        direction,
                        clock=clock,
                        wall_clock=wall_clock,
                        capture=capture,
                    )
                    on_error.callback(port.close)
                    pair.append(port)
                self._ports.append((pair[0], pair[1]))
            self._forwarder = Forwarder(
                [
                    PortPair(client=client, server=server, chain=chain)
                    for (client, server), chain in zip(self._ports, self._chains, strict=True)
                ],
                clock=clock,
                name="the switch",
            )
            on_error.pop_all()

    def socket_path(self, link: int, port: int) -> Path:
        """Return where QEMU connects to: port 0 is the client's, 1 the server's."""
        return self._ports[link][port].path

    def start(self) -> None:
        """Start the thread; the machines may connect before or after."""
        self._forwarder.start()

    def check(self) -> None:
        """Raise what made the thread fail; cheap enough for every turn of a waiting loop.

        Raises:
            MachineError: The thread has failed or does not run.
        """
        self._forwarder.check()

    def record(self) -> None:
        """Start to record, from an empty record."""
        self._forwarder.ask(self._record)

    def wire_frames(self, link: int, port: int) -> tuple[WireFrame, ...]:
        """Return the TCP frames that crossed a port since `record`, in order, both ways."""
        record = self._forwarder.ask(lambda: self._ports[link][port].record)
        return () if record is None else self._forwarder.ask(record.frames)

    def interrupt(self, interruption: Interruption | None) -> None:
        """Let a link lose its frames as it says; none lets everything pass again."""
        self._forwarder.interrupt(interruption)

    def freeze(self) -> None:
        """Deliver nothing more; what the machines still send is counted and recorded."""
        self._forwarder.freeze()

    def status(self) -> tuple[tuple[PortStatus, PortStatus], ...]:
        """Return one consistent snapshot of all ports, by link: client's and server's."""
        return self._forwarder.ask(
            lambda: tuple((client.status(), server.status()) for client, server in self._ports)
        )

    def lost(self) -> tuple[str, ...]:
        """Name the ports whose machine has gone and why; empty while all is well."""
        return tuple(
            f"{side} machine, link {link}: {status.problem}"
            for link, pair in enumerate(self.status())
            for side, status in zip(PORTS, pair, strict=True)
            if status.state is PortState.GONE
        )

    def acted_counts(self) -> tuple[tuple[int, ...], ...]:
        """Return how often each behaviour of each link's chain acted, in the chain's order."""
        return self._forwarder.ask(
            lambda: tuple(tuple(b.acted_count for b in chain.behaviours) for chain in self._chains)
        )

    def stop(self) -> None:
        """End the thread and remove the sockets; a second call does nothing.

        Raises:
            MachineError: The thread had failed before.
        """
        self._forwarder.stop()

    def _record(self) -> None:
        for pair in self._ports:
            for port in pair:
                port.record = WireRecord()


def _capture(directory: Path | None, link: int, side: Side) -> WireCapture | None:
    if directory is None:
        return None
    path = directory / f"link{link}-{side}.pcap"
    try:
        return WireCapture(path)
    except OSError as error:
        raise MachineError(f"cannot write the wire capture {path}: {error.strerror}") from error
