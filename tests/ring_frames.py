"""Connections as the capture service's ring holds them, and who was given which packet."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mptcp_check.analysis.capture.capture_file import Decoder, read
from mptcp_check.analysis.capture.packet_blocks import head
from mptcp_check.analysis.capture.ring_block import frames
from mptcp_check.server import marker
from mptcp_check.server.capture.demultiplexer import Demultiplexer
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.waiting import Waiting
from mptcp_check.server.capture.warm_up import Frame, block
from segments import ACK, PSH, SYN, Subflow, Talk

SERVER = ("203.0.113.1", 80)
SERVER_6 = ("2001:db8::1", 80)
FTP_PORTS = frozenset({21})
T0_NS = 1_800_000_000 * 10**9
S = 10**9
MULTIPLIERS = np.array([3, 5, 7, 11, 13, 17], dtype=np.uint64)
LINK_TYPES = np.full(2, 101, dtype=np.int64)


def nonce_marker(number: int) -> str:
    return marker.marker(number.to_bytes(16, "big"))


@dataclass
class Bench:
    """A demultiplexer whose deliveries are kept."""

    hold_ns: int = 5 * S
    flows_max: int = 1000
    bytes_max: int = 10**6
    delivered: dict[str, bytes] = field(default_factory=dict)
    flows: list[tuple[str, Flow]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = Waiting(
            hold_ns=self.hold_ns, flows_max=self.flows_max, bytes_max=self.bytes_max
        )
        self.demultiplexer = Demultiplexer(
            deliver=self._deliver,
            flow_known=lambda session, flow: self.flows.append((session, flow)),
            multipliers=MULTIPLIERS,
            waiting=self.waiting,
            ftp_ports=FTP_PORTS,
        )
        self._decoder = Decoder()

    def _deliver(self, session_id: str, blocks: bytes, packet_count: int) -> None:
        assert packet_count > 0
        self.delivered[session_id] = self.delivered.get(session_id, b"") + blocks

    def take(self, packets: Sequence[bytes], *, at_ns: int = T0_NS) -> None:
        """Let packets come, all in one block of the ring."""
        made = block([Frame(at_ns + n, packet) for n, packet in enumerate(packets)])
        records = frames(made)
        decoded = self._decoder.decode(made, records, LINK_TYPES)
        self.demultiplexer.take(decoded, records)

    def packets(self, session_id: str) -> list[bytes]:
        """Return the packets that a session was given, in the order of its file."""
        file = head(link_type=101, name="t", application="t") + self.delivered.get(session_id, b"")
        capture = read(file)
        assert capture.problems == ()
        return [
            capture.buffer[start : start + length].tobytes()
            for start, length in zip(
                capture.records.offset.tolist(), capture.records.captured.tolist(), strict=True
            )
        ]


def plain_handshake(flow: Subflow) -> None:
    flow.send(0, SYN)
    flow.send(1, SYN | ACK)
    flow.send(0, ACK)


def plain(
    first: bytes,
    *,
    client: tuple[str, int],
    server: tuple[str, int] = SERVER,
    isn: int = 1000,
    more: int = 3,
) -> list[bytes]:
    """Return a connection of plain TCP whose client says something and is answered."""
    talk = Talk()
    flow = talk.subflow(client, server, (isn, isn + 5_000_000))
    plain_handshake(flow)
    flow.send(0, ACK | PSH, (), first)
    for _ in range(more):
        flow.send(1, ACK | PSH, (), b"answer")
        flow.send(0, ACK)
    flow.close()
    return talk.packets()


def multipath(
    first: bytes,
    *,
    client: tuple[str, int],
    other: tuple[str, int],
    server: tuple[str, int] = SERVER,
    isn: int = 1000,
    keys: tuple[int, int] = (1, 2),
    version: int = 1,
    early: bool = False,
) -> list[bytes]:
    """Return a Multipath TCP connection with a second subflow.

    Args:
        first: What the client says first.
        client: Its first address.
        other: Its second one.
        server: The server's address.
        isn: Base of all sequence numbers.
        keys: Of client and server.
        version: Of Multipath TCP.
        early: Whether the second subflow begins before anything was said.
    """
    talk = Talk(version=version, client_key=keys[0], server_key=keys[1])
    one = talk.capable(talk.subflow(client, server, (isn, isn + 5_000_000)))
    two = talk.subflow(other, server, (isn + 10_000_000, isn + 15_000_000))
    if early:
        talk.join(two)
    talk.data(one, 0, first)
    if not early:
        talk.join(two)
    talk.data(two, 1, b"over the second")
    talk.data(one, 1, b"over the first")
    two.close()
    one.close()
    return talk.packets()
