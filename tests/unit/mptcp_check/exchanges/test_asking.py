import pytest

from mptcp_check.exchanges import asking, credentials
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines import addresses
from mptcp_check.model import Exchange, Transfer, Transport
from mptcp_guest import payload
from mptcp_guest.checking import checked
from mptcp_guest.messages import Endpoint
from mptcp_guest.verbs import VERBS

KEYS = credentials.make("p")
TARGET = Target(address="10.77.0.2", file="x", credentials=KEYS[0])
OTHER_PATHS = [
    Endpoint(address="10.77.1.1", interface="eth1"),
    Endpoint(address="10.77.2.1", interface="eth2"),
]


@pytest.mark.parametrize("exchange", plan(), ids=lambda e: str(e.id))
def test_what_is_asked_fits_the_verbs(exchange: Exchange) -> None:
    client = asking.client(exchange, TARGET, "run")
    checked(client, VERBS["exchange"].arguments, "exchange")
    checked(asking.configure(exchange, OTHER_PATHS), VERBS["configure"].arguments, "configure")
    offer = asking.offer(exchange, "run")
    assert (client["sends"] is None) == (exchange.direction is Transfer.DOWNLOAD)
    assert (offer is None) == (exchange.direction is Transfer.UPLOAD)
    assert client["within_s"] == exchange.deadline_s


def test_every_exchange_has_a_content_of_its_own() -> None:
    contents = [asking.content(e, run) for e in plan() for run in ("run-1", "run-11")]
    assert len({payload.digest(c | {"bytes": 100})["sha256"] for c in contents}) == 2 * len(plan())


def test_one_path_needs_no_endpoint_and_two_need_one() -> None:
    wanted = {e.paths: asking.configure(e, OTHER_PATHS) for e in plan()}
    assert (wanted[1]["extra_subflows"], wanted[1]["endpoints"]) == (0, [])
    assert (wanted[2]["extra_subflows"], wanted[2]["endpoints"]) == (1, OTHER_PATHS[:1])


def test_the_server_runs_each_service_once_per_transport_and_family() -> None:
    wanted = asking.services_start(
        plan(depth=Depth.FULL),
        addresses.service_address,
        KEYS,
    )
    checked(wanted, VERBS["services_start"].arguments, "services_start")
    places = [(s["service"], s["transport"], s["address"], s["port"]) for s in wanted["services"]]
    assert len(places) == len(set(places)) == 2 * 2 * 2
    assert ("ftp", "tcp", "fd77::3", 21) in places
    assert ("http", Transport.MPTCP.value, "10.77.0.2", 80) in places
