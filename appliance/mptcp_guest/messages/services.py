"""The servers of a run, and what they hand out and take in."""

from typing import TypedDict

from mptcp_guest.messages.contract import Content, Digest, TransportName


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
