import importlib
import random
import re

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
    tcp_segment,
)
from mptcp_check.middleboxes.parameters import parse
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS, build
from mptcp_check.model import Direction
from wire_frames import MP_JOIN_SYN, SYN_ACK, damaged_frames, parts, tcp_frame

NAMES = sorted(BEHAVIOURS)
INTERNET = {ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6}
RNG = random.Random(1)  # noqa: S311 - a seed, no secret
DIRECTIONS = st.sampled_from((Direction.C2S, Direction.S2C))


def test_every_behaviour_is_of_the_catalogue_or_an_impairment() -> None:
    assert set(NAMES) - IMPAIRMENTS <= set(CATALOGUE)
    assert set(NAMES) >= IMPAIRMENTS
    assert not IMPAIRMENTS & set(CATALOGUE)


@pytest.mark.parametrize("name", NAMES)
def test_a_behaviour_is_named_as_its_module_and_says_what_linux_does(name: str) -> None:
    module = importlib.import_module(f"mptcp_check.middleboxes.{name}")

    assert type(build(name, link_index=0, rng=RNG)).__module__ == module.__name__
    assert module.__doc__ is not None
    assert "Real boxes:" in module.__doc__
    assert "Linux 6.18:" in module.__doc__


def test_each_link_gets_a_box_of_its_own() -> None:
    assert build("link", link_index=0, rng=RNG) is not build("link", link_index=0, rng=RNG)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_words_and_a_meaning_and_its_default_is_what_it_is_without(
    name: str,
) -> None:
    entry = BEHAVIOURS[name]
    known = [field for field in entry.fields() if field.default is not None]
    text = ",".join(f"{field.name}={field.default}" for field in known)

    assert [field.name for field in entry.fields() if not field.doc] == []
    assert len({field.name for field in entry.fields()}) == len(entry.fields())
    defaults = None if entry.defaults is None else entry.defaults(3)
    assert parse(text, entry.parameters, defaults=defaults) == (defaults or entry.parameters())


def test_parameters_stand_behind_the_name() -> None:
    box = build("mp_join_removed:steps=syn_ack,removal=delete", link_index=0, rng=RNG)
    frame = tcp_frame(flags=SYN_ACK, options=MP_JOIN_SYN)

    (emission,) = box.on_frame(frame, Direction.S2C, 0)

    assert parts(emission.frame)[0] == b""


def test_a_nat_takes_part_of_its_parameters_from_its_link() -> None:
    box = build("address_translated:first_port=1000", link_index=2, rng=RNG)

    (emission,) = box.on_frame(tcp_frame(), Direction.C2S, 0)

    segment = tcp_segment(emission.frame)
    assert segment is not None
    assert segment.source_port == 1000
    assert segment.packet.source == bytes((10, 77, 2, 100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("link:rate_bps=0", "link: a link needs a rate above zero"),
        ("link:rate=1M", "link: no parameter is called 'rate'"),
        ("payload_altered:mask=0", "payload_altered: mask must be 1 to 255"),
        ("address_translated:mac=0x01", "address_translated: mac"),
        ("mp_join_removed:steps=fin", "mp_join_removed: steps=fin cannot be used"),
        (":", "no behaviour is called ''"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line_that_names_the_behaviour(
    text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        build(text, link_index=0, rng=RNG)

    assert "\n" not in raised.value.message
    assert raised.value.hint


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
    st.sampled_from(sorted(set(NAMES) - IMPAIRMENTS)),
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
