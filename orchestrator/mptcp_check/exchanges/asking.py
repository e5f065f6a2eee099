"""What the guests are asked for around one exchange, as arguments of the agent's verbs; PURE."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.credentials import Credentials, ServerCredentials
from mptcp_check.model import (
    ANNOUNCED,
    Exchange,
    Family,
    Joining,
    Side,
    Transfer,
    Transport,
    Upset,
)
from mptcp_guest.messages import (
    ConfigureArguments,
    Content,
    DiscardArguments,
    Endpoint,
    EndpointFlag,
    ExchangeArguments,
    HandoverWanted,
    OfferArguments,
    ReceivedArguments,
    ServicesStartArguments,
    ServiceWanted,
)

PASSIVE_PORTS = (50000, 50099)
SAMPLE_EVERY_MS = 200


Keys = tuple[Credentials, ServerCredentials]
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
    """Return what the server must run for a plan: per application, transport, family and port one.

    Args:
        planned: The exchanges.
        address_of: Where the server offers a transport in a family.
        keys: Of this run.
    """
    wanted = dict.fromkeys((e.app, e.transport, e.family, e.port) for e in planned)
    return services_on(
        [
            ServiceWanted(
                service=APPLICATIONS[app].service,
                transport=transport.value,
                address=address_of(transport, family),
                port=port,
            )
            for app, transport, family, port in wanted
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


FLAGS: Mapping[Joining, list[EndpointFlag]] = {
    Joining.SUBFLOW: ["subflow"],
    Joining.BACKUP: ["subflow", "backup"],
    Joining.SIGNAL: ["signal"],
    Joining.OTHER_FAMILY: ["signal"],
}


def configure(
    exchange: Exchange, endpoints: Sequence[Endpoint] = (), *, side: Side = Side.CLIENT
) -> ConfigureArguments:
    """Return how MPTCP is set up for an exchange at one end.

    Only the client ever takes an address from its peer, and only where the exchange is about that.

    Args:
        exchange: What will run.
        endpoints: At the client its other interfaces' addresses in the exchange's family, in
            order; at the server those that it announces, else none (see
            `mptcp_check.exchanges.ftp`).
        side: Which end.
    """
    extra, announced = exchange.paths - 1, exchange.joining in ANNOUNCED
    own: list[Endpoint] = [{**e, "flags": FLAGS[exchange.joining]} for e in endpoints[:extra]]
    wanted = ConfigureArguments(checksum=exchange.checksum, extra_subflows=extra, endpoints=own)
    if announced and side is Side.CLIENT:
        wanted["endpoints"], wanted["accepted_addresses"] = [], extra
    elif announced:
        wanted["joined_ports"] = [exchange.port]
    return wanted


def handover(exchange: Exchange, first_path: Endpoint) -> HandoverWanted | None:
    """Return what the client's end must do to its own interface; none if it is somebody else's.

    Args:
        exchange: What will run.
        first_path: The client's interface of the first subflow, with its address.
    """
    wanted = exchange.handover
    if wanted is None or wanted.upset is Upset.PATH_LOST:
        return None
    down = wanted.upset is Upset.INTERFACE_DOWN
    return HandoverWanted(
        upset="interface_down" if down else "address_removed",
        interface=first_path["interface"],
        address=first_path["address"],
        after_bytes=wanted.after_bytes,
        lasts_ms=round(wanted.lasts_s * 1000),
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


def client(
    exchange: Exchange, target: Target, run_seed: str, *, handover: HandoverWanted | None = None
) -> ExchangeArguments:
    """Return what the client must run, and what is done to its path meanwhile."""
    upload = exchange.direction is Transfer.UPLOAD
    application = APPLICATIONS[exchange.app]
    wanted = ExchangeArguments(
        name=file_name(exchange),
        transport=exchange.transport.value,
        commands=[list(command) for command in application.commands(exchange, target)],
        files=dict(application.files(target)),
        within_s=exchange.deadline_s,
        sends=content(exchange, run_seed) if upload else None,
        sample_every_ms=SAMPLE_EVERY_MS,
    )
    if handover is not None:
        wanted["handover"] = handover
    return wanted
