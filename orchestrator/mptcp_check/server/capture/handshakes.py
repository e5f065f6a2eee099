"""How a session's own connections were opened: what its user may know of a shared kernel; PURE.

The kernel counts for all of the server's users together.  These are counts of the connections
that are this session's, made of their own packets, and they only ever grow.
"""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshakes:
    """Connections and subflows of one session, by how their handshakes went."""

    from_client_count: int = 0
    """Connections that the client opened, whatever their transport."""
    from_client_capable_count: int = 0
    """Of them, whose SYN came with MP_CAPABLE."""
    from_client_answered_count: int = 0
    """Of those, that the server answered with MP_CAPABLE."""
    from_client_fallback_count: int = 0
    """Of those, whose client went on without MP_CAPABLE: it fell back in its handshake."""
    from_server_count: int = 0
    """Connections that the server opened: data of active FTP."""
    from_server_capable_count: int = 0
    """Of them, with MP_CAPABLE in the SYN."""
    from_server_answered_count: int = 0
    """Of those, that the client answered with MP_CAPABLE."""
    from_server_fallback_count: int = 0
    """Of those with MP_CAPABLE in the SYN, that the client answered without."""
    joins_from_client_count: int = 0
    """Subflows whose SYN came with MP_JOIN."""
    joins_from_client_completed_count: int = 0
    """Of them, whose third packet came with MP_JOIN: the client proved that it has the keys."""
    joins_from_server_count: int = 0
    joins_from_server_answered_count: int = 0

    def __add__(self, other: "Handshakes") -> "Handshakes":
        """Return both added up."""
        mine, its = asdict(self), asdict(other)
        return Handshakes(**{name: mine[name] + its[name] for name in mine})


NAMES = tuple(field.name for field in fields(Handshakes))


@dataclass(slots=True, kw_only=True)
class Handshake:
    """What was seen of one connection's handshake."""

    by_server: bool = False
    join: bool = False
    capable: bool = False
    """MP_CAPABLE in the SYN."""
    answered: bool | None = None
    """Whether the SYN/ACK carried the SYN's Multipath TCP option; none before there was one."""
    confirmed: bool | None = None
    """Whether the initiator's first packet after the SYN did; none before there was one."""

    def counts(self) -> Handshakes:
        """Return it as counts."""
        fell_back = self.answered is True and self.confirmed is False
        if self.join and self.by_server:
            return Handshakes(
                joins_from_server_count=1, joins_from_server_answered_count=int(bool(self.answered))
            )
        if self.join:
            return Handshakes(
                joins_from_client_count=1,
                joins_from_client_completed_count=int(bool(self.confirmed)),
            )
        answered = self.capable and bool(self.answered)
        if self.by_server:
            return Handshakes(
                from_server_count=1,
                from_server_capable_count=int(self.capable),
                from_server_answered_count=int(answered),
                from_server_fallback_count=int(self.capable and self.answered is False),
            )
        return Handshakes(
            from_client_count=1,
            from_client_capable_count=int(self.capable),
            from_client_answered_count=int(answered),
            from_client_fallback_count=int(self.capable and fell_back),
        )
