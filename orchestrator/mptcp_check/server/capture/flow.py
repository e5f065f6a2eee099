"""One TCP connection as the demultiplexer knows it."""

from dataclasses import dataclass, field

from mptcp_check.server.capture.flow_groups import End
from mptcp_check.server.capture.ftp_data import Lines
from mptcp_check.server.capture.handshakes import Handshake
from mptcp_check.server.marker import LOOKED_AT_BYTES, find

_WRAP = 2**32


@dataclass(slots=True, kw_only=True, eq=False)
class Flow:
    """A connection that began while we looked: one that did not is nobody's."""

    initiator: End
    responder: End
    initiator_isn: int
    first_ns: int
    handshake: Handshake
    responder_isn: int | None = None
    initiator_tokens: set[int] = field(default_factory=set)
    responder_tokens: set[int] = field(default_factory=set)
    """Tokens by which others join it: RFC 8684, section 3.2."""
    session_id: str = ""
    """Whose it is; empty while nobody knows."""
    spoke: bool = False
    """Whether the initiator's handshake is complete: what a flood of SYNs never does."""
    said: bytearray = field(default_factory=bytearray)
    """What the initiator said first, with holes where segments are missing."""
    held: list[bytes] = field(default_factory=list)
    held_bytes: int = 0
    held_packet_count: int = 0
    children: list["Flow"] = field(default_factory=list)
    """Joins that wait for this one to be known."""
    ftp: tuple[Lines, Lines] | None = None
    """Lines of initiator and responder, once it is known to be an FTP control connection."""

    @property
    def join(self) -> bool:
        """Whether it began with MP_JOIN."""
        return self.handshake.join

    @property
    def capable(self) -> bool:
        """Whether it began with MP_CAPABLE."""
        return self.handshake.capable

    def says(self, sequence: int, payload: bytes) -> str:
        """Take what the initiator said; return the marker, or an empty text as long as none is."""
        start = (sequence - self.initiator_isn - 1) % _WRAP
        if start >= LOOKED_AT_BYTES or not payload:
            return ""
        piece = payload[: LOOKED_AT_BYTES - start]
        if len(self.said) < start + len(piece):
            self.said.extend(bytes(start + len(piece) - len(self.said)))
        self.said[start : start + len(piece)] = piece
        return find(bytes(self.said))

    def hold(self, blocks: bytes, packet_count: int) -> None:
        """Keep packets until it is known whose they are."""
        self.held.append(blocks)
        self.held_bytes += len(blocks)
        self.held_packet_count += packet_count

    def release(self) -> tuple[bytes, int]:
        """Give out what was held."""
        blocks, count = b"".join(self.held), self.held_packet_count
        self.held, self.held_bytes, self.held_packet_count = [], 0, 0
        return blocks, count
