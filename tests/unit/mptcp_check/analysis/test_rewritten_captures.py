"""Property: a behaviour that is played onto one end of a clean pair is found, whatever its
parameters; onto nothing, nothing is found.
"""

import functools
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.diagnosed import CLEAN, capture_path
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.lab.rewriting import rewrite
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.behaviour import Behaviour, Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.crafting import Road
from mptcp_check.middleboxes.frame import tcp_segment
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS
from mptcp_check.model import Direction, Side

RECEIVER = {Direction.C2S: Side.SERVER, Direction.S2C: Side.CLIENT}
REMOVAL = st.sampled_from(["nop", "delete"])
EITHER = st.sampled_from([Direction.C2S, Direction.S2C])
C2S, S2C = st.just(Direction.C2S), st.just(Direction.S2C)


def numbers(name: str, low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda value: f"{name}={value}")


def removal() -> st.SearchStrategy[str]:
    return REMOVAL.map(lambda value: f"removal={value}")


# the pair is of a download: only the server sends much
PASSIVE = {
    "mp_capable_removed_from_syn": (C2S, removal()),
    "mp_capable_removed_from_synack": (S2C, removal()),
    "mp_join_removed": (EITHER, removal()),
    "mptcp_option_removed_from_data": (EITHER, removal()),
    "mptcp_option_removed_midstream": (EITHER, numbers("first_segment", 10, 14)),
    "payload_altered": (S2C, numbers("mask", 1, 255)),
    "mss_clamped": (EITHER, numbers("mss_bytes", 200, 1300)),
    "tcp_option_removed": (EITHER, removal()),
    "window_altered": (EITHER, numbers("percent", 1, 90)),
    "dscp_altered": (EITHER, numbers("dscp", 1, 63)),
    "ttl_altered": (EITHER, numbers("value", 65, 255)),
    "segments_split": (S2C, st.just("")),
    "timestamp_altered": (EITHER, st.just("")),
    "ip_id_altered": (EITHER, st.just("")),
    "checksum_invalid": (EITHER, st.just("")),
    "tcp_option_altered": (EITHER, st.integers(1461, 9000).map(lambda n: f"value=0x{n:04x}")),
    "window_scale_altered": (EITHER, st.sampled_from(["change=-1", "change=-14", "change=3"])),
    "mp_capable_key_altered": (S2C, numbers("mask", 1, 255)),
    "payload_resized": (S2C, numbers("growth_bytes", -300, -1) | numbers("growth_bytes", 1, 60)),
    # later ones come when an end is closing, and hosts reset then too
    "reset_injected": (EITHER, numbers("after_count", 4, 13)),
}
"""What shows in captures though both ends went on as if nothing had happened: which direction it
is played on, and with what.
"""


ANSWERED = {"sequence_numbers_rewritten", "address_translated"}
"""What an end answers to: what leaves it has the numbers or addresses that it was shown."""

WENT_ON = "the other end went on with what was dropped: so the capture may have lost it"
NOTHING = "nothing in the pair gives it something to do"
LEFT_OUT = {
    "mp_capable_syn_dropped": WENT_ON,
    "mp_capable_synack_dropped": WENT_ON,
    "mp_capable_syn_reset": WENT_ON,
    "mp_join_dropped": WENT_ON,
    "mp_join_reset": WENT_ON,
    "long_options_dropped": WENT_ON,
    "mptcp_data_dropped": WENT_ON,
    "path_blackholed": WENT_ON,
    "mptcp_option_echoed": "what it gives back stands in the other end's capture",
    "acked_by_middlebox": "its ACKs reach the sender, what they are for reaches the receiver",
    "connection_proxied": "it speaks with both ends, and a capture does not answer",
    "segments_coalesced": "the segments of the pair are full: two of them do not fit one",
    "add_addr_removed": NOTHING,
    "unknown_option_removed": NOTHING,
    "unknown_option_echoed": NOTHING,
    "unknown_option_dropped": NOTHING,
    "option_padding_sensitive": NOTHING,
    "ecn_cleared": NOTHING,
    "urgent_pointer_cleared": NOTHING,
    "reserved_bits_cleared": NOTHING,
    "retransmission_altered": NOTHING,
    "hole_blocked": NOTHING,
    "ack_hole_altered": NOTHING,
}
"""What cannot be shown by a rewritten capture of one end, and why; the lab plays it."""


class AtOneEnd:
    """A box as one end sees it: what arrives has passed it, what leaves has not yet.

    What leaves answers to what has arrived, so it is rewritten by what undoes the box.
    """

    def __init__(
        self, box: Behaviour, undo: Callable[[bytes, Direction], bytes], arriving: Direction
    ) -> None:
        self._box, self._undo, self._arriving = box, undo, arriving

    @property
    def acted_count(self) -> int:
        return self._box.acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        # both see everything: a connection is known by its SYN, whichever way that goes
        passed = self._box.on_frame(frame, direction, now_ns)
        undone = Emission(frame=self._undo(frame, direction), direction=direction, at_ns=now_ns)
        return passed if direction is self._arriving else (undone,)


def turned(frame: bytes) -> bytes:
    """Return a TCP segment as if its receiver had sent it; no checksum changes by that."""
    segment = tcp_segment(frame)
    assert segment is not None
    road = Road.along(segment).back()
    packet = segment.packet
    parts = [
        road.ethernet,
        frame[packet.offset : packet.addresses.start],
        road.addresses,
        road.ports,
        frame[packet.transport + 4 :],
    ]
    return b"".join(parts)


@functools.cache
def original(side: Side) -> Capture:
    return read(capture_path(CLEAN, side).read_bytes())


def box(text: str) -> Behaviour:
    return registry.build(text, link_index=0, rng=random.Random(0))  # noqa: S311 - reproducible


def behind(text: str, side: Side) -> Capture:
    """Return one end's capture as if a behaviour had stood before it."""
    return rewritten(box(text), side)


def rewritten(behaviour: Behaviour, side: Side) -> Capture:
    chain = Chain([behaviour])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rewritten.pcapng"
        rewrite(capture_path(CLEAN, side), target, chain)
        return read(target.read_bytes())


@pytest.mark.parametrize("behaviour", sorted(PASSIVE))
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_what_is_played_onto_one_end_is_found(behaviour: str, data: st.DataObject) -> None:
    directions, parameters = PASSIVE[behaviour]
    direction = data.draw(directions)
    rest = data.draw(parameters)
    side = RECEIVER[direction]
    text = f"{behaviour}:" + ",".join(filter(None, [f"direction={direction.value}", rest]))

    ends = {each: original(each) for each in Side} | {side: behind(text, side)}
    causes = diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes

    assert {cause.behaviour for cause in causes} == {behaviour}
    assert {cause.direction for cause in causes} == {direction}


@settings(max_examples=12, deadline=None)
@given(direction=EITHER, offset=st.integers(1, 2**32 - 1))
def test_numbers_that_an_end_was_shown_otherwise_are_found(
    direction: Direction, offset: int
) -> None:
    there, back = (
        box(f"sequence_numbers_rewritten:direction={direction},{direction}_offset={added}")
        for added in (offset, 2**32 - offset)
    )
    side = RECEIVER[direction]

    def undone(frame: bytes, way: Direction) -> bytes:
        (emission,) = back.on_frame(frame, way, 0)
        return emission.frame

    ends = {each: original(each) for each in Side} | {
        side: rewritten(AtOneEnd(there, undone, direction), side)
    }
    causes = diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes

    assert {(c.behaviour, c.direction) for c in causes} == {
        ("sequence_numbers_rewritten", direction)
    }


@settings(max_examples=12, deadline=None)
@given(host=st.integers(20, 250), first_port=st.integers(1024, 60_000))
def test_addresses_that_the_server_was_shown_otherwise_are_found(
    host: int, first_port: int
) -> None:
    outer = bytes((10, 77, 0, host)).hex()
    nat = box(f"address_translated:outer_ipv4=0x{outer},first_port={first_port}")

    def undone(frame: bytes, way: Direction) -> bytes:
        if way is Direction.C2S:
            return frame
        (emission,) = nat.on_frame(turned(frame), Direction.C2S, 0)
        return turned(emission.frame)

    ends = {
        Side.CLIENT: original(Side.CLIENT),
        Side.SERVER: rewritten(AtOneEnd(nat, undone, Direction.C2S), Side.SERVER),
    }
    causes = diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes

    assert len(ends[Side.SERVER].packets) == len(original(Side.SERVER).packets)
    assert {cause.behaviour for cause in causes} == {"address_translated"}


def test_every_behaviour_is_played_or_there_is_a_reason() -> None:
    played = PASSIVE.keys() | ANSWERED

    assert not played & LEFT_OUT.keys()
    assert played | LEFT_OUT.keys() == BEHAVIOURS.keys() - IMPAIRMENTS


@pytest.mark.parametrize("side", list(Side))
def test_nothing_is_found_where_nothing_is_played(side: Side) -> None:
    ends = {each: original(each) for each in Side} | {side: behind("link", side)}

    assert diagnose(ends[Side.CLIENT], ends[Side.SERVER]).causes == ()
