"""TCP segments and whole Multipath TCP connections for tests: IP packets with right checksums."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.options.mptcp_values import (
    Dss,
    Mapping,
    MpCapable,
    MpJoinAck,
    MpJoinSyn,
    MpJoinSynAck,
)
from wire_frames import words_sum

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

CLIENT = ("10.0.0.1", 40000)
SERVER = ("10.0.0.2", 80)
CLIENT_2 = ("10.0.1.1", 40001)
CLIENT_6 = ("2001:db8::1", 40000)
SERVER_6 = ("2001:db8::2", 80)

CLIENT_KEY = 0x0102030405060708
SERVER_KEY = 0xF1F2F3F4F5F6F7F8

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A TCP segment in an IP packet."""

    source: tuple[str, int] = CLIENT
    destination: tuple[str, int] = SERVER
    seq: int = 1000
    ack: int = 0
    flags: int = ACK
    window: int = 65535
    urgent: int = 0
    options: bytes = b""
    payload: bytes = b""
    ttl: int = 64
    tos: int = 0
    ip_id: int = 7
    ip_options: bytes = b""
    fragment: int = 0
    """IPv4's flags and offset; IPv6's offset and M, in a fragment header if it is not 0."""
    extensions: tuple[tuple[int, bytes], ...] = ()
    """IPv6 extension headers: their number and what follows their first byte."""
    length: int | None = None
    """IP length to claim, when it is not the right one."""
    header_words: int | None = None
    """TCP data offset to claim, when it is not the right one."""

    def tcp(self) -> bytes:
        options = self.options + bytes(-len(self.options) % 4)
        words = 5 + len(options) // 4 if self.header_words is None else self.header_words
        head = struct.pack(
            ">HHIIHHHH",
            self.source[1],
            self.destination[1],
            self.seq & 0xFFFFFFFF,
            self.ack & 0xFFFFFFFF,
            words << 12 | self.flags,
            self.window,
            0,
            self.urgent,
        )
        body = head + options + self.payload
        ends = ip_address(self.source[0]).packed + ip_address(self.destination[0]).packed
        total = words_sum(ends + struct.pack(">IHBB", len(body), 0, 0, 6) + body)
        return body[:16] + struct.pack(">H", 0xFFFF - total) + body[18:]

    def packet(self) -> bytes:
        source, destination = ip_address(self.source[0]), ip_address(self.destination[0])
        body = self.tcp()
        if isinstance(source, IPv6Address):
            number, inner = 6, body
            for kind, rest in reversed(self.extensions):
                inner = bytes([number]) + rest + inner
                number = kind
            length = len(inner) if self.length is None else self.length
            first = 6 << 28 | self.tos << 20
            head = struct.pack(">IHBB", first, length, number, self.ttl)
            return head + source.packed + destination.packed + inner
        ip_header_bytes = 20 + len(self.ip_options)
        length = ip_header_bytes + len(body) if self.length is None else self.length
        head = struct.pack(
            ">BBHHHBBH4s4s",
            0x40 | ip_header_bytes // 4,
            self.tos,
            length,
            self.ip_id,
            self.fragment,
            self.ttl,
            6,
            0,
            source.packed,
            destination.packed,
        )
        head += self.ip_options
        head = head[:10] + struct.pack(">H", 0xFFFF - words_sum(head)) + head[12:]
        return head + body


@dataclass(kw_only=True)
class Subflow:
    """One TCP connection between two ends; keeps sequence numbers and writes into the talk."""

    talk: "Talk"
    client: tuple[str, int]
    server: tuple[str, int]
    isn: tuple[int, int]
    sent: list[int] = field(default_factory=lambda: [0, 0])
    """Sequence space that (client, server) used so far."""

    def send(
        self, end: int, flags: int, options: Iterable[tcp.TcpOption] = (), payload: bytes = b""
    ) -> Segment:
        """Let the client (0) or the server (1) send a segment."""
        ends = (self.client, self.server)
        segment = Segment(
            source=ends[end],
            destination=ends[1 - end],
            seq=self.isn[end] + self.sent[end],
            ack=self.isn[1 - end] + self.sent[1 - end] if flags & ACK else 0,
            flags=flags,
            options=tcp.encode(options),
            payload=payload,
        )
        self.sent[end] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        self.talk.segments.append(segment)
        return segment

    def again(self) -> None:
        """Repeat the last segment as it was."""
        self.talk.segments.append(self.talk.segments[-1])

    def close(self) -> None:
        self.send(0, FIN | ACK)
        self.send(1, FIN | ACK)
        self.send(0, ACK)


@dataclass(kw_only=True)
class Talk:
    """Segments in the order of time, and the state of one Multipath TCP connection."""

    version: int = 1
    client_key: int = CLIENT_KEY
    server_key: int = SERVER_KEY
    checksum: bool = False
    segments: list[Segment] = field(default_factory=list)
    data_sent: list[int] = field(default_factory=lambda: [0, 0])

    def packets(self) -> list[bytes]:
        return [segment.packet() for segment in self.segments]

    def subflow(
        self,
        client: tuple[str, int] = CLIENT,
        server: tuple[str, int] = SERVER,
        isn: tuple[int, int] = (1000, 9000),
    ) -> Subflow:
        return Subflow(talk=self, client=client, server=server, isn=isn)

    def capable(
        self, subflow: Subflow, *, steps: int = 3, drop: int | None = None, first_data: bytes = b""
    ) -> Subflow:
        """Make the three-way handshake with MP_CAPABLE, or its first steps.

        Args:
            subflow: Where.
            steps: How many of the three.
            drop: A step (0 to 2) whose option is missing.
            first_data: Sent with the third ACK's option (version 1 only).
        """
        flags = 0x81 if self.checksum else 0x01
        syn = MpCapable(version=1, flags=flags)
        if self.version == 0:
            syn = MpCapable(version=0, flags=flags, sender_key=self.client_key)
        synack = MpCapable(version=self.version, flags=flags, sender_key=self.server_key)
        ack = MpCapable(
            version=self.version,
            flags=flags,
            sender_key=self.client_key,
            receiver_key=self.server_key,
        )
        options: list[list[tcp.TcpOption]] = [[syn], [synack], [ack]]
        if drop is not None:
            options[drop] = []
        plain: list[tcp.TcpOption] = [tcp.MaximumSegmentSize(mss_bytes=1460), tcp.SackPermitted()]
        if steps > 0:
            subflow.send(0, SYN, [*plain, *options[0]])
        if steps > 1:
            subflow.send(1, SYN | ACK, [*plain, *options[1]])
        if steps > 2:
            subflow.send(0, ACK, options[2])
        if first_data:
            capable = replace(ack, data_length_bytes=len(first_data))
            self.data_sent[0] += len(first_data)
            subflow.send(0, ACK | PSH, [capable], first_data)
        return subflow

    def join(
        self,
        subflow: Subflow,
        *,
        steps: int = 3,
        by_server: bool = False,
        token: int | None = None,
        wrong_hmac: bool = False,
        backup: bool = False,
    ) -> Subflow:
        """Make the three-way handshake with MP_JOIN, or its first steps.

        ``subflow.client`` is who opens it, the connection's server when ``by_server``.
        """
        keys = (self.client_key, self.server_key)
        opener, listener = keys[::-1] if by_server else keys
        nonces = (0x11223344, 0x55667788)
        proof = crypto.join_hmac(
            own_key=listener,
            peer_key=opener,
            own_nonce=nonces[1],
            peer_nonce=nonces[0],
            version=self.version,
        )
        answer = crypto.join_hmac(
            own_key=opener,
            peer_key=listener,
            own_nonce=nonces[0],
            peer_nonce=nonces[1],
            version=self.version,
        )
        if wrong_hmac:
            answer = bytes(20)
        named = crypto.token(listener, self.version) if token is None else token
        steps_options: list[tcp.TcpOption] = [
            MpJoinSyn(flags=int(backup), address_id=2, token=named, nonce=nonces[0]),
            MpJoinSynAck(flags=0, address_id=0, hmac=proof[:8], nonce=nonces[1]),
            MpJoinAck(hmac=answer),
        ]
        for step, (end, flags) in enumerate(((0, SYN), (1, SYN | ACK), (0, ACK))):
            if step < steps:
                subflow.send(end, flags, [steps_options[step]])
        return subflow

    def data(self, subflow: Subflow, end: int, payload: bytes, *, fin: bool = False) -> None:
        """Send data of the connection over a subflow, with a mapping of 8-byte numbers."""
        key = (self.client_key, self.server_key)[end]
        idsn = crypto.initial_data_sequence_number(key, self.version)
        flags = DssFlag.MAPPING | DssFlag.DSN_64 | (DssFlag.DATA_FIN if fin else 0)
        dss = Dss(
            flags=int(flags),
            mapping=Mapping(
                dsn=(idsn + 1 + self.data_sent[end]) & 0xFFFF_FFFF_FFFF_FFFF,
                ssn=subflow.sent[end] if payload else 0,
                data_length_bytes=len(payload) + int(fin),
            ),
        )
        self.data_sent[end] += len(payload) + int(fin)
        subflow.send(end, ACK | PSH if payload else ACK, [dss], payload)
