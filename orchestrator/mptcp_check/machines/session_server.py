"""A measurement server that many share, as the end that answers: a session at it."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from mptcp_check.errors import ServerError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.measured_network import End, Login, SessionBounds
from mptcp_check.machines.measurement_server import FAMILIES, MeasurementServer
from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.machines.session_agent import DOWN_HINT, INTERFACE, SessionAgent
from mptcp_check.machines.site_addresses import ActiveControl, ServerPlace, further_port
from mptcp_check.machines.wishes import SessionWish
from mptcp_check.model import Family
from mptcp_check.session_client import choice, remote_session
from mptcp_check.session_client.connection import Connection
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.server_list import KnownServer
from mptcp_check.session_client.services import Services
from mptcp_guest.messages import LabUpArguments
from mptcp_upload.server_session import ServerSession

LOOK_S: Final = 10.0
"""How long a server may take to say how it is."""
ANSWER_S: Final = 90.0
"""How long any answer may take: a stop sorts the whole capture."""
COMES_BACK_S: Final = 5
"""How long a server program that is down is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A session at a server that has what is wanted."""

    session: RemoteSession
    services: Services
    place: ServerPlace
    left_out: Mapping[str, str]
    bounds: SessionBounds


@contextmanager
def server_by_session(
    wish: SessionWish,
    *,
    run_id: str,
    apps: WantedApps,
    scratch: Path,
    wall_ns: Callable[[], int],
    say: Callable[[str], None],
) -> Iterator[MeasurementServer]:
    """Choose a server and have a session there.

    A run that fails leaves nothing of it.  Of a whole one the server keeps the capture, as long as
    its operator says, where that is wished: a collector fetches it with the session's ticket.

    Args:
        wish: Which servers.
        run_id: The run that the session is part of.
        apps: What shall run.
        scratch: A folder for its capture.
        wall_ns: Reads this computer's clock.
        say: Told which server was taken, and why.

    Raises:
        ServerError: None can be used, or it went away.
    """
    chosen = choice.choose(
        wish.servers, _health, lambda server: _begin(server, run_id=run_id, apps=apps)
    )
    url, begun = chosen.server.url, chosen.begun
    session, services = begun.session, begun.services
    connection = session.connection
    say(f"Measuring against {url}: {chosen.because}")
    end: Callable[[], object] = session.delete
    try:
        agent = SessionAgent(session, services, scratch=scratch, wall_ns=wall_ns, pause=time.sleep)
        yield MeasurementServer(
            end=End(
                name=url,
                agent=agent,
                lab=LabUpArguments(namespace=None, interfaces=[]),
                fetch=agent.fetch,
                sets_clock=False,
                alone=True,  # what is counted is of our own connections
                compare_clock=lambda ours: _clock(connection, ours),
            ),
            place=begun.place,
            left_out=begun.left_out,
            check=lambda: None,  # whether its capture runs is asked before each exchange
            notes=_choice(wish, chosen),
            notes_at_end=lambda: (*_restarts(session, services), *_shed(agent)),
            login=Login(
                user=services.user,
                password=services.password,
                folder=services.folder,
                tls_certificate=services.tls_certificate,
                ssh_host_key=services.ssh_host_key,
            ),
            bounds=begun.bounds,
            meet=agent.meet,
            session=_kept(session, run_id) if wish.keeps else None,
        )
        if wish.keeps:
            end = session.finish
    finally:
        with suppress(ServerError):  # then its own time ends it
            end()


def _begin(server: KnownServer, *, run_id: str, apps: WantedApps) -> _Begun:
    """Have a session at a server; none is left at one that cannot be used.

    Raises:
        ServerError: It takes nobody in, or has not what is wanted.
    """
    connection = Connection(server=server, timeout_s=ANSWER_S)
    session = RemoteSession.create(connection, run_id)
    try:
        services = _opened(session, apps)
        where = place(services, resolve(server), apps=apps.names, url=server.url)
        return _Begun(
            session=session,
            services=services,
            place=where,
            left_out=_not_offered(where, apps, services, url=server.url),
            bounds=SessionBounds(
                ends_ns=session.expires_ns,
                capture_bytes=remote_session.limits(connection).capture_bytes,
            ),
        )
    except BaseException:
        with suppress(ServerError):
            session.delete()
        raise


def _opened(session: RemoteSession, apps: WantedApps) -> Services:
    """Return the services; one that has just crashed is given the time to come back.

    Raises:
        ServerError: They cannot be had.
    """
    services = session.open_services()
    for _ in range(COMES_BACK_S):
        if not any(services.down(APPLICATIONS[app].service) for app in apps.names):
            break
        time.sleep(1)
        services = session.open_services()
    return services


def place(
    services: Services, addresses: Sequence[str], *, apps: Sequence[str], url: str
) -> ServerPlace:
    """Return where a session's servers are; pure.

    Args:
        services: What the server tells of them.
        addresses: Where its interface is.
        apps: What will run; what is not offered is left out later.
        url: For messages.

    Raises:
        ServerError: There is no address.
    """
    where = dict[Family, str]()
    for text in services.addresses or addresses:
        if ip_address(text).version in services.families:
            where.setdefault(FAMILIES[ip_address(text).version], text)
    if not where:
        raise ServerError(f"{url} has no address of a family that can be measured")
    ports: dict[str, int] = {}
    for app in apps:
        application = APPLICATIONS[app]
        found = services.ports(application.service, "mptcp")
        if found:
            ports[app] = application.port if application.port in found else found[0]
        further = (p for p in application.ports[1:] if p in found and p != ports[app])
        ports.update({further_port(app, port): port for port in further})
    plain = services.ports("ftp", "tcp")
    if plain:
        ports[ActiveControl] = plain[0]
    return ServerPlace(
        addresses=where,
        bound=where,
        ports=ports,
        interfaces=(INTERFACE,),
        alone=False,
        passive_ports=services.passive_ports,
    )


def _not_offered(
    where: ServerPlace, apps: WantedApps, services: Services, *, url: str
) -> dict[str, str]:
    """Return the applications that a server does not have, each with the sentence about it; pure.

    Raises:
        ServerError: The user named one of them.
    """
    missing = [app for app in apps.names if app not in where.ports]
    down = {app: found for app in missing if (found := services.down(APPLICATIONS[app].service))}
    if missing and (apps.named or len(missing) == len(apps.names)):
        offered = ", ".join(app for app in APPLICATIONS if app in where.ports)
        if down:
            one = next(iter(down.values()))
            raise ServerError(
                f"{one.service} at port {one.port} of {url} does not run now", hint=DOWN_HINT
            )
        raise ServerError(
            f"{url} does not offer {', '.join(missing)}",
            hint=f"it offers {offered}" if offered else "name another server",
        )
    absent = [app for app in missing if app not in down]
    return {
        **dict.fromkeys(absent, f"{_were(absent)} left out: the measurement server does not offer"
                        f" {'it' if len(absent) == 1 else 'them'}"),
        **dict.fromkeys(down, f"{_were(list(down))} left out: the server program did not run"),
    }  # fmt: skip


def _were(apps: Sequence[str]) -> str:
    return f"{', '.join(apps)} {'was' if len(apps) == 1 else 'were'}"


def resolve(server: KnownServer) -> tuple[str, ...]:
    """Return the addresses of a server's name.

    Raises:
        ServerError: It has none.
    """
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError:
        raise ServerError(f"{server.url} cannot be reached: its name is not known") from None
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _choice(wish: SessionWish, chosen: choice.Choice[_Begun]) -> tuple[str, ...]:
    """Return what the report says of it, where there was a choice."""
    if len(wish.servers) == 1:
        return ()
    return (f"{chosen.server.url} was taken from {Path(wish.text).name}: {chosen.because}",)


def _kept(session: RemoteSession, run_id: str) -> ServerSession:
    return ServerSession(
        server=session.connection.server.url,
        session_id=session.id,
        run_id=run_id,
        ticket=session.ticket,
    )


def _health(server: KnownServer) -> dict[str, object]:
    return Connection(server=server, timeout_s=LOOK_S).ask("GET", "/v1/health")


def _clock(connection: Connection, wall_ns: Callable[[], int]) -> ClockOffset:
    measured = remote_session.clock_offset(connection, wall_ns)
    if measured is None:
        raise ServerError(f"{connection.server.url} did not tell its time")
    return ClockOffset(offset_ns=measured.offset_ns, uncertainty_ns=measured.error_ns)


def _restarts(session: RemoteSession, before: Services) -> tuple[str, ...]:
    """Say which application servers crashed meanwhile."""
    try:
        after = session.open_services()
    except ServerError as e:
        return (f"whether the application servers ran to the end is not known: {e.message}",)
    was = {(p.service, p.transport, p.port): p.restarts_count for p in before.programs}
    return tuple(
        f"{p.service} at port {p.port} of the server crashed meanwhile and was started again"
        for p in after.programs
        if p.restarts_count > was.get((p.service, p.transport, p.port), 0)
    )


def _shed(agent: SessionAgent) -> tuple[str, ...]:
    count = agent.shed_flow_count
    if not count:
        return ()
    words = (
        f"the server was busy and gave up {count} connections of which it did not know whose they"
        " were; a connection that never said anything may be missing in its capture"
    )
    return (words,)
