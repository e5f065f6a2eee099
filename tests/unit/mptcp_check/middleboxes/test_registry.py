import importlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.catalogue import BEHAVIOURS as CATALOGUE
from mptcp_check.errors import UsageError
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.frame import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    network_layer,
)
from mptcp_check.middleboxes.registry import BEHAVIOURS, build
from mptcp_check.model import Direction
from wire_frames import damaged_frames

NAMES = sorted(BEHAVIOURS)
INTERNET = {ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6}
RNG = random.Random(1)  # noqa: S311 - a seed, no secret
DIRECTIONS = st.sampled_from((Direction.C2S, Direction.S2C))


def test_every_behaviour_but_the_link_is_in_the_catalogue() -> None:
    assert set(NAMES) - {"link"} <= set(CATALOGUE)


@pytest.mark.parametrize("name", NAMES)
def test_a_behaviour_is_named_as_its_module_and_says_what_linux_does(name: str) -> None:
    module = importlib.import_module(f"mptcp_check.middleboxes.{name}")

    assert type(build(name, link_index=0, rng=RNG)).__module__ == module.__name__
    assert module.__doc__ is not None
    assert "Real boxes:" in module.__doc__
    assert "Linux 6.18:" in module.__doc__


def test_each_link_gets_a_box_of_its_own() -> None:
    assert build("link", link_index=0, rng=RNG) is not build("link", link_index=0, rng=RNG)


def test_an_unknown_behaviour_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(UsageError, match="'mp_join_droped'") as raised:
        build("mp_join_droped", link_index=0, rng=RNG)

    assert all(name in raised.value.hint for name in NAMES)


@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(damaged_frames(), DIRECTIONS), max_size=12),
)
def test_no_behaviour_raises_whatever_the_frames_hold(
    name: str, frames: list[tuple[bytes, Direction]]
) -> None:
    chain = Chain([build(name, link_index=0, rng=RNG)])
    for number, (frame, direction) in enumerate(frames):
        chain.push(frame, direction, number)


@given(
    st.sampled_from([name for name in NAMES if name != "link"]),
    st.binary(max_size=80).filter(lambda f: (network_layer(f) or (0, 0))[0] not in INTERNET),
    DIRECTIONS,
)
def test_what_is_not_understood_passes_unchanged(
    name: str, frame: bytes, direction: Direction
) -> None:
    chain = Chain([build(name, link_index=0, rng=RNG)])

    (emission,) = chain.push(frame, direction, 0)

    assert emission.frame == frame
    assert emission.direction is direction
