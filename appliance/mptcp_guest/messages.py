"""The contract between orchestrator and guest agent: what each verb takes and gives.

One JSON object per line, UTF-8, one request at a time, answered in order:

    {"id": 7, "verb": "clock", "arguments": {}, "deadline_s": 5}
    {"id": 7, "ok": true, "result": {"wall_ns": 1763596800000000000, "monotonic_ns": 81000000000}}
    {"id": 7, "ok": false, "error": {"kind": "bad_arguments", "message": "clock: ..."}}

``deadline_s`` may be left out: each verb has its own (`mptcp_guest.verbs`).  Times called
``_ns`` are the guest's own: ``wall_ns`` and ``time_ns`` since 1970, ``monotonic_ns`` since boot.
Both ends check every message against these types (`mptcp_guest.checking`).
"""

from typing import Any, Literal, NotRequired, TypedDict

TransportName = Literal["mptcp", "tcp"]

ErrorKind = Literal[
    "bad_request",  # the line is not a request
    "unknown_verb",
    "bad_arguments",  # they do not fit the verb, or contradict the state of the lab
    "failed",  # a tool said no: the message has its words
    "deadline",  # it took too long; what had been started for it is stopped
    "stopped",  # the orchestrator went away meanwhile
    "bug",  # the agent itself is wrong: the message has the end of the traceback
]


VERSION = "1"
"""Of this contract; both ends carry the same file, so it is for people who read a report."""


class Request(TypedDict):
    """What a request line holds."""

    id: int
    verb: str
    arguments: dict[str, Any]
    deadline_s: NotRequired[float]


class Error(TypedDict):
    """Why a request was not done."""

    kind: ErrorKind
    message: str


class Nothing(TypedDict):
    """No arguments, or no result."""


ContentForm = Literal["bytes", "lines", "zeros"]
"""Any bytes; or lines of letters and digits that end with CR LF, as mail has them; or zeros, where
a program makes its own bytes and only their number is compared."""


class Content(TypedDict):
    """Bytes that both ends can make by themselves: `mptcp_guest.payload`."""

    seed: str
    bytes: int
    form: NotRequired[ContentForm]
    """``bytes`` without it."""


class Digest(TypedDict):
    """What a file held."""

    bytes: int
    sha256: str


# ---------------------------------------------------------------------------- the machine


class HelloResult(TypedDict):
    """Who answers."""

    agent_version: str
    kernel: str
    machine: str
    python: str
    tools: dict[str, str]
    """Package and version, or what the tool says of itself; empty for a tool that is not there."""
    work_directory: str
    wall_ns: int
    user_id: int
    mptcp: bool
    """Whether its kernel has Multipath TCP at all."""


class ClockArguments(TypedDict):
    """Read the clock, or set it first (only an agent that owns its machine does)."""

    set_wall_ns: NotRequired[int]


class ClockResult(TypedDict):
    """The guest's clocks, read one after the other."""

    wall_ns: int
    monotonic_ns: int


class WatchdogArguments(TypedDict):
    """Power off when nothing, not even an empty line, comes for so long.

    Empty lines are signs of life: they are not answered, and heard while a verb is at work.
    """

    within_s: float
    """0 ends the watching."""


class WatchdogResult(TypedDict):
    """The patience that holds now."""

    within_s: float


# ---------------------------------------------------------------------------- the network


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


# ---------------------------------------------------------------------------- captures


class CaptureStartArguments(TypedDict):
    """One tcpdump per interface."""

    interfaces: list[str]
    filter: str
    """A pcap-filter expression that holds the exchanges' traffic only; never empty."""
    directory: NotRequired[str]


class CaptureStarted(TypedDict):
    """A capture that is running: tcpdump said so."""

    interface: str
    path: str


class CaptureStartResult(TypedDict):
    """All of them run, or the verb fails and none does."""

    captures: list[CaptureStarted]


class CaptureProgress(TypedDict):
    """A running capture, for the early warning."""

    interface: str
    alive: bool
    bytes: int
    problem: str | None


class CaptureStateResult(TypedDict):
    """All captures, and the space left where they are written."""

    captures: list[CaptureProgress]
    free_bytes: int


class CaptureFile(TypedDict):
    """A finished capture."""

    interface: str
    path: str
    bytes: int
    sha256: str
    packet_count: int
    """Whole records in the file."""
    captured_count: int | None
    """tcpdump's ``packets captured``; none when it died without saying."""
    received_count: int | None
    """``packets received by filter``."""
    dropped_count: int | None
    """``packets dropped by kernel``."""
    interface_dropped_count: int | None
    """``packets dropped by interface``; none when the interface does not count."""
    problem: str | None
    """Why this capture is not the whole truth; none when it is."""


class CaptureStopResult(TypedDict):
    """All captures, finished."""

    captures: list[CaptureFile]


class FetchArguments(TypedDict):
    """A part of a finished capture."""

    interface: str
    offset_bytes: int


class FetchResult(TypedDict):
    """That part; an empty one is the end."""

    base64: str


# ---------------------------------------------------------------------------- services


class ServiceWanted(TypedDict):
    """One server program on one address."""

    service: str
    """A name of `mptcp_guest.serving.PROGRAMS`."""
    transport: TransportName
    address: str
    port: int


class ServicesStartArguments(TypedDict):
    """The servers of a run, and the keys that they show or ask for, made for this run only."""

    services: list[ServiceWanted]
    user: str
    password: str
    passive_ports: list[int]
    """First and last port of passive FTP."""
    tls_certificate: str
    """PEM."""
    tls_key: str
    """PEM."""
    ssh_host_key: str
    """Private, as OpenSSH writes it."""
    ssh_client_key: str
    """Public, one line: who may log in."""


class ServiceState(TypedDict):
    """One server program."""

    name: str
    """``ftp mptcp 10.77.0.2 21``."""
    service: str
    transport: TransportName
    address: str
    port: int
    alive: bool
    exit_code: int | None
    log_tail: str


class ServicesResult(TypedDict):
    """All server programs; `ServicesStartArguments` fails instead when one does not listen."""

    services: list[ServiceState]


class OfferArguments(TypedDict):
    """Have a service hand out a content under a name: where, is the service's own way."""

    service: str
    name: str
    content: Content


class ReceivedArguments(TypedDict):
    """Look at what was sent to a service under a name."""

    service: str
    name: str


class ReceivedResult(TypedDict):
    """None when nothing arrived."""

    received: Digest | None


class DiscardArguments(TypedDict):
    """Forget what a service hands out and took in under a name."""

    service: str
    name: str


# ---------------------------------------------------------------------------- exchanges


class HandoverWanted(TypedDict):
    """What to do to one of the lab's own interfaces while the client runs."""

    upset: Literal["interface_down", "address_removed"]
    interface: str
    address: str
    """Of it; what ``address_removed`` removes."""
    after_bytes: int
    """Sent and received by all interfaces of the lab since the client started."""
    lasts_ms: int


class HandoverDone(TypedDict):
    """What was done, and when."""

    began_ns: int
    """Wall clock, just before; 0 when the client ended before."""
    ended_ns: int
    """Wall clock, when everything was as before again; 0 when nothing was done."""
    after_bytes: int
    """What had crossed when it began, or by the end."""
    problem: str
    """Why it could not be done or undone; empty when it could."""


class ExchangeArguments(TypedDict):
    """Run a client program in a fresh directory of its own.

    The file `SENT_FILE` is made there before when ``sends`` says so; what the client leaves in
    `ARRIVED_FILE` is digested afterwards and thrown away.
    """

    name: str
    transport: TransportName
    """``mptcp`` runs the commands under mptcpize."""
    commands: list[list[str]]
    """One after the other, until one fails.  `mptcp_guest.own_program.WORD` as the first word
    means a program of `mptcp_guest.clients`, whose name is the second."""
    files: NotRequired[dict[str, str]]
    """Small texts that lie in the directory before: keys, certificates."""
    within_s: float
    """The hard deadline of all commands together: then every process is killed."""
    sends: Content | None
    sample_every_ms: int
    """0 takes no samples."""
    handover: NotRequired[HandoverWanted]


class ExchangeResult(TypedDict):
    """What happened, as the guest saw it; the exit codes are told, never trusted."""

    start_ns: int
    """Just before the first command started."""
    end_ns: int
    """Just after the last one ended."""
    duration_ns: int
    """By the clock that never goes back."""
    exit_codes: list[int]
    """Per command that ran; negative: the number of the signal that killed it."""
    timed_out: bool
    stdout_tail: str
    stderr_tail: str
    sent: Digest | None
    arrived: Digest | None
    samples: list[TimedText]
    """``ss`` over MPTCP and TCP sockets, one line per socket."""
    samples_lost_count: int
    handover: NotRequired[HandoverDone]
    """Where one was wanted."""


SENT_FILE = "sent"
ARRIVED_FILE = "arrived"
