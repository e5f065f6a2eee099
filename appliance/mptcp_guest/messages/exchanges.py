"""One exchange: what the client runs, what is done to its path, and what came of it."""

from typing import Literal, NotRequired, TypedDict

from mptcp_guest.messages.contract import Content, Digest, TransportName
from mptcp_guest.messages.network import TimedText


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


DNS_ZONE = "zone.mptcp-check.invalid"
"""RFC 6761, section 6.4: nobody else answers for it."""

DNS_PART_BYTES = 128 * 255
"""Of one text: so many strings of the longest kind, half of what a message can hold."""

STREAM_SUFFIX = "-stream"
"""After the run's user: who gets plain streams over ssh instead of sftp."""

WEBSOCKET_MESSAGE_BYTES = 16 * 1024

SENT_FILE = "sent"
ARRIVED_FILE = "arrived"
