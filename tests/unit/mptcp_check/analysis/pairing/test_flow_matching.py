"""Flows find each other by what is left, and stay alone where nothing tells them apart."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import Clue, PairedConnection
from mptcp_check.model import Direction, Side
from pcap_frames import pcap_with, tcp_frame

SYN, SYN_ACK, ACK, PSH, FIN = 0x02, 0x12, 0x10, 0x18, 0x11
CLOCK_NS = 5_000_000_000
DELAY_NS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A plain TCP connection as one end sees it; its twin at the other end is made of it."""

    port: int
    begin_ns: int = 0
    client: str = "10.0.0.1"
    server: str = "10.0.0.2"
    isn: tuple[int, int] = (1000, 9000)
    up: bytes = b"GET /a HTTP/1.1\r\n\r\n"
    down: bytes = b""
    mss: int = 1000
    ip_id: int = 1
    server_first: bool = False
    late: bool = False
    """The capture began after the handshake."""

    def frames(self) -> Iterator[tuple[int, bytes]]:
        now = self.begin_ns
        ends = ((self.client, self.port), (self.server, 80))
        sent = [0, 0]

        def frame(end: int, flags: int, data: bytes = b"") -> bytes:
            seq = self.isn[end] + sent[end]
            ack = self.isn[1 - end] + sent[1 - end] if flags & ACK else 0
            sent[end] += len(data) + bool(flags & 3)
            return tcp_frame(
                ends[end], ends[1 - end], seq=seq, ack=ack, flags=flags, payload=data,
                ip_id=self.ip_id,
            )  # fmt: skip

        steps: list[tuple[int, int, bytes]] = [(0, SYN, b""), (1, SYN_ACK, b""), (0, ACK, b"")]
        streams = [(0, self.up), (1, self.down)]
        for end, stream in reversed(streams) if self.server_first else streams:
            pieces = [stream[at : at + self.mss] for at in range(0, len(stream), self.mss)]
            steps += [(end, PSH, piece) for piece in pieces]
        steps += [(0, FIN, b""), (1, FIN, b"")]
        for number, (end, flags, data) in enumerate(steps):
            made = frame(end, flags, data)
            if not self.late or number > 4:
                yield now + number * 200_000, made


def content(seed: int, count: int) -> bytes:
    return hashlib.shake_128(b"%d" % seed).digest(count)


def capture_of(talks: Iterable[Talk], *, ahead_ns: int = 0) -> bytes:
    records = [
        (10**18 + ahead_ns + time_ns, frame) for talk in talks for time_ns, frame in talk.frames()
    ]
    records.sort(key=lambda record: record[0])
    return pcap_with(records)


def paired(here: Iterable[Talk], there: Iterable[Talk]) -> tuple[PairedConnection, ...]:
    server = capture_of(there, ahead_ns=CLOCK_NS + DELAY_NS)
    return pair(read(capture_of(here)), read(server))


def ports(found: Iterable[PairedConnection]) -> dict[int, int]:
    """Return which client port here is which there, of what is in both captures."""
    return {
        c.subflows[0].views[Side.CLIENT].client.port: c.subflows[0].views[Side.SERVER].client.port
        for c in found
        if len(c.views) == len(Side)
    }


def elsewhere(talk: Talk, **changes: object) -> Talk:
    """Return the second connection of a proxy: everything that the ends make is another's."""
    other: Talk = replace(
        talk,
        **{  # type: ignore[arg-type] # any field
            "port": talk.port + 20_000,
            "client": "198.51.100.7",
            "isn": (talk.isn[0] ^ 0x5555_5555, talk.isn[1] ^ 0x7777_7777),
            "mss": 1460,
            "ip_id": 77,
            **changes,
        },
    )
    return other


LONG = Talk(port=4000, up=content(1, 300), down=content(2, 30_000))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        pytest.param(LONG, elsewhere(LONG), id="client first"),
        pytest.param(
            replace(LONG, server_first=True), elsewhere(LONG, server_first=True), id="server first"
        ),
        pytest.param(
            LONG,
            elsewhere(LONG, down=LONG.down[:9_000] + b"inserted" + LONG.down[9_000:]),
            id="resized",
        ),
        pytest.param(
            LONG,
            elsewhere(LONG, down=bytes(400) + LONG.down[400:], up=LONG.up[:250] + bytes(50)),
            id="altered at the places that are sampled",
        ),
        pytest.param(
            LONG, elsewhere(LONG, client="2001:db8::7", server="2001:db8::2"), id="IPv6 there"
        ),
        pytest.param(LONG, replace(LONG, client="64:ff9b::1", server="64:ff9b::2"), id="NAT64"),
        pytest.param(LONG, replace(LONG, late=True, client="198.51.100.7"), id="late, NAT"),
        pytest.param(
            replace(LONG, port=70), elsewhere(replace(LONG, port=70), late=True), id="late, proxied"
        ),
    ],
)
def test_one_connection_is_found_among_strangers(here: Talk, there: Talk) -> None:
    strangers = [
        Talk(port=5_000 + n, isn=(n, n * 7), begin_ns=n * 3_000_000, up=content(50 + n, 200))
        for n in range(20)
    ]
    noise = [replace(s, port=s.port + 500, up=content(s.port, 200), isn=(5, 6)) for s in strangers]

    for ours, theirs in (([here, *strangers], [there]), ([here], [there, *noise])):
        found = ports(paired(ours, theirs))
        assert list(found) == [here.port] or (there.late and len(found) == 1)


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(2, 30))
def test_many_proxied_connections_are_told_apart_by_their_payload(
    rng: random.Random, count: int
) -> None:
    talks = [
        Talk(port=4000 + n, begin_ns=rng.randrange(10**9), up=b"GET /", down=content(n, 3_000))
        for n in range(count)
    ]
    others = [elsewhere(talk) for talk in talks]
    rng.shuffle(others)

    assert ports(paired(talks, others)) == {t.port: t.port + 20_000 for t in talks}


def test_like_connections_that_are_far_apart_are_told_apart_by_the_clocks() -> None:
    talks = [Talk(port=4000 + n, begin_ns=n * 50_000_000, down=b"ok\n" * 200) for n in range(30)]

    found = ports(paired(talks, [elsewhere(talk) for talk in talks]))

    assert found == {t.port: t.port + 20_000 for t in talks}


@settings(deadline=None, max_examples=60)
@given(
    gaps=st.lists(st.integers(0, 30_000_000), min_size=2, max_size=12),
    waits=st.lists(st.integers(0, 20_000_000), min_size=12, max_size=12),
    missing=st.sets(st.integers(0, 11), max_size=3),
    anchored=st.booleans(),
)
def test_like_connections_are_never_mistaken_for_each_other(
    *, gaps: list[int], waits: list[int], missing: set[int], anchored: bool
) -> None:
    """Each is delayed by another time, some are in one capture only: right or alone, not wrong."""
    known = Talk(port=3999, up=content(9, 500), down=content(10, 500))
    talks, now = [], 0
    for number, gap in enumerate(gaps):
        now += gap
        talks.append(Talk(port=4000 + number, begin_ns=now, down=b"ok\n" * 200))
    others = [
        elsewhere(talk, begin_ns=talk.begin_ns + wait)
        for number, (talk, wait) in enumerate(zip(talks, waits, strict=False))
        if number not in missing
    ]
    anchors = [
        replace(known, port=3900 + n, begin_ns=n * 10**7, isn=(n, 9 * n))
        for n in range(3 if anchored else 0)
    ]
    found = ports(paired([*talks, *anchors], [*others, *anchors]))
    right = {t.port: t.port + 20_000 for t in talks} | {a.port: a.port for a in anchors}
    assert found.items() <= right.items()
    assert {a.port for a in anchors} <= found.keys()


def test_three_hundred_parallel_connections_through_a_proxy() -> None:
    talks = [
        Talk(port=4000 + n, begin_ns=n % 10 * 1_000, up=b"GET /f", down=content(n, 1_200))
        for n in range(300)
    ]

    found = paired(talks, [elsewhere(talk) for talk in talks])

    assert ports(found) == {t.port: t.port + 20_000 for t in talks}
    assert not any(c.subflows[0].is_one_connection for c in found)


def test_two_downloads_of_one_file_are_no_pair_when_the_captures_are_of_two_days() -> None:
    day_ns = 86_400 * 10**9

    assert ports(paired([LONG], [elsewhere(LONG, begin_ns=day_ns)])) == {}


def test_sides_that_are_swapped_are_paired_all_the_same() -> None:
    server = capture_of([LONG], ahead_ns=CLOCK_NS + DELAY_NS)

    (found,) = pair(read(server), read(capture_of([LONG])))

    assert set(found.views) == set(Side)


def test_the_opener_of_a_late_capture_is_who_the_other_capture_saw_open() -> None:
    """Without a SYN the opener is guessed by the ports, and a NAT changes ports."""
    here = replace(LONG, port=40_000)
    (found,) = paired([here], [replace(here, late=True, port=60)])

    assert set(found.views) == set(Side)
    ends = {side: view.server.port for side, view in found.subflows[0].views.items()}
    assert ends == {Side.CLIENT: 80, Side.SERVER: 80}
    assert Clue.SEQUENCE in found.subflows[0].paired_by


@settings(deadline=None, max_examples=30)
@given(
    at=st.integers(2_000, 20_000),
    grown=st.integers(0, 200),
    cut=st.integers(0, 200),
    mss=st.integers(300, 1460),
)
def test_bytes_behind_a_resized_place_are_found_where_they_moved(
    at: int, grown: int, cut: int, mss: int
) -> None:
    """The server's stream reaches the client with some bytes cut out and others put in."""
    arrived = LONG.down[:at] + b"\x00" * grown + LONG.down[at + cut :]
    (found,) = paired([replace(LONG, down=arrived, mss=mss)], [LONG])
    pieces = found.subflows[0].lanes[Direction.S2C].byte_map

    for start, end, shift in zip(
        pieces.start.tolist(), pieces.end.tolist(), pieces.shift.tolist(), strict=True
    ):
        if end <= at or start >= at + cut + 200:
            assert LONG.down[start:end] == arrived[start + shift : end + shift]
    assert pieces.shifts[-1][1] == grown - cut
    assert pieces.resized is (grown != cut)
