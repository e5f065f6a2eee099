"""What a plan costs: the promises of `--quick` and `--metered`, over tables of any length."""

import pytest

from mptcp_check.exchanges import plan as planning
from mptcp_check.exchanges.estimate import RATE_BPS, estimate, wire_bytes, words
from mptcp_check.exchanges.metering import (
    AT_REST_S,
    CAPTURED_AT_MOST,
    Meter,
    in_time,
    out_of_time,
)
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.exchanges.scopes import METERED_CAP_BYTES, SCOPES
from unit.mptcp_check.exchanges import twenty

TABLE = twenty.table()


@pytest.fixture(autouse=True)
def twenty_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "APPLICATIONS", TABLE)


@pytest.mark.parametrize("apps", [None, list(TABLE)], ids=["as it is", "all of them named"])
def test_the_quick_check_is_under_a_minute_of_traffic_and_under_20_mb(
    apps: list[str] | None,
) -> None:
    cost = estimate(plan(apps, Depth.QUICK))

    assert cost.traffic_s < 60
    assert cost.wire_bytes < 20_000_000


@pytest.mark.parametrize("apps", [None, list(TABLE)], ids=["as it is", "all of them named"])
def test_a_metered_run_fits_under_its_cap_without_losses(apps: list[str] | None) -> None:
    planned = plan(apps, Depth.METERED)
    assert estimate(planned).wire_bytes < METERED_CAP_BYTES

    meter = Meter(METERED_CAP_BYTES)
    for exchange in planned:
        assert meter.allows(exchange)
        meter.spend(exchange)


def test_the_default_is_a_matter_of_minutes_and_the_full_suite_of_a_coffee() -> None:
    assert estimate(plan()).duration_s < 5 * 60
    assert estimate(plan()).wire_bytes < 150_000_000
    assert estimate(plan(depth=Depth.FULL)).duration_s < 15 * 60
    assert estimate(plan(depth=Depth.FULL)).wire_bytes < 1_000_000_000


def test_depths_are_in_their_order() -> None:
    costs = [
        estimate(plan(depth=depth)).wire_bytes
        for depth in (Depth.METERED, Depth.QUICK, Depth.DEFAULT, Depth.FULL)
    ]
    assert costs == sorted(costs)
    assert len({estimate(plan(depth=d)).duration_s for d in Depth}) == len(Depth)


def test_a_slower_path_takes_longer_and_sends_no_more() -> None:
    planned = plan(depth=Depth.QUICK)
    slow, fast = estimate(planned, rate_bps=RATE_BPS // 10), estimate(planned)
    assert slow.duration_s > fast.duration_s
    assert slow.wire_bytes == fast.wire_bytes


def test_an_estimate_is_said_with_its_cap() -> None:
    cap = SCOPES[Depth.METERED].cap_bytes
    said = words(estimate(plan(depth=Depth.METERED), cap_bytes=cap))
    assert "exchanges: about " in said
    assert "never more than 2.5 MB" in said
    assert words(estimate(plan(depth=Depth.QUICK)[:1])).startswith("1 exchange: about")


def test_the_cap_holds_though_the_path_loses_what_was_sent() -> None:
    planned = plan(None, Depth.FULL)
    meter = Meter(5_000_000)
    used = 0
    left = list(planned)
    while left and meter.allows(left[0]):
        meter.spend(left[0])
        used += wire_bytes(left.pop(0)) * 2  # everything had to be sent twice
        meter.seen(used)
    assert left
    assert used < 5_000_000 * 1.5
    assert f"{len(left)} exchanges did not run" in meter.words(len(left))
    assert "cap of 5 MB" in meter.words(len(left))


def test_without_a_cap_everything_is_allowed() -> None:
    meter = Meter(None)
    meter.seen(10**12)
    assert all(meter.allows(e) for e in plan(depth=Depth.FULL))


def test_an_exchange_that_could_outlast_a_session_does_not_begin() -> None:
    exchange = plan(depth=Depth.QUICK)[0]
    longest_s = exchange.deadline_s + AT_REST_S
    assert in_time(exchange, left_s=longest_s)
    assert not in_time(exchange, left_s=longest_s - 0.001)
    assert out_of_time(3).startswith("3 exchanges did not run: the server's time for one session")
    assert out_of_time(1).startswith("1 exchange did not run: ")


def test_what_a_server_captures_is_told_as_the_servers() -> None:
    meter = Meter(1_000_000, told=CAPTURED_AT_MOST)
    meter.seen(950_000)
    assert not meter.allows(plan(depth=Depth.METERED)[0])
    assert meter.words(2) == (
        "the 1 MB that the server captures of one session were used up after 0.9 MB:"
        " 2 exchanges did not run"
    )
