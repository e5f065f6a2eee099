import random

import pytest

from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.delay import Delay
from mptcp_check.middleboxes.delay import Parameters as Delayed
from mptcp_check.middleboxes.duplication import Duplication
from mptcp_check.middleboxes.duplication import Parameters as Doubled
from mptcp_check.middleboxes.loss import Loss
from mptcp_check.middleboxes.loss import Parameters as Lost
from mptcp_check.middleboxes.reordering import Parameters as Reordered
from mptcp_check.middleboxes.reordering import Reordering
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from wire_frames import tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C
ARP = bytes(12) + b"\x08\x06" + bytes(28)
SOLICITATION = (
    bytes(12) + b"\x86\xdd\x60\0\0\0" + b"\0\x18\x3a\xff" + bytes(32) + b"\x87" + bytes(23)
)


def rng() -> random.Random:
    return random.Random(1)  # noqa: S311 - reproducible


def test_frames_are_lost_as_often_as_was_asked_for_in_bursts_of_the_wanted_length() -> None:
    box = Loss(Lost(probability=0.05, burst_count=3), rng=rng())

    passed = [bool(box.on_frame(tcp_frame(), C2S, 0)) for _ in range(5000)]

    lost = "".join("." if each else "x" for each in passed).split(".")
    runs = [len(run) for run in lost if run]
    assert min(runs) == 3
    assert 0.11 < 1 - sum(passed) / len(passed) < 0.16
    assert box.acted_count == passed.count(False)


@pytest.mark.parametrize(("probability", "count"), [(0.0, 1), (1.0, 0)])
def test_certainty_is_certain(probability: float, count: int) -> None:
    box = Loss(Lost(probability=probability), rng=rng())

    assert len(box.on_frame(tcp_frame(), C2S, 0)) == count


@pytest.mark.parametrize("frame", [ARP, SOLICITATION], ids=["arp", "nd"])
def test_who_has_an_address_is_asked_on_the_link_and_not_on_the_path(frame: bytes) -> None:
    box = Loss(Lost(probability=1), rng=rng())

    assert [passed.frame for passed in box.on_frame(frame, C2S, 0)] == [frame]
    assert box.acted_count == 0


def test_a_delay_with_jitter_keeps_the_order() -> None:
    box = Delay(Delayed(delay_ns=100, jitter_ns=50), rng=rng())

    times = [box.on_frame(tcp_frame(), C2S, at)[0].at_ns for at in range(0, 400, 5)]

    assert times == sorted(times)
    assert {at - number * 5 for number, at in enumerate(times)} <= set(range(100, 151))
    assert len({at - number * 5 for number, at in enumerate(times)}) > 5


def test_a_held_frame_is_overtaken() -> None:
    box = Reordering(Reordered(probability=0.5, distance_ns=1000), rng=rng())

    times = [box.on_frame(tcp_frame(), C2S, at)[0].at_ns for at in range(100)]

    assert times != sorted(times)
    assert {at - number for number, at in enumerate(times)} == {0, 1000}


def test_a_copy_follows_its_original() -> None:
    box = Duplication(Doubled(probability=1, distance_ns=7), rng=rng())

    first, second = box.on_frame(tcp_frame(), C2S, 10)

    assert first.frame == second.frame
    assert (first.at_ns, second.at_ns) == (10, 17)
    assert box.acted_count == 1


@pytest.mark.parametrize(
    "box",
    [
        Loss(Lost(probability=1, scope=Scope(ports=frozenset({81}))), rng=rng()),
        Delay(Delayed(scope=Scope(direction=S2C)), rng=rng()),
        Reordering(Reordered(probability=1, scope=Scope(first_segment=2)), rng=rng()),
        Duplication(Doubled(probability=1, scope=Scope(ports=frozenset({81}))), rng=rng()),
    ],
)
def test_what_is_outside_of_the_scope_is_left_alone(box: Behaviour) -> None:
    (emission,) = box.on_frame(tcp_frame(), C2S, 5)

    assert (emission.frame, emission.at_ns) == (tcp_frame(), 5)
    assert box.acted_count == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lost(probability=1.1),
        lambda: Lost(burst_count=0),
        lambda: Delayed(jitter_ns=-1),
        lambda: Reordered(distance_ns=0),
        lambda: Doubled(distance_ns=-1),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"\w"):
        make()
