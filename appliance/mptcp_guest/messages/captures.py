"""Captures: begun, looked after, ended, fetched."""

from typing import NotRequired, TypedDict


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


class SendArguments(TypedDict):
    """A finished capture, and the port of the machine on which it shall leave."""

    interface: str
    port: str
    """As the hypervisor named it."""


class Handshake(TypedDict):
    """A connection that was answered, as a capture shows it."""

    initiator_isn: int
    responder_isn: int
    responder_key: str
    """Of MP_CAPABLE in the SYN/ACK, 16 hexadecimal digits; empty where there is none."""


class HandshakesResult(TypedDict):
    """Those that came since the question before."""

    handshakes: list[Handshake]
