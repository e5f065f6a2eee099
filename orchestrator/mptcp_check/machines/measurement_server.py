"""The measurement server: whoever answers the exchanges and captures at the far end.

`MeasurementServer` is all that a run knows of it: an end that can be asked for the agent's verbs,
and where it is.  Today that is a Linux box of the user's with the agent on it; a server that is
asked by another protocol only has to give the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

from mptcp_check.errors import MachineError, ServerError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.machines.box import Box
from mptcp_check.machines.measured_network import (
    Answers,
    End,
    Login,
    SessionBounds,
    nothing_more,
)
from mptcp_check.machines.missing_programs import WantedApps, lacking, server_needs
from mptcp_check.machines.site_addresses import WILDCARDS, ServerPlace, choose_ports
from mptcp_check.machines.ssh import ssh_box
from mptcp_check.machines.wishes import ServerWish
from mptcp_check.model import Family
from mptcp_guest.messages import Found, Interface, LabUpArguments, SurveyResult
from mptcp_upload.server_session import ServerSession

FAMILIES: Mapping[int, Family] = {4: Family.IPV4, 6: Family.IPV6}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementServer:
    """The end that answers, ready to be asked."""

    end: End
    place: ServerPlace
    check: Callable[[], None]
    """Raise when it went away."""
    notes: tuple[str, ...] = ()
    """What the reader of the report must know, a sentence each."""
    notes_at_end: Callable[[], tuple[str, ...]] = nothing_more
    """The same, asked after the exchanges."""
    login: Login | None = None
    """Where it made one for us."""
    bounds: SessionBounds | None = None
    """What it gives us, where many share it."""
    meet: Callable[[Answers], None] | None = None
    """Told of the client's agent, once that can be asked."""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    """Applications whose programs it lacks, each with the sentence about it."""
    session: ServerSession | None = None
    """What opens its half of the run to a collector, where it keeps that."""


@contextmanager
def server_by_ssh(
    wish: ServerWish, *, archive: bytes, apps: WantedApps
) -> Iterator[MeasurementServer]:
    """Make a measurement server of a Linux box, and leave the box as it was.

    Args:
        wish: Which box, and where its servers shall be.
        archive: The agent as a zipapp.
        apps: What shall run.

    Raises:
        PreflightError: Something is missing on the box.
        ServerError: It cannot be reached, or went away.
    """
    with ssh_box(wish.ssh, archive=archive, failure=ServerError) as box:
        needs = server_needs(apps.names)
        left_out = lacking(box.hello, needs, name=box.name, named=apps.named)
        running = [app for app in apps.names if app not in left_out]
        place = server_place(
            wish, box.survey, reached_at=box.reached_at, name=box.name, apps=running
        )
        yield MeasurementServer(
            end=End(
                name=box.name,
                agent=box.agent,
                lab=LabUpArguments(
                    namespace=None,
                    interfaces=[
                        Interface(name=name, addresses=[], gateways=[]) for name in place.interfaces
                    ],
                ),
                fetch=box.fetch,
                sets_clock=False,
                alone=False,
            ),
            place=place,
            check=lambda: _require_there(place, box),
            left_out=left_out,
        )


def server_place(
    wish: ServerWish,
    survey: SurveyResult,
    *,
    reached_at: str,
    name: str,
    apps: Sequence[str] = tuple(APPLICATIONS),
) -> ServerPlace:
    """Return where a box's servers will be; pure.

    Args:
        wish: What the user said.
        survey: What the box's own network is.
        reached_at: The address at which ssh reached it.
        name: Of the box, for messages.
        apps: What will run.

    Raises:
        ServerError: There is no address that a client could reach, or no port.
    """
    texts = wish.addresses or ((reached_at,) if reached_at else ())
    addresses = {FAMILIES[ip_address(text).version]: text for text in texts}
    if not addresses or any(ip_address(text).is_loopback for text in texts):
        raise ServerError(
            f"ssh reached {name} at {reached_at or 'no address'}, where no client can reach it",
            hint=f"say where clients reach it: --server ssh:{name},address=ADDRESS",
        )
    holding = {text: _holder(text, survey["interfaces"]) for text in texts}
    default = [i["name"] for i in survey["interfaces"] if i["gateways"]][:1]
    interfaces = list(dict.fromkeys(h for h in holding.values() if h)) or default
    if not interfaces:
        raise ServerError(f"no interface of {name} has {', '.join(texts)} or a default route")
    try:
        ports = choose_ports(wish.ports, survey["taken_ports"], apps)
    except MachineError as e:
        raise ServerError(e.message, hint=e.hint) from None
    return ServerPlace(
        addresses=addresses,
        bound={f: text if holding[text] else WILDCARDS[f] for f, text in addresses.items()},
        ports=ports,
        interfaces=tuple(interfaces),
        alone=False,
        holders={f: holding[text] for f, text in addresses.items() if holding[text]},
    )


def _holder(address: str, interfaces: Sequence[Found]) -> str:
    """Return the interface that has an address; nothing when something in between translates."""
    own = ip_address(address)
    return next(
        (i["name"] for i in interfaces if any(ip_interface(a).ip == own for a in i["addresses"])),
        "",
    )


def _require_there(place: ServerPlace, box: Box) -> None:
    there = {i["name"] for i in box.agent.call("survey")["interfaces"]}
    for name in place.interfaces:
        if name not in there:
            raise ServerError(f"{name} of the server {box.name} went away in mid-run")
