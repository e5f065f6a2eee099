"""The lab's network: interfaces, firewall, Multipath TCP's settings, counters, events."""

from typing import Literal, NotRequired, TypedDict


class Found(TypedDict):
    """An interface of the machine itself that is up, as it was found."""

    name: str
    addresses: list[str]
    """With prefix length; of global scope."""
    gateways: list[str]
    """Next hops of its default routes."""
    wireless: bool
    carrier: bool
    """Something is at the other end of its cable."""


class SurveyResult(TypedDict):
    """The machine's own network."""

    interfaces: list[Found]
    """Those with the best default route first."""
    taken_ports: list[int]
    """TCP ports on which something listens, at any address."""


class Interface(TypedDict):
    """A measurement interface in the lab's namespace.

    Without ``attach`` an interface of that name moves there.  With it one is made: ``macvlan``
    is a card of its own on ``parent``'s network, ``routed`` a pair whose other end the machine's
    kernel forwards to ``parent``'s network, translating addresses and nothing else.
    """

    name: str
    addresses: list[str]
    """With prefix length.  What leaves from one of them leaves by this interface."""
    gateways: list[str]
    """Next hops for what leaves from this interface's addresses, at most one per family."""
    attach: NotRequired[Literal["macvlan", "routed"]]
    parent: NotRequired[str]
    dhcp: NotRequired[bool]
    """Ask the network for an IPv4 address and a gateway."""
    advertised: NotRequired[bool]
    """With ``dhcp``: take an IPv6 address and a gateway too, where a router advertises them."""


class Firewall(TypedDict):
    """Whom the lab may talk to on a network that others use too; addresses of either family."""

    servers: list[str]
    """Measurement servers: the only ones that may open connections to the lab."""
    resolvers: list[str]
    """DNS."""
    time_servers: list[str]
    """NTP."""


class LabUpArguments(TypedDict):
    """The namespace that holds everything measured and nothing else.

    None as its name is the machine's own network: its interfaces stay as they are but for
    their offloads, its settings of MPTCP change, and everything is put back by ``lab_down``.
    """

    namespace: str | None
    interfaces: list[Interface]
    firewall: NotRequired[Firewall]
    """In force before the first interface is up; without it the lab is open."""


class InterfaceState(TypedDict):
    """A measurement interface as the kernel has it."""

    name: str
    mac: str
    mtu: int
    offloads_on: list[str]
    """Offloads that could not be turned off and would falsify captures; empty is right."""
    addresses: list[str]
    """With prefix length; of global scope."""
    gateways: list[str]
    attached: str
    """``moved``, ``macvlan``, ``routed`` or ``own``."""
    parent: str
    """The machine's interface whose network it is on; its own name when it is that itself."""


class LabUpResult(TypedDict):
    """The lab as the kernel has it."""

    interfaces: list[InterfaceState]
    sysctls: dict[str, str]
    missing_sysctls: list[str]
    """Names that this kernel does not know."""
    notes: list[str]
    """What is less than was asked for, in sentences."""


EndpointFlag = Literal["subflow", "backup", "signal"]
"""As ``ip mptcp endpoint add`` knows them (ip-mptcp(8))."""


class Endpoint(TypedDict):
    """A local address for the path manager (``ip mptcp endpoint``)."""

    address: str
    interface: str
    flags: NotRequired[list[EndpointFlag]]
    """``subflow`` alone without it: further subflows are opened from this address."""


class ConfigureArguments(TypedDict):
    """MPTCP as the next exchange wants it; writes ``blackhole_timeout=0`` again."""

    checksum: bool
    extra_subflows: int
    """``ip mptcp limits set subflow``."""
    endpoints: list[Endpoint]
    accepted_addresses: NotRequired[int]
    """``add_addr_accepted``: how many of the peer's announced addresses are joined; 0 without it.
    Only ever at a client: a server that took addresses from its peers would be a reflector."""
    joined_ports: NotRequired[list[int]]
    """Where the announced addresses listen for joins: ADD_ADDR without a port means the port of
    the connection (RFC 8684, section 3.4.1), and a host without a listener there answers RST."""


class ConfigureResult(TypedDict):
    """What the kernel says after."""

    sysctls: dict[str, str]
    limits: str
    endpoints: list[str]


class FirstHopArguments(TypedDict):
    """A SYN with MP_CAPABLE by one interface, sent again each second until it is answered."""

    interface: str
    source: NotRequired[str]
    """One of the interface's addresses; the kernel's choice may be another interface's."""
    address: str
    port: int
    source_port: int
    isn: int
    """The SYN's sequence number: whoever sees another one outside did not see ours."""
    hop_limit: int
    """1 reaches the first hop and nobody beyond."""
    within_s: float


class FirstHopAnswer(TypedDict):
    """What came back."""

    kind: Literal["synack", "rst", "time_exceeded", "unreachable"]
    sender: str
    """Who sent it; empty when an ICMP error did not say."""
    mp_capable: bool
    """A SYN/ACK that carries MP_CAPABLE."""
    time_ns: int


class FirstHopResult(TypedDict):
    """What became of the SYN."""

    source: str
    sent_count: int
    answers: list[FirstHopAnswer]
    """Empty when nobody answered."""


class CountersResult(TypedDict):
    """Absolute counters of the lab's namespace (nstat), all of them, zeros too."""

    time_ns: int
    counters: dict[str, int]


class SettleArguments(TypedDict):
    """Wait until the namespace has no connection left but those in TIME-WAIT."""

    within_s: float
    ports: NotRequired[list[int]]
    """Only connections with one of these ports at either end; all without it."""


class SettleResult(TypedDict):
    """Whether it became quiet; else what is left, as ss writes it."""

    quiet: bool
    left: list[str]


class MonitorArguments(TypedDict):
    """Which path manager events."""

    since_ns: int


class TimedText(TypedDict):
    """Words of a tool, and when they came."""

    time_ns: int
    text: str


class MonitorResult(TypedDict):
    """Lines of ``ip mptcp monitor`` since then."""

    events: list[TimedText]
    lost_count: int
    """Lines beyond the agent's memory."""
