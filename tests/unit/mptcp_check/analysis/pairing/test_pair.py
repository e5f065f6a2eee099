"""Connections of two captures find each other though the path rewrites what it likes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.flows.connections import Role
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import Clue, PairedConnection
from mptcp_check.model import Direction, Side
from traces import HANDSHAKE, TWO_PATHS, Path, captures

PLAIN = """
    0.000 > SYN
    0.020 < SYN/ACK
    0.040 > ACK
    0.041 > PSH data=900
    0.060 < PSH data=900
    0.080 > FIN
    0.090 < FIN
"""
ELSEWHERE = ("198.51.100.7", 61_000)


def paired(text: str, path: Path | None = None) -> tuple[PairedConnection, ...]:
    return pair(*captures(text, path))


def clues(text: str, path: Path | None = None) -> set[Clue]:
    (connection,) = paired(text, path)
    assert set(connection.views) == set(Side)
    return set(connection.subflows[0].paired_by)


def many(text: str, count: int) -> str:
    """Return a trace with as many copies of a connection, one every 10 ms."""
    lines = []
    for number in range(count):
        for line in filter(None, map(str.strip, text.splitlines())):
            time_s, *words = line.split()
            name = words.pop(0) if words[0] not in "<>" else "0"
            moved = f"{number}{name[1:]}"
            lines.append((float(time_s) + number * 0.01, f"{moved} {' '.join(words)}"))
    return "\n".join(f"{time_s:.6f} {rest}" for time_s, rest in sorted(lines))


@pytest.mark.parametrize(
    ("text", "path", "lost"),
    [
        pytest.param(TWO_PATHS, Path(), set(), id="nothing rewritten"),
        pytest.param(TWO_PATHS, Path(seen_by_server={"0": ELSEWHERE}), {Clue.ADDRESSES}, id="NAT"),
        pytest.param(
            TWO_PATHS,
            Path(seen_by_server={"0": ELSEWHERE}, isn_shift={"0": (9, 1 << 31)}),
            {Clue.ADDRESSES, Clue.ISN_OPENER, Clue.ISN_LISTENER},
            id="NAT and other sequence numbers",
        ),
        pytest.param(
            TWO_PATHS.replace("SYN mpc", "SYN mpc => -mpc tsval=5"),
            Path(),
            {Clue.TIMESTAMP},
            id="timestamps rewritten",
        ),
        pytest.param(
            PLAIN.replace("SYN\n", "SYN => tsval=5\n"),
            Path(isn_shift={"0": (9, 9)}),
            {Clue.ISN_OPENER, Clue.ISN_LISTENER, Clue.TIMESTAMP},
            id="plain TCP, all that the ends make rewritten",
        ),
    ],
)
def test_what_the_path_rewrites_is_not_needed(text: str, path: Path, lost: set[Clue]) -> None:
    assert clues(text, path).isdisjoint(lost)


def test_equal_addresses_alone_pair_nothing() -> None:
    client, _ = captures("0.000 > SYN\n0.020 < SYN/ACK\n0.040 > ACK")
    # the same four numbers, another connection: other sequence numbers, another time
    _, server = captures(
        "900.000 > SYN tsval=7\n900.020 < SYN/ACK\n900.040 > ACK",
        Path(isn_shift={"0": (77, 78)}),
    )

    assert [len(connection.views) for connection in pair(client, server)] == [1, 1]


def test_a_port_used_again_long_after_is_another_connection() -> None:
    again = """
        {0}.000 1 > SYN {1}
        {0}.020 1 < SYN/ACK {2}
        {0}.040 1 > ACK {1}
        {0}.041 1 > PSH data=900 at=0 {1}
    """
    text = TWO_PATHS + again.format(1, "=> lost", "injected")
    text += again.format(900, "injected tsval=9", "=> lost")

    found = paired(text, Path(isn_shift={"1": (1_000, 2_000)}))

    assert sorted(len(connection.views) for connection in found) == [1, 1, 2]


def test_joins_whose_option_was_removed_stay_with_their_connection() -> None:
    (connection,) = paired(
        TWO_PATHS.replace("0.1 > SYN join", "0.1 > SYN join => -join nop=12"),
        Path(seen_by_server={"0.1": ELSEWHERE}),
    )

    assert [subflow.role for subflow in connection.subflows] == [Role.INITIAL, Role.JOIN]
    assert len(connection.views[Side.SERVER]) == 2


def test_a_join_that_the_server_opened_goes_the_other_way() -> None:
    (connection,) = paired(
        HANDSHAKE
        + """
        0.041 > PSH data=100 mpc
        0.060 < ACK dss
        0.100 0.1 < SYN join
        0.120 0.1 > SYN/ACK join
        0.140 0.1 < ACK join
        """
    )

    initial, join = connection.subflows
    assert (initial.opening, join.opening) == (Direction.C2S, Direction.S2C)
    assert join.opener.sender is Side.SERVER


def test_who_opened_is_known_by_who_waited() -> None:
    (connection,) = paired("0.000 < SYN mpc\n0.020 > SYN/ACK mpc\n0.040 < ACK mpc")

    assert connection.client_side is Side.SERVER
    assert connection.subflows[0].opener.sender is Side.SERVER


@pytest.mark.parametrize("offset_ns", [0, 3_000_000_000, -86_400_000_000_000])
def test_the_clocks_difference_is_bounded_by_what_crossed(offset_ns: int) -> None:
    (connection,) = paired(TWO_PATHS, Path(clock_offset_ns=offset_ns))

    assert connection.clock is not None
    assert connection.clock.low_ns <= offset_ns <= connection.clock.high_ns
    assert connection.clock.high_ns - connection.clock.low_ns <= 20_000_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TWO_PATHS, id="Multipath TCP"),
        pytest.param(PLAIN, id="plain TCP"),
        pytest.param(PLAIN.replace("> SYN", "> SYN tsval=5"), id="all with one timestamp"),
    ],
)
def test_many_like_connections_at_once_keep_apart(text: str) -> None:
    count = 40
    path = Path(
        seen_by_server={str(n): ("198.51.100.7", 2_000 + n) for n in range(count)},
        isn_shift={str(n): (n * 1_000, n * 77) for n in range(count)},
    )

    found = paired(many(text, count), path)

    assert len(found) == count
    for number, connection in enumerate(found):
        ports = {side: view.client.port for side, view in connection.subflows[0].views.items()}
        assert ports == {Side.CLIENT: 40_000 + 10 * number, Side.SERVER: 2_000 + number}


def test_captures_that_began_late_are_paired_by_their_sequence_numbers() -> None:
    late = "\n".join(line for line in PLAIN.splitlines() if "SYN" not in line)
    client, _ = captures(PLAIN)
    _, server = captures(late)

    (connection,) = pair(client, server)

    assert Clue.SEQUENCE in connection.subflows[0].paired_by


def test_captures_of_different_exchanges_have_nothing_in_common() -> None:
    client, _ = captures(many(TWO_PATHS, 1))
    _, server = captures(many(TWO_PATHS, 2).replace(" 0 ", " 5 ").replace(" 0.1 ", " 5.1 "))
    alone = [c for c in pair(client, server) if len(c.views) == 1]

    assert len(alone) >= 2


@pytest.mark.parametrize("server", [None, read(b""), read(b"\xa1\xb2\xc3\xd4" + b"\0" * 20)])
def test_one_capture_or_an_empty_one_gives_one_sided_views(server: Capture | None) -> None:
    client, _ = captures(TWO_PATHS)

    (connection,) = pair(client, server)

    assert set(connection.views) == {Side.CLIENT}
    assert connection.one_sided is (server is None)


def test_two_empty_captures_give_nothing() -> None:
    assert pair(read(b""), read(b"")) == ()


@settings(deadline=None)  # the first call compiles the kernels
@given(st.integers(-(10**15), 10**15), st.randoms(use_true_random=False))
def test_neither_the_clock_nor_the_order_in_the_file_matters(
    offset_ns: int, rng: random.Random
) -> None:
    path = Path(clock_offset_ns=offset_ns, shuffle=rng)

    (connection,) = paired(TWO_PATHS, path)

    assert [len(s.views) for s in connection.subflows] == [2, 2]
    assert connection.client_side is Side.CLIENT
