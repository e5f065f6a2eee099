"""The quick lab: a real kernel at both ends of two links, any chain of behaviours between them.

    with lab([Chain([MpCapableRemovedFromSyn(), line()]), Chain([line()])]) as network:
        observation = network.observe()

It needs root and takes about a second per observation.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.capture import capturing
from lab.lines import line
from lab.topology import LINKS, SERVER_IPV4, Namespaces, namespaces
from lab.transfer import Transferred, transfer
from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture, merge
from mptcp_check.machines.namespace import entered
from mptcp_check.machines.veth_wire import VethLink, VethWire
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Side, Transfer, Transport

_REST_S = 3.0
"""How long connections that ended in order may take to be gone, on a busy computer."""
_HUNG_REST_S = 0.3
"""The same where an application has hung: such a connection stays."""
_WIRE_REST_S = 1.0
"""How long what is on its way may take; some boxes have something to do for ever."""
_LOOK_S = 0.01
_RESTING = frozenset({"06", "0A"})
"""TIME_WAIT and LISTEN, as /proc/net/tcp has them: they send nothing by themselves."""
_SETTLED = (
    "MPTcpExtMPJoinAckRx",
    "MPTcpExtMPRstTx",
    "MPTcpExtMPJoinRejected",
    "TcpAttemptFails",  # a RST for the join's SYN
)
"""Counters of either side that say what became of a join."""
_INTERFACES = tuple(f"eth{link}" for link in LINKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One exchange seen from everywhere."""

    transferred: Transferred
    captures: dict[Side, tuple[InterfaceCapture, ...]]
    counters: dict[Side, dict[str, int]]
    """What each kernel counted during the exchange, by nstat's names; zeros are left out."""
    acted_count: int
    """What the behaviours did, all links together."""

    def pcapng(self, side: Side) -> bytes:
        """Return one side's capture of both interfaces, as a run keeps it."""
        return merge(self.captures[side])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running network; see `lab`."""

    namespaces: Namespaces
    chains: tuple[Chain, ...]
    paths: int
    wire: VethWire

    def counters(self, side: Side) -> dict[str, int]:
        """Return the absolute kernel counters of one side, named as nstat names them."""
        with entered(self.namespaces.of(side)):
            own = Path("/proc/thread-self/net")
            text = (own / "snmp").read_text() + (own / "netstat").read_text()
        return parse_counters(text)

    def observe(
        self,
        *,
        transport: Transport = Transport.MPTCP,
        direction: Transfer = Transfer.DOWNLOAD,
        payload_bytes: int = 300_000,
        address: str = SERVER_IPV4,
        deadline_s: float = 60.0,
        join_s: float = 20.0,
        chunk_bytes: int = 65_536,
        pause_s: float = 0.0,
        no_delay: bool = False,
    ) -> Observation:
        """Run one transfer with every interface captured at both ends; see `transfer`."""
        interfaces = {self.namespaces.of(side): _INTERFACES for side in Side}
        before = {side: self.counters(side) for side in Side}
        with (
            tempfile.TemporaryDirectory() as directory,
            capturing(interfaces, Path(directory)) as captures,
        ):
            transferred = transfer(
                client_namespace=self.namespaces.client,
                server_namespace=self.namespaces.server,
                address=address,
                transport=transport,
                direction=direction,
                payload_bytes=payload_bytes,
                deadline_s=deadline_s,
                chunk_bytes=chunk_bytes,
                pause_s=pause_s,
                no_delay=no_delay,
                settled=lambda: self._join_settled(before),
                join_s=join_s,
            )
            self._await_rest(_HUNG_REST_S if transferred.errors else _REST_S)
        return Observation(
            transferred=transferred,
            captures={s: captures.by_namespace[self.namespaces.of(s)] for s in Side},
            counters={side: _grown(before[side], self.counters(side)) for side in Side},
            acted_count=sum(b.acted_count for c in self.chains for b in c.behaviours),
        )

    def _await_rest(self, within_s: float) -> None:
        """Wait until nobody can send any more, and until all that was sent has arrived."""
        for rests, limit_s in ((self._sockets_rest, within_s), (self._wire_rests, _WIRE_REST_S)):
            end = time.monotonic() + limit_s  # noqa: TID251 - a test
            while not rests() and time.monotonic() < end:  # noqa: TID251 - a test
                time.sleep(_LOOK_S)

    def _sockets_rest(self) -> bool:
        for side in Side:
            with entered(self.namespaces.of(side)):
                tables = [Path("/proc/thread-self/net", name) for name in ("tcp", "tcp6")]
                rows = [row.split() for table in tables for row in table.read_text().splitlines()]
            if not {row[3] for row in rows if row[0] != "sl"} <= _RESTING:
                return False
        return True

    def _wire_rests(self) -> bool:
        # at the first answer all is read that had come before it was asked for
        due = [self.wire._forwarder.ask(self._due_ns) for _ in range(2)][-1]
        return due == []

    def _due_ns(self) -> list[int]:
        return [at_ns for chain in self.chains if (at_ns := chain.next_due_ns()) is not None]

    def _join_settled(self, before: Mapping[Side, Mapping[str, int]]) -> bool:
        """Say whether the second subflow, if one is wanted, is there or was refused."""
        grown = [_grown(before[side], self.counters(side)) for side in Side]
        return self.paths == 1 or any(counter in side for side in grown for counter in _SETTLED)


@contextlib.contextmanager
def lab(
    chains: Sequence[Chain] | None = None, *, checksum: bool = False, paths: int = 2
) -> Iterator[Lab]:
    """Build the network, run it while the block runs, and remove everything after.

    Args:
        chains: One per link, default a `line` each.
        checksum: Whether DSS checksums are asked for.
        paths: 1 for one subflow, 2 for a second one from ``eth1``.
    """
    own = tuple(chains) if chains is not None else tuple(Chain([line()]) for _ in LINKS)
    with namespaces(checksum=checksum, paths=paths) as made:
        links = [
            VethLink(client=f"c{link}", server=f"s{link}", chain=chain)
            for link, chain in zip(LINKS, own, strict=True)
        ]
        wire = VethWire(links, namespace=made.wire)
        wire.start()
        try:
            yield Lab(namespaces=made, chains=own, paths=paths, wire=wire)
        finally:
            wire.stop()


def behind(*on_first_link: Behaviour, second: Sequence[Behaviour] = ()) -> tuple[Chain, Chain]:
    """Return the chains with some behaviours on the first link and others on the second."""
    return Chain([*on_first_link, line()]), Chain([*second, line()])


def parse_counters(text: str) -> dict[str, int]:
    """Read /proc/net/snmp or netstat: pairs of lines, names and then numbers."""
    lines = [line.split() for line in text.splitlines()]
    return {
        names[0].rstrip(":") + name: int(number)
        for names, numbers in zip(lines[::2], lines[1::2], strict=True)
        for name, number in zip(names[1:], numbers[1:], strict=True)
    }


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0)
    }
