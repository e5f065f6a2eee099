import pytest

from mptcp_check.exchanges import APPLICATIONS, asking, credentials
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines import addresses
from mptcp_check.model import ANNOUNCED, Exchange, Joining, Side, Transfer, Transport, Upset
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
    own = [e for e in plan() if APPLICATIONS[e.app].form != "zeros"]
    contents = [asking.content(e, run) for e in own for run in ("run-1", "run-11")]
    assert len({payload.digest(c | {"bytes": 100})["sha256"] for c in contents}) == 2 * len(own)


def test_one_path_needs_no_endpoint_and_two_need_one() -> None:
    opened = [e for e in plan(depth=Depth.FULL) if e.joining is Joining.SUBFLOW]
    wanted = {e.paths: asking.configure(e, OTHER_PATHS) for e in opened}
    assert (wanted[1]["extra_subflows"], wanted[1]["endpoints"]) == (0, [])
    for paths in (2, 3):
        assert wanted[paths]["extra_subflows"] == paths - 1
        assert [e["address"] for e in wanted[paths]["endpoints"]] == [
            e["address"] for e in OTHER_PATHS[: paths - 1]
        ]
        assert {tuple(e["flags"]) for e in wanted[paths]["endpoints"]} == {("subflow",)}


def test_a_backup_path_has_its_flag_at_the_client() -> None:
    backup = next(e for e in plan(depth=Depth.FULL) if e.joining is Joining.BACKUP)

    (endpoint,) = asking.configure(backup, OTHER_PATHS)["endpoints"]
    assert endpoint["flags"] == ["subflow", "backup"]


def test_only_the_client_takes_an_address_and_only_when_it_is_announced_on_purpose() -> None:
    for exchange in plan(depth=Depth.FULL):
        announced = exchange.joining in ANNOUNCED
        client = asking.configure(exchange, OTHER_PATHS, side=Side.CLIENT)
        server = asking.configure(exchange, OTHER_PATHS if announced else [], side=Side.SERVER)
        assert client.get("accepted_addresses", 0) == (exchange.paths - 1 if announced else 0)
        assert "accepted_addresses" not in server
        assert server.get("joined_ports") == ([exchange.port] if announced else None)
        if announced:
            assert client["endpoints"] == []
            assert {tuple(e["flags"]) for e in server["endpoints"]} == {("signal",)}


def test_the_client_upsets_its_own_first_path_and_nobody_elses() -> None:
    first = Endpoint(address="10.77.0.1", interface="eth0")
    for exchange in plan(["http"], Depth.FULL):
        wanted = asking.handover(exchange, first)
        own = exchange.handover is not None and exchange.handover.upset is not Upset.PATH_LOST
        assert (wanted is not None) == own
        if wanted is not None:
            checked(
                asking.client(exchange, TARGET, "run", handover=wanted),
                VERBS["exchange"].arguments,
                "exchange",
            )
            assert (wanted["interface"], wanted["lasts_ms"]) == ("eth0", 3000)


def test_the_server_runs_each_service_once_per_transport_family_and_port() -> None:
    wanted = asking.services_start(
        plan(depth=Depth.FULL),
        addresses.service_address,
        KEYS,
    )
    checked(wanted, VERBS["services_start"].arguments, "services_start")
    places = [(s["service"], s["transport"], s["address"], s["port"]) for s in wanted["services"]]
    assert len(places) == len(set(places))
    listening = {(e.app, e.transport, e.family, e.port) for e in plan(depth=Depth.FULL)}
    assert len(places) == len(listening)
    assert ("ftp", "tcp", "fd77::3", 21) in places
    assert ("http", Transport.MPTCP.value, "10.77.0.2", 80) in places
