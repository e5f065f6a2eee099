from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges import plan as planning
from mptcp_check.exchanges.conditions import CHECKED, ONE_PATH
from mptcp_check.exchanges.plan import Depth, Possible, chosen, limited, plan
from mptcp_check.exchanges.scopes import SCOPES
from mptcp_check.model import Exchange, Family, Joining, Transfer, Transport, Upset
from unit.mptcp_check.exchanges import twenty


def words(exchange: Exchange) -> str:
    checksum = "checksum" if exchange.checksum else ""
    told = (exchange.app, exchange.mode or "", exchange.direction, exchange.transport, checksum)
    return " ".join([*(word for word in told if word), str(exchange.paths), exchange.family])


@pytest.fixture
def twenty_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "APPLICATIONS", twenty.table())


QUICK = [
    "http download tcp 1 ipv4",
    "http download mptcp 2 ipv4",
    "http upload tcp 1 ipv4",
    "http upload mptcp 2 ipv4",
]


def test_the_quick_plan_is_a_few_transfers_with_their_controls() -> None:
    planned = [words(e) for e in plan(depth=Depth.QUICK) if e.app in {"http", "ftp"}]
    assert planned == [
        *QUICK,
        "ftp passive download tcp 1 ipv4",
        "ftp passive download mptcp 2 ipv4",
    ]
    assert [words(e) for e in plan(["http"], Depth.QUICK)] == QUICK


def test_the_default_plan_varies_checksum_and_paths_of_what_boxes_rewrite() -> None:
    planned = [e for e in plan() if e.app == "ftp"]
    assert len(planned) == 4 * 5
    assert [words(e) for e in planned[:5]] == [
        "ftp active download tcp 1 ipv4",
        "ftp active download mptcp 1 ipv4",
        "ftp active download mptcp 2 ipv4",
        "ftp active download mptcp checksum 1 ipv4",
        "ftp active download mptcp checksum 2 ipv4",
    ]


@pytest.mark.usefixtures("twenty_applications")
def test_every_application_is_in_the_default_once_and_in_the_full_plan_in_every_mode() -> None:
    table = twenty.table()
    default, full = plan(), plan(depth=Depth.FULL)
    for app, application in table.items():
        for transport in Transport:
            assert any((e.app, e.transport) == (app, transport) for e in default)
        wanted = {(mode, d) for mode, how in application.modes.items() for d in how.transfers}
        assert {(e.mode, e.direction) for e in full if e.app == app} == wanted
        assert {e.port for e in full if e.app == app} == set(application.ports)


def test_the_full_plan_has_every_condition() -> None:
    full = plan(depth=Depth.FULL)

    assert {e.joining for e in full} == set(Joining)
    assert {e.family for e in full} == set(Family)
    assert {e.paths for e in full if e.transport is Transport.MPTCP} == {1, 2, 3}
    assert {(e.checksum, e.transport) for e in full} == {
        (False, Transport.TCP),
        (False, Transport.MPTCP),
        (True, Transport.MPTCP),
    }
    upsets = {(e.handover.upset, e.transport, e.direction) for e in full if e.handover}
    assert upsets == {(u, t, d) for u in Upset for t in Transport for d in Transfer}
    assert min(e.payload_bytes for e in full) < 1400
    assert max(e.payload_bytes for e in full) >= 20_000_000


def test_nothing_is_announced_where_nobody_listens_for_the_join() -> None:
    for exchange in plan(depth=Depth.FULL):
        if exchange.joining in {Joining.SIGNAL, Joining.OTHER_FAMILY}:
            assert exchange.app != "ftp"
        if exchange.joining is Joining.OTHER_FAMILY:  # a socket of IPv4 takes no IPv6 subflow
            assert exchange.family is Family.IPV6


@given(
    st.lists(st.sampled_from(sorted(APPLICATIONS)), min_size=1, max_size=5),
    st.sampled_from(Depth),
)
def test_every_transfer_has_its_control_first_and_ids_are_positions(
    apps: list[str], depth: Depth
) -> None:
    planned = plan(apps, depth)
    assert [e.id for e in planned] == list(range(len(planned)))
    assert {e.app for e in planned} == set(apps)
    controls = {e.control_key: e for e in reversed(planned) if e.is_control}
    for exchange in planned:
        if exchange.transport is Transport.TCP:
            assert not exchange.checksum
            assert exchange.paths == 1
        else:
            control = controls[exchange.control_key]
            assert control.id < exchange.id
            assert words(control).split(" tcp")[0] == words(exchange).split(" mptcp")[0]


def test_no_exchange_is_planned_twice() -> None:
    for depth in Depth:
        planned = plan(depth=depth)
        assert len({(*words(e).split(), e.port, e.payload_bytes, e.joining, e.handover)
                    for e in planned}) == len(planned)  # fmt: skip


def test_the_order_of_names_does_not_matter() -> None:
    assert plan(["ftp", "http"]) == plan(["http", "ftp", "http"])
    assert {e.direction for e in plan(["http"])} == set(Transfer)


def test_a_cross_of_ones_own_has_its_control_first() -> None:
    planned = chosen(["http"], Family.IPV6, [ONE_PATH, CHECKED])
    assert [words(e) for e in planned] == [
        f"http {direction} {how} ipv6"
        for direction in ("download", "upload")
        for how in ("tcp 1", "mptcp 1", "mptcp checksum 2")
    ]


NOTHING = Possible(paths={}, announced={}, upsets=frozenset())


def test_a_network_with_one_path_runs_each_thing_once_and_upsets_nothing() -> None:
    one = Possible(paths={Family.IPV4: 1}, announced={}, upsets=frozenset(Upset))
    found = limited(plan(depth=Depth.FULL), one)

    assert {(e.paths, e.family, e.joining) for e in found} == {(1, Family.IPV4, Joining.SUBFLOW)}
    assert not any(e.handover for e in found)
    assert [e.id for e in found] == list(range(len(found)))
    assert limited(plan(), NOTHING) == ()


def test_what_is_meant_for_ipv4_runs_over_ipv6_where_there_is_nothing_else() -> None:
    six = Possible(paths={Family.IPV6: 2}, announced={}, upsets=frozenset())
    four = replace(six, paths={Family.IPV4: 2, Family.IPV6: 0})
    for depth in (Depth.QUICK, Depth.METERED):
        assert [replace(e, family=Family.IPV4) for e in limited(plan(depth=depth), six)] == list(
            limited(plan(depth=depth), four)
        )
    full = limited(plan(depth=Depth.FULL), six)
    assert {e.family for e in full} == {Family.IPV6}
    assert len({replace(e, id=0) for e in full}) == len(full), "each thing once"
    # commands of FTP that say an address of IPv4 have no twin
    assert {(e.app, e.mode) for e in limited(plan(depth=Depth.FULL), four)} - {
        (e.app, e.mode) for e in full
    } == {("ftp", "active-port"), ("ftp", "passive-pasv")}


def test_a_network_with_everything_runs_everything() -> None:
    every = Possible(
        paths=dict.fromkeys(Family, 3),
        announced={(f, j): 2 for f in Family for j in Joining},
        upsets=frozenset(Upset),
    )
    assert limited(plan(depth=Depth.FULL), every) == plan(depth=Depth.FULL)


@pytest.mark.parametrize(
    ("apps", "message"),
    [(["http", "gopher"], "there is no application 'gopher'"), ([], "no application to check")],
)
def test_what_cannot_be_planned_is_said_with_what_can(apps: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        plan(apps)
    assert error.value.message == message
    assert error.value.hint == f"known are: {', '.join(APPLICATIONS)}"


def test_every_block_says_why() -> None:
    for scope in SCOPES.values():
        assert all(block.why for block in scope.blocks)
