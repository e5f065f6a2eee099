"""What the guests are asked for around one exchange, as arguments of the agent's verbs; PURE."""

from collections.abc import Callable, Iterable, Sequence

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.application import Target
from mptcp_check.model import Exchange, Family, Transfer, Transport
from mptcp_guest.messages import (
    ConfigureArguments,
    Content,
    Endpoint,
    ExchangeArguments,
    OfferArguments,
    ServicesStartArguments,
    ServiceWanted,
)

PASSIVE_PORTS = (50000, 50099)
SAMPLE_EVERY_MS = 200


def file_name(exchange: Exchange) -> str:
    """Return the name of the exchange's file and directory in the guests."""
    return f"x{exchange.id:04d}"


def content(exchange: Exchange, run_seed: str) -> Content:
    """Return the content of the exchange's file: its own in this run, and in no other."""
    return Content(seed=f"{run_seed}/{exchange.id}", bytes=exchange.payload_bytes)


def services_start(
    planned: Iterable[Exchange],
    address_of: Callable[[Transport, Family], str],
    *,
    user: str,
    password: str,
) -> ServicesStartArguments:
    """Return what the server must run for a plan: per application, transport and family one.

    Args:
        planned: The exchanges.
        address_of: Where the server offers a transport in a family.
        user: Of ftp.
        password: Of ftp, made for this run.
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
        user=user,
        password=password,
    )


def services_on(
    listeners: Iterable[ServiceWanted], *, user: str, password: str
) -> ServicesStartArguments:
    """Return what the server must run, each listener once.

    Args:
        listeners: One per exchange, in any order.
        user: Of ftp.
        password: Of ftp, made for this run.
    """
    found: list[ServiceWanted] = []
    found.extend(one for one in listeners if one not in found)
    return ServicesStartArguments(
        services=found,
        ftp_user=user,
        ftp_password=password,
        passive_ports=list(PASSIVE_PORTS),
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
    return OfferArguments(name=file_name(exchange), content=content(exchange, run_seed))


def client(exchange: Exchange, target: Target, run_seed: str) -> ExchangeArguments:
    """Return what the client must run."""
    upload = exchange.direction is Transfer.UPLOAD
    commands = APPLICATIONS[exchange.app].commands(exchange, target)
    return ExchangeArguments(
        name=file_name(exchange),
        transport=exchange.transport.value,
        commands=[list(command) for command in commands],
        within_s=exchange.deadline_s,
        sends=content(exchange, run_seed) if upload else None,
        sample_every_ms=SAMPLE_EVERY_MS,
    )
