import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.model import Exchange, Family, Transfer, Transport


def words(exchange: Exchange) -> str:
    checksum = "checksum" if exchange.checksum else ""
    told = (exchange.app, exchange.mode or "", exchange.direction, exchange.transport, checksum)
    return " ".join([*(word for word in told if word), str(exchange.paths), exchange.family])


def test_the_quick_plan_is_three_transfers_with_their_controls() -> None:
    assert [words(e) for e in plan(depth=Depth.QUICK)] == [
        "http download tcp 1 ipv4",
        "http download mptcp 2 ipv4",
        "http upload tcp 1 ipv4",
        "http upload mptcp 2 ipv4",
        "ftp passive download tcp 1 ipv4",
        "ftp passive download mptcp 2 ipv4",
    ]


def test_the_default_plan_varies_checksum_and_paths_of_every_transfer() -> None:
    planned = plan()
    assert len(planned) == 6 * 5
    assert [words(e) for e in planned[10:15]] == [
        "ftp active download tcp 1 ipv4",
        "ftp active download mptcp 1 ipv4",
        "ftp active download mptcp 2 ipv4",
        "ftp active download mptcp checksum 1 ipv4",
        "ftp active download mptcp checksum 2 ipv4",
    ]


def test_the_full_plan_is_the_default_plan_in_both_families() -> None:
    full, default = plan(depth=Depth.FULL), plan()
    assert full[: len(default)] == default
    assert {e.family for e in full[len(default) :]} == {Family.IPV6}
    assert [words(e).replace("ipv6", "ipv4") for e in full[len(default) :]] == [
        words(e) for e in default
    ]


@given(
    st.lists(st.sampled_from(sorted(APPLICATIONS)), min_size=1, max_size=5),
    st.sampled_from(Depth),
    st.integers(0, 10**8),
)
def test_every_twin_comes_after_its_control_and_ids_are_positions(
    apps: list[str], depth: Depth, payload_bytes: int
) -> None:
    planned = plan(apps, depth, payload_bytes=payload_bytes)
    assert [e.id for e in planned] == list(range(len(planned)))
    assert {e.app for e in planned} == set(apps)
    for e in planned:
        most = APPLICATIONS[e.app].modes[e.mode].payload_bytes_max
        assert e.payload_bytes == min(payload_bytes, payload_bytes if most is None else most)
    controls = {e.control_key: e for e in planned if e.transport is Transport.TCP}
    for exchange in planned:
        if exchange.transport is Transport.TCP:
            assert not exchange.checksum
            assert exchange.paths == 1
        else:
            control = controls[exchange.control_key]
            assert control.id < exchange.id
            assert words(control).split(" tcp")[0] == words(exchange).split(" mptcp")[0]


def test_the_order_of_names_does_not_matter() -> None:
    assert plan(["ftp", "http"]) == plan(["http", "ftp", "http"])
    assert {e.direction for e in plan(["http"])} == set(Transfer)


@pytest.mark.parametrize(
    ("apps", "message"),
    [(["http", "gopher"], "there is no application 'gopher'"), ([], "no application to check")],
)
def test_what_cannot_be_planned_is_said_with_what_can(apps: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        plan(apps)
    assert error.value.message == message
    assert error.value.hint == f"known are: {', '.join(APPLICATIONS)}"
