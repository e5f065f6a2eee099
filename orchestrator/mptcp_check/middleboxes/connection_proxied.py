"""The connection ends in the box, and another one begins there.

Real boxes: transparent web proxies and TCP accelerators, hypervisors' user-mode networks, load
balancers; firewalls that guard servers from SYN floods (netfilter's ``SYNPROXY``).  A box that
speaks TCP itself speaks the options that it knows: MP_CAPABLE is not one of them.

Linux 6.18: plain TCP from the SYN/ACK on; the client counts ``MPTcpExtMPCapableFallbackSYNACK``
once, the server nothing (measured for both modes; RFC 8684, section 3.7).

Linux 6.18.44 loses data then, without an error, if a box cuts anew what it sends again
(``cuts_anew``).  A segment that begins with bytes which have arrived already gets the wrong data
sequence number in the mapping that stands for none after a fallback (``TCP_SKB_CB(skb)->seq`` is
added to ``iasn``, but ``copied_seq`` is mapped: `subflow_check_data_avail` since commit
2834f8edd74d, "mptcp: cleanup fallback dummy mapping generation").  It is dropped, counted as
``MPTcpExtDuplicateData`` or not at all, and so is all that follows it, counted as
``MPTcpExtNoDSSInWindow``; the kernel acknowledges it, and the program reads an early end of the
stream.  Plain TCP gets every byte (`tests/lab/test_after_fallback.py`).
"""

import enum
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mptcp_check.middleboxes.behaviour import Emission, Randomness, opposite
from mptcp_check.middleboxes.connection_table import ConnectionTable
from mptcp_check.middleboxes.crafting import DEFAULT_TTL, Road, check_ttl, crafted
from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, MAX_CONNECTIONS, Scope
from mptcp_check.middleboxes.split_proxy import SplitProxy
from mptcp_check.middleboxes.syn_proxy import SynProxy
from mptcp_check.middleboxes.tcp_end import Said, TcpEnd
from mptcp_check.middleboxes.tcp_header import MAX_WINDOW_SHIFT
from mptcp_check.middleboxes.timers import Timers
from mptcp_check.model import Direction

_NUMBERS = 2**32
_FIRST_PORT, _PORTS = 1024, 65_536 - 1024
_PORT_STEP = 20_000


class Mode(enum.StrEnum):
    """What kind of proxy it is."""

    SPLIT = "split"
    """Two connections, each with its own numbers, segments and retransmissions."""
    SYN_PROXY = "syn_proxy"
    """Two handshakes, then one connection whose numbers are translated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How the box speaks TCP."""

    mode: Mode = Mode.SPLIT
    """Whether two connections are relayed, or two handshakes joined to one connection."""
    mss_bytes: int = 1460
    """What it offers both ends at most, and sends at most in a segment."""
    window_shift: int = 7
    """The window scale that it offers, 0 to 14."""
    buffer_bytes: int = 262_144
    """What a split proxy keeps of each direction on each side."""
    timeout_ns: int = 300_000_000
    """How long it waits for an acknowledgment before it sends again; doubles each time."""
    cuts_anew: bool = False
    """Whether a split proxy fills the segments that it sends again; else they end where they did
    the first time."""
    own_ports: bool = False
    """Whether a split proxy connects from another port than who opened to it."""
    ttl: int = DEFAULT_TTL
    """Time to live or hop limit of what it makes, 1 to 255."""
    scope: Scope = EVERYTHING
    """The direction is that of the SYN."""

    def __post_init__(self) -> None:
        if not 1 <= self.mss_bytes <= 1460:  # noqa: PLR2004 - Ethernet and IPv4
            raise ValueError(f"mss_bytes is 1 to 1460, not {self.mss_bytes}")
        check_ttl(self.ttl)
        if not 0 <= self.window_shift <= MAX_WINDOW_SHIFT:
            raise ValueError(f"window_shift is 0 to {MAX_WINDOW_SHIFT}, not {self.window_shift}")
        if self.buffer_bytes < self.mss_bytes or self.timeout_ns < 1:
            raise ValueError("buffer_bytes is mss_bytes or more, timeout_ns 1 or more")
        if self.own_ports and self.mode is not Mode.SPLIT:
            raise ValueError("own_ports needs mode=split: a SYN proxy joins the two ends")
        if self.cuts_anew and self.mode is not Mode.SPLIT:
            raise ValueError("cuts_anew needs mode=split: a SYN proxy sends no data of its own")
        if self.scope.first_segment > 1:
            raise ValueError("a proxy begins with the SYN: first_segment is 1")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Connection:
    """A proxied connection, or one that passes."""

    proxy: SplitProxy | SynProxy | None = None
    opener: Direction = Direction.C2S
    """Which way the SYN went."""
    near: Road | None = None
    """From the box, in the name of who was addressed, to who opened."""
    far: Road | None = None
    """From the box, in the name of who opened, to who was addressed."""


class ConnectionProxied:
    """Ends every connection whose SYN it sees, in the name of both ends."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        self._parameters = parameters
        self._rng = rng
        self._watch = parameters.scope.watch()
        self._connections = ConnectionTable(_Connection)
        self._far_keys: OrderedDict[bytes, tuple[bytes, Direction]] = OrderedDict()
        self._timers = Timers()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments the box made or renumbered."""
        return self._acted_count

    def next_due_ns(self) -> int | None:
        """Return when the box wants to send something again; see `Timed`."""
        return self._timers.next_due_ns()

    def on_time(self, now_ns: int) -> Sequence[Emission]:
        """Send again what was not acknowledged; see `Timed`."""
        emissions: list[Emission] = []
        for key in self._timers.due(now_ns):
            connection = self._connections.get(key)
            if connection is not None and connection.proxy is not None:
                said = connection.proxy.on_time(now_ns)
                emissions += self._emitted(connection, key, said, now_ns)
        return emissions

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Take one segment as a proxy does; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        passed = (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        if segment is None:
            return passed
        covered = self._watch.covers(segment, direction)
        key, way = self._far_keys.get(segment.connection, (segment.connection, direction))
        if way is not direction:  # only what comes back goes to the port that the box took
            key = segment.connection
        connection = self._connections.get(key)
        if connection is None or (segment.is_syn and key == segment.connection):
            connection = self._connections.of(segment)
            if connection.proxy is None and segment.is_syn and covered:
                self._begin(connection, segment, direction)
        if connection.proxy is None:
            return passed
        from_opener = direction is connection.opener
        said = connection.proxy.on_segment(segment, now_ns, from_opener=from_opener)
        return self._emitted(connection, key, said, now_ns)

    def _begin(self, connection: _Connection, syn: TcpSegment, direction: Direction) -> None:
        """Begin to proxy a connection, at its SYN."""
        wanted = self._parameters
        connection.opener = direction
        connection.far = Road.along(syn)
        connection.near = connection.far.back()
        if wanted.own_ports:
            port = int.from_bytes(connection.far.ports[:2], "big")
            own = _FIRST_PORT + (port - _FIRST_PORT + _PORT_STEP) % _PORTS
            ports = own.to_bytes(2, "big") + connection.far.ports[2:]
            connection.far = replace(connection.far, ports=ports)
            self._far_keys[connection.far.connection] = syn.connection, opposite(direction)
            self._far_keys.move_to_end(connection.far.connection)
            if len(self._far_keys) > MAX_CONNECTIONS:
                self._far_keys.popitem(last=False)
        if wanted.mode is Mode.SYN_PROXY:
            connection.proxy = SynProxy(
                isn=self._rng.randrange(_NUMBERS),
                mss_bytes=wanted.mss_bytes,
                shift=wanted.window_shift,
                timeout_ns=wanted.timeout_ns,
            )
        else:
            connection.proxy = SplitProxy(near=self._end(), far=self._end())

    def _end(self) -> TcpEnd:
        wanted = self._parameters
        return TcpEnd(
            isn=self._rng.randrange(_NUMBERS),
            mss_bytes=wanted.mss_bytes,
            buffer_bytes=wanted.buffer_bytes,
            shift=wanted.window_shift,
            timeout_ns=wanted.timeout_ns,
            cuts_anew=wanted.cuts_anew,
        )

    def _emitted(
        self,
        connection: _Connection,
        key: bytes,
        said: Iterable[tuple[Said | bytes, bool]],
        now_ns: int,
    ) -> list[Emission]:
        """Return the frames of what a proxy says, and set its alarm."""
        emissions: list[Emission] = []
        for each, to_opener in said:
            road = connection.near if to_opener else connection.far
            if isinstance(each, Said) and road is not None:
                frame = self._frame(road, each)
            elif isinstance(each, bytes):
                frame = each
            else:
                continue
            way = opposite(connection.opener) if to_opener else connection.opener
            emissions.append(Emission(frame=frame, direction=way, at_ns=now_ns))
        self._acted_count += len(emissions)
        due_ns = None if connection.proxy is None else connection.proxy.next_due_ns()
        if due_ns is None:
            self._timers.cancel(key)
        else:
            self._timers.set(key, due_ns)
        return emissions

    def _frame(self, road: Road, said: Said) -> bytes:
        return crafted(
            road,
            sequence=said.sequence,
            acknowledgment=said.acknowledgment,
            flags=said.flags,
            window=said.window,
            options=said.options,
            payload=said.payload,
            ttl=self._parameters.ttl,
        )
