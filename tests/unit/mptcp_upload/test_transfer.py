"""What goes into which request, on ways that carry, break, are narrow or change bytes."""

import hashlib
import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # its collector is a module beside it
from a_collector import PUBLIC, Collector, collector

from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.outbox import Entry, Outbox, State
from mptcp_upload.pace import SLICE_BYTES, Pace
from mptcp_upload.sending import deliver

SIZE_BYTES = 200_000
BUNDLE = random.Random(1).randbytes(SIZE_BYTES)  # noqa: S311 - the same each time
RUN = "01m7yb61k3p14f0rs2rvpkqs67"


@dataclass
class Journey:
    """A clock that only waiting moves, and what was told of an upload by it."""

    now_ns: int = 0
    told: list[tuple[int, int, float | None]] = field(default_factory=list)
    """Of each progress: when, how far, seconds left."""
    reasons: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        assert entry.run_id == RUN
        self.told.append((self.now_ns, offset_bytes, eta_s))

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        assert entry.run_id == RUN
        assert wait_s > 0
        self.reasons.append(reason)

    @property
    def offsets(self) -> list[int]:
        return [offset for _, offset, _ in self.told]


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


def delivered(folder: Path, server: Collector, **wishes: Any) -> tuple[Entry, Journey]:  # noqa: ANN401
    box, journey = Outbox(folder), Journey()
    entry = Entry(
        run_id=RUN,
        bundle_sha256=hashlib.sha256(BUNDLE).hexdigest(),
        size_bytes=SIZE_BYTES,
        collector=server.url,
        collector_key=PUBLIC,
        deletion_token="t",  # noqa: S106 - a test's
    )
    pace = Pace(
        monotonic_ns=lambda: journey.now_ns,
        sleep=journey.sleep,
        rng=random.Random(1),  # noqa: S311 - waits are no secret
        **wishes,
    )
    with CollectorClient(server.url) as client:
        done = deliver(box, box.put(entry, BUNDLE), client, pace, journey)
    if done.state is State.RECEIVED:
        assert server.runs == {RUN: BUNDLE}
        assert server.stored_count == 1
    return done, journey


def test_a_way_that_carries_takes_all_in_one_request(tmp_path: Path, server: Collector) -> None:
    done, journey = delivered(tmp_path, server)

    assert done.state is State.RECEIVED
    assert server.patches == [(0, SIZE_BYTES, False)]
    assert journey.offsets == [*range(SLICE_BYTES, SIZE_BYTES, SLICE_BYTES), SIZE_BYTES]


def test_what_came_before_an_interruption_is_not_sent_again(
    tmp_path: Path, server: Collector
) -> None:
    server.cut_after = [70_000, 60_000]
    done, journey = delivered(tmp_path, server)

    assert done.state is State.RECEIVED
    ends = [(0, SIZE_BYTES), (70_000, 130_000), (130_000, 70_000)]
    assert server.patches == [(offset, size, False) for offset, size in ends]
    assert len(journey.reasons) == 2
    assert {70_000, 130_000} <= set(journey.offsets)


def test_a_way_on_which_nothing_comes_gets_smaller_and_smaller_requests(
    tmp_path: Path, server: Collector
) -> None:
    server.cut_after = [0, 0, 0]
    done, _ = delivered(tmp_path, server)

    assert done.state is State.RECEIVED
    assert server.patches[0] == (0, SIZE_BYTES, False)
    assert [size for _, size, _ in server.patches[1:4]] == [32_768, 16_384, 8_192]
    assert all(with_digest for _, _, with_digest in server.patches[1:])


def test_who_was_away_before_any_byte_went_gets_all_in_one_request(
    tmp_path: Path, server: Collector
) -> None:
    server.answers = [(503, "storage_unavailable", {})] * 2
    done, journey = delivered(tmp_path, server)

    assert (done.state, len(journey.reasons)) == (State.RECEIVED, 2)
    assert server.patches == [(0, SIZE_BYTES, False)]


def test_four_times_nothing_leaves_the_run_for_another_time(
    tmp_path: Path, server: Collector
) -> None:
    server.cut_after = [0] * 4
    done, _ = delivered(tmp_path, server)

    assert (done.state, server.patch_count) == (State.PENDING, 4)
    assert delivered(tmp_path, server)[0].state is State.RECEIVED


def test_bytes_that_change_on_the_way_are_found_chunk_by_chunk(
    tmp_path: Path, server: Collector
) -> None:
    server.alter = [True, False, True]
    done, journey = delivered(tmp_path, server)

    assert done.state is State.RECEIVED
    assert ["digest_mismatch" in journey.reasons[0], "checksum_mismatch" in journey.reasons[1]] == [
        True,
        True,
    ]
    assert server.patches[0] == (0, SIZE_BYTES, False)
    assert server.patches[1] == (0, 32_768, True), "begun anew"
    assert server.patches[2][0] == server.patches[3][0], "only that chunk is sent again"


def test_where_somebody_always_changes_bytes_the_run_stays(
    tmp_path: Path, server: Collector
) -> None:
    server.alter = [True] * 40
    done, _ = delivered(tmp_path, server)

    assert done.state is State.PENDING
    assert "checksum_mismatch" in done.reason


@pytest.mark.parametrize("longest", [150_000, 50_000, 5_000])
def test_a_proxys_limit_for_requests_is_kept_to(
    tmp_path: Path, server: Collector, longest: int
) -> None:
    server.longest_bytes = longest
    done, journey = delivered(tmp_path, server)

    assert done.state is State.RECEIVED
    assert journey.reasons == [], "without an attempt that fails"
    refused = [p for p in server.patches if p[1] > longest]
    assert len(refused) < 8


def test_a_proxy_that_takes_nothing_is_no_collector(tmp_path: Path, server: Collector) -> None:
    server.longest_bytes = 100
    done, _ = delivered(tmp_path, server)

    assert done.state is State.REFUSED
    assert "answered 413" in done.reason


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("rate_bps", [64_000, 200_000, 800_000, 80_000_000])
def test_a_cap_is_kept_by_pauses_after_little(
    tmp_path: Path, server: Collector, *, rate_bps: int, at_once: bool
) -> None:
    done, journey = delivered(tmp_path, server, rate_bps=rate_bps, at_once=at_once)

    assert done.state is State.RECEIVED
    sizes = [b - a for a, b in itertools.pairwise([0, *journey.offsets])]
    assert max(sizes) <= max(4096, rate_bps // 8)
    assert max(sizes) >= min(rate_bps // 16, SLICE_BYTES)
    for at_ns, offset, eta_s in journey.told[:-1]:
        assert offset * 8 <= rate_bps * at_ns / 1e9 + 1
        assert eta_s == pytest.approx((SIZE_BYTES - offset) * 8 / rate_bps, rel=0.01)
    assert journey.told[-1][2] == 0
