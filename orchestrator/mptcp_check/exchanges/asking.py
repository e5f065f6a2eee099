"""What the guests are asked for around one exchange, as arguments of the agent's verbs; PURE."""

from collections.abc import Callable, Iterable, Sequence

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.credentials import Credentials, ServerKeys
from mptcp_check.model import Exchange, Family, Transfer, Transport
from mptcp_guest.messages import (
    ConfigureArguments,
    Content,
    DiscardArguments,
    Endpoint,
    ExchangeArguments,
    OfferArguments,
    ReceivedArguments,
    ServicesStartArguments,
    ServiceWanted,
)

PASSIVE_PORTS = (50000, 50099)
SAMPLE_EVERY_MS = 200


Keys = tuple[Credentials, ServerKeys]
"""What `credentials.make` made for a run."""


def file_name(exchange: Exchange) -> str:
    """Return the name of the exchange's file and directory in the guests."""
    return f"x{exchange.id:04d}"


def content(exchange: Exchange, run_seed: str) -> Content:
    """Return the content of the exchange's file: its own in this run, and in no other."""
    return Content(
        seed=f"{run_seed}/{exchange.id}",
        bytes=exchange.payload_bytes,
        form=APPLICATIONS[exchange.app].form,
    )


def services_start(
    planned: Iterable[Exchange],
    address_of: Callable[[Transport, Family], str],
    keys: Keys,
) -> ServicesStartArguments:
    """Return what the server must run for a plan: per application, transport and family one.

    Args:
        planned: The exchanges.
        address_of: Where the server offers a transport in a family.
        keys: Of this run.
    """
    wanted = {(e.app, e.transport, e.family): e.port for e in planned}
    return services_on(
        [
            ServiceWanted(
                service=APPLICATIONS[app].service,
                transport=transport.value,
                address=address_of(transport, family),
                port=port,
            )
            for (app, transport, family), port in wanted.items()
        ],
        keys,
    )


def services_on(listeners: Iterable[ServiceWanted], keys: Keys) -> ServicesStartArguments:
    """Return what the server must run, each listener once.

    Args:
        listeners: One per exchange, in any order.
        keys: Of this run.
    """
    found: list[ServiceWanted] = []
    known, own = keys
    found.extend(one for one in listeners if one not in found)
    return ServicesStartArguments(
        services=found,
        user=known.user,
        password=known.password,
        passive_ports=list(PASSIVE_PORTS),
        tls_certificate=known.tls_certificate,
        tls_key=own.tls_key,
        ssh_host_key=own.ssh_host_key,
        ssh_client_key=own.ssh_client_key,
    )


def configure(exchange: Exchange, endpoints: Sequence[Endpoint] = ()) -> ConfigureArguments:
    """Return how MPTCP is set up for an exchange at one end.

    Args:
        exchange: What will run.
        endpoints: At the client its other interfaces' addresses in the exchange's family, in
            order; at the server none (see `mptcp_check.exchanges.ftp`).
    """
    extra = exchange.paths - 1
    return ConfigureArguments(
        checksum=exchange.checksum, extra_subflows=extra, endpoints=list(endpoints[:extra])
    )


def offer(exchange: Exchange, run_seed: str) -> OfferArguments | None:
    """Return the file that the server must offer; none for an upload."""
    if exchange.direction is Transfer.UPLOAD:
        return None
    return OfferArguments(
        service=APPLICATIONS[exchange.app].service,
        name=file_name(exchange),
        content=content(exchange, run_seed),
    )


def received(exchange: Exchange) -> ReceivedArguments:
    """Return the question what arrived at the server."""
    return ReceivedArguments(service=APPLICATIONS[exchange.app].service, name=file_name(exchange))


def discard(exchange: Exchange) -> DiscardArguments:
    """Return what the server shall forget after an exchange."""
    return DiscardArguments(service=APPLICATIONS[exchange.app].service, name=file_name(exchange))


def client(exchange: Exchange, target: Target, run_seed: str) -> ExchangeArguments:
    """Return what the client must run."""
    upload = exchange.direction is Transfer.UPLOAD
    application = APPLICATIONS[exchange.app]
    return ExchangeArguments(
        name=file_name(exchange),
        transport=exchange.transport.value,
        commands=[list(command) for command in application.commands(exchange, target)],
        files=dict(application.files(target)),
        within_s=exchange.deadline_s,
        sends=content(exchange, run_seed) if upload else None,
        sample_every_ms=SAMPLE_EVERY_MS,
    )
