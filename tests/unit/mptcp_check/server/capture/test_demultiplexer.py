"""Whose a packet is: never somebody else's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.flows import crypto
from mptcp_check.server.capture.service import Claim
from ring_frames import SERVER, SERVER_6, T0_NS, Bench, S, multipath, nonce_marker, plain
from segments import ACK, PSH, SYN, Segment, Talk

NAT = "198.51.100.9"
ALICE, BOB = nonce_marker(1), nonce_marker(2)
ASK = b"GET /%s/f HTTP/1.1\r\n\r\n"


def said(marker: str) -> bytes:
    return b"GET /" + marker.encode() + b"/file HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.demultiplexer.open("a", ALICE)
    made.demultiplexer.open("b", BOB)
    return made


def test_a_connection_that_says_the_marker_is_the_sessions_from_its_syn_on(bench: Bench) -> None:
    packets = plain(said(ALICE), client=(NAT, 40000))
    bench.take(packets)
    assert bench.packets("a") == packets
    assert bench.packets("b") == []


@pytest.mark.parametrize(
    "first",
    [
        b"USER " + ALICE.encode() + b"\r\n",
        b"x" * 1900 + ALICE.upper().encode() + b"!",
        b"\x16\x03\x01\x00\xf8\x01" + bytes(100) + ALICE.encode() + b".test",
        ALICE.encode(),
    ],
    ids=["ftp", "late and in capitals", "server name of a ClientHello", "alone"],
)
def test_the_marker_is_found_in_what_the_client_says_first(bench: Bench, first: bytes) -> None:
    packets = plain(first, client=(NAT, 40000))
    bench.take(packets)
    assert bench.packets("a") == packets


def test_a_marker_in_many_segments_out_of_order_and_twice_is_found(bench: Bench) -> None:
    packets = plain(said(ALICE), client=(NAT, 40000))
    whole, base = said(ALICE), 1001
    pieces = [
        Segment(
            source=(NAT, 40000),
            destination=SERVER,
            seq=base + at,
            flags=ACK | PSH,
            payload=whole[at : at + 7],
        ).packet()
        for at in range(0, len(whole), 7)
    ]
    shuffled = packets[:3] + pieces[::-1] + pieces[:2] + packets[4:]
    bench.take(shuffled)
    assert bench.packets("a") == shuffled


def test_a_marker_that_the_server_says_or_that_nobody_has_opens_nothing(bench: Bench) -> None:
    talk = Talk()
    flow = talk.subflow((NAT, 1), SERVER)
    for end, flags, payload in ((0, SYN, b""), (1, SYN | ACK, b""), (1, ACK, said(ALICE))):
        flow.send(end, flags, (), payload)
    bench.take(talk.packets() + plain(said(nonce_marker(7)), client=(NAT, 2)))
    assert bench.delivered == {}


def test_a_second_subflow_comes_by_its_token_from_any_address(bench: Bench) -> None:
    for number, early in enumerate((False, True)):
        for version in (0, 1):
            before = bench.packets("a")
            packets = multipath(
                said(ALICE),
                client=(NAT, 40000 + number),
                other=("192.0.2.200", 41000 + number),
                keys=(10 * version + number + 1, 20 + 10 * version + number),
                version=version,
                early=early,
                isn=1000 + version,
            )
            bench.take(packets)
            got = bench.packets("a")[len(before) :]
            assert sorted(got) == sorted(packets)
    assert [flow.join for _, flow in bench.flows].count(True) == 4


def test_a_join_that_the_server_opens_is_the_connections(bench: Bench) -> None:
    talk = Talk(client_key=5, server_key=6)
    one = talk.capable(talk.subflow((NAT, 1), SERVER))
    talk.data(one, 0, said(ALICE))
    back = talk.subflow(("203.0.113.2", 80), ("192.0.2.200", 7777), (5, 6))
    talk.join(back, by_server=True)
    bench.take(talk.packets())
    assert bench.packets("a") == talk.packets()


def test_a_token_that_two_connections_have_opens_neither_file(bench: Bench) -> None:
    mine = multipath(said(ALICE), client=(NAT, 1), other=("192.0.2.1", 1), keys=(1, 99))
    other = multipath(said(BOB), client=(NAT, 2), other=("192.0.2.2", 1), keys=(2, 99), isn=77)
    bench.take(mine[:4] + other[:4])  # handshakes and markers
    bench.take(mine[4:] + other[4:])
    joins = [packet for packet in mine[4:] if b"\xc0\x00\x02\x01" in packet[12:20]]
    assert joins
    assert not set(joins) & set(bench.packets("a") + bench.packets("b"))
    # It stays so as long as both are there, and leaves nothing.
    bench.demultiplexer.close("a")
    bench.take(multipath(said(BOB), client=(NAT, 3), other=("192.0.2.3", 1), keys=(3, 99), isn=5))
    assert len(bench.demultiplexer._tokens[crypto.token(99, 1)]) == 2
    bench.demultiplexer.close("b")
    assert bench.demultiplexer._tokens == {}


def test_a_forged_key_of_the_other_side_gets_no_joins(bench: Bench) -> None:
    """Bob's ACK claims that the server's key is Alice's; the server's SYN/ACK had no key."""
    talk = Talk(client_key=5, server_key=42)
    forged = talk.capable(talk.subflow((NAT, 2), SERVER, (70, 80)), drop=1)
    talk.data(forged, 0, said(BOB))
    bench.take(talk.packets())
    mine = multipath(said(ALICE), client=(NAT, 1), other=("192.0.2.1", 1), keys=(1, 42))
    bench.take(mine)
    assert sorted(bench.packets("a")) == sorted(mine)
    assert bench.packets("b") == talk.packets()


def test_the_same_addresses_and_ports_again_are_another_connection(bench: Bench) -> None:
    first = plain(said(ALICE), client=(NAT, 40000), isn=1000)
    stranger = plain(b"no marker", client=(NAT, 40000), isn=2000)
    second = plain(said(BOB), client=(NAT, 40000), isn=3000)
    bench.take(first + stranger + second)
    assert bench.packets("a") == first
    assert bench.packets("b") == second


def test_what_began_before_we_looked_is_nobodys(bench: Bench) -> None:
    bench.take(plain(said(ALICE), client=(NAT, 1))[1:])
    assert bench.delivered == {}
    assert bench.demultiplexer.flow_count == 0


def test_what_nobody_knows_is_dropped_after_some_seconds(bench: Bench) -> None:
    packets = plain(said(ALICE), client=(NAT, 1))
    bench.take(packets[:3])
    bench.demultiplexer.expire(T0_NS + 5 * S - 1)
    assert bench.waiting.bytes_held > 0
    bench.demultiplexer.expire(T0_NS + 5 * S + 10)
    assert (bench.waiting.bytes_held, bench.demultiplexer.flow_count) == (0, 0)
    bench.take(packets[3:], at_ns=T0_NS + 6 * S)
    assert bench.delivered == {}


def test_a_flood_of_syns_sheds_itself_and_no_users_connection() -> None:
    bench = Bench(flows_max=100)
    bench.demultiplexer.open("a", ALICE)
    user = plain(said(ALICE), client=(NAT, 1))
    bench.take(user[:3])
    for wave in range(10):
        bench.take(
            [
                Segment(
                    source=(f"10.{wave}.{n // 250}.{n % 250}", 5), destination=SERVER, flags=SYN
                ).packet()
                for n in range(300)
            ]
        )
        assert bench.demultiplexer.flow_count <= 100
        assert bench.waiting.bytes_held <= 100 * 200
    bench.take(user[3:])
    assert bench.packets("a") == user
    assert bench.waiting.shed_count == 10 * 300 + 1 - 100


def test_bytes_that_wait_are_bounded_too() -> None:
    bench = Bench(bytes_max=20_000)
    bench.demultiplexer.open("a", ALICE)
    for number in range(50):
        bench.take(plain(b"x" * 1000, client=(NAT, 1 + number), isn=number))
        assert bench.waiting.bytes_held <= 20_000
    assert bench.waiting.shed_count > 0


def test_a_claim_of_a_servers_key_or_of_both_sequence_numbers_opens(bench: Bench) -> None:
    ssh = multipath(b"SSH-2.0-x", client=(NAT, 1), other=("192.0.2.1", 1), keys=(3, 4))
    bench.take(ssh)
    assert bench.demultiplexer.claim("a", [Claim(server_key=4)]) == 1
    assert sorted(bench.packets("a")) == sorted(ssh)

    smtp = plain(b"EHLO x", client=(NAT, 2), isn=123)
    numbers = Claim(client_isn=123, server_isn=123 + 5_000_000)
    assert bench.demultiplexer.claim("b", [numbers]) == 0  # it comes before the connection
    bench.take(smtp)
    assert bench.packets("b") == smtp
    assert bench.demultiplexer.claim("b", [numbers]) == 1


def test_half_of_the_sequence_numbers_or_a_wrong_key_claim_nothing(bench: Bench) -> None:
    bench.take(plain(b"EHLO x", client=(NAT, 2), isn=123))
    claims = [Claim(client_isn=123), Claim(server_isn=5_000_123), Claim(server_key=1), Claim()]
    assert bench.demultiplexer.claim("a", claims) == 0
    assert bench.demultiplexer.claim("a", [Claim(client_isn=123, server_isn=1)]) == 0
    assert bench.delivered == {}


def test_a_session_that_is_closed_gets_nothing_more_and_leaves_nothing(bench: Bench) -> None:
    packets = plain(said(ALICE), client=(NAT, 1))
    bench.take(packets[:6])
    bench.demultiplexer.close("a")
    bench.take(packets[6:] + plain(said(ALICE), client=(NAT, 9), isn=4))
    assert bench.packets("a") == packets[:6]
    bench.demultiplexer.close("b")
    bench.demultiplexer.expire(T0_NS + 60 * S)
    assert bench.demultiplexer.flow_count == 0
    assert bench.demultiplexer.idle


# ------------------------------------------------------------------------------------ FTP


def ftp(
    marker: str, line: bytes, answer: bytes, *, port: int = 40000, isn: int = 1, at: int = 21
) -> list[bytes]:
    talk = Talk()
    flow = talk.subflow((NAT, port), (SERVER[0], at), (isn, isn + 5_000_000))
    for end, flags, payload in (
        (0, SYN, b""),
        (1, SYN | ACK, b""),
        (0, ACK, b""),
        (1, ACK | PSH, b"220 ready\r\n"),
        (0, ACK | PSH, b"USER " + marker.encode() + b"\r\n"),
        (0, ACK | PSH, line),
        (1, ACK | PSH, answer),
    ):
        flow.send(end, flags, (), payload)
    return talk.packets()


@pytest.mark.parametrize(
    "answer",
    [
        b"227 Entering Passive Mode (203,0,113,1,195,80)\r\n",
        b"229 Extended Passive mode OK (|||50000|)\r\n",
    ],
)
def test_ftps_passive_data_is_found_by_the_announced_port(bench: Bench, answer: bytes) -> None:
    control = ftp(ALICE, b"EPSV\r\n", answer)
    data = plain(b"", client=(NAT, 40001), server=(SERVER[0], 50000), isn=50)
    bench.take(control + data)
    assert bench.packets("a") == control + data
    again = plain(b"", client=(NAT, 40002), server=(SERVER[0], 50000), isn=90)
    bench.take(again)  # one announcement, one connection
    assert bench.packets("a") == control + data


@pytest.mark.parametrize(
    "line", [b"PORT 10,0,0,9,195,80\r\n", b"EPRT |1|10.0.0.9|50000|\r\n", b"eprt |2|::1|50000|\r\n"]
)
def test_ftps_active_data_goes_to_the_controls_own_address_whatever_it_says(
    bench: Bench, line: bytes
) -> None:
    control = ftp(ALICE, line, b"200 fine\r\n")
    data = plain(b"", client=(SERVER[0], 20), server=(NAT, 50000), isn=50)
    elsewhere = plain(b"", client=(SERVER[0], 20), server=("10.0.0.9", 50000), isn=60)
    bench.take(control + elsewhere + data)
    assert bench.packets("a") == control + data


def test_only_ftps_own_servers_announce_connections(bench: Bench) -> None:
    # who has an echo's words, or an IRC server's USER, could announce a neighbour's connection
    echoed = b"227 Entering Passive Mode (203,0,113,1,0,80)\r\n"
    bench.take(ftp(ALICE, echoed, echoed, at=7))
    neighbours = plain(said(BOB), client=(NAT, 40001), isn=50)
    bench.take(neighbours)
    assert bench.packets("b") == neighbours
    assert not set(neighbours) & set(bench.packets("a"))


def test_a_client_announces_no_connection_to_the_server(bench: Bench) -> None:
    bench.take(ftp(ALICE, b"PORT 10,0,0,9,0,80\r\n", b"200 fine\r\n"))
    neighbours = plain(said(BOB), client=(NAT, 40001), isn=50)
    bench.take(neighbours)
    assert bench.packets("b") == neighbours
    assert not set(neighbours) & set(bench.packets("a"))


def test_data_that_two_users_behind_one_address_announce_is_neithers(bench: Bench) -> None:
    for marker, port in ((ALICE, 1), (BOB, 2)):
        bench.take(ftp(marker, b"EPSV\r\n", b"229 x (|||50000|)\r\n", port=port, isn=port))
    data = plain(b"", client=(NAT, 40001), server=(SERVER[0], 50000), isn=50)
    bench.take(data)
    assert not set(data) & set(bench.packets("a") + bench.packets("b"))


# ------------------------------------------------------------------------ many at once


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[tuple[int, list[bytes]]], list[int], list[int]]:
    """Draw users with their packets, the order in which they come, and where batches end."""
    users = []
    for number in range(draw(st.integers(2, 6))):
        has_session = draw(st.booleans()) or number < 2
        first = said(nonce_marker(number + 1)) if has_session else b"GET / HTTP/1.1\r\n\r\n"
        isn = 1_000_000_000 + number * 30_000_000
        # Ports of one address are reused by the next user of a pair: what a translator does.
        address, port = draw(st.sampled_from([(NAT, 1000), (f"192.0.2.{number}", 1000)]))
        client = (address, port + number)
        kind = draw(st.sampled_from(["plain", "multipath", "early", "v6"]))
        if kind == "plain":
            packets = plain(first, client=client, isn=isn, more=draw(st.integers(0, 4)))
        elif kind == "v6":
            six = (f"2001:db8:1::{number + 1:x}", port)
            packets = plain(first, client=six, server=SERVER_6, isn=isn)
        else:
            packets = multipath(
                first,
                client=client,
                other=(NAT, 2000 + number),
                isn=isn,
                keys=(100 + number, 200 + number),
                early=kind == "early",
            )
        users.append((number + 1 if has_session else 0, packets))
    order = draw(st.permutations([n for n, (_, ps) in enumerate(users) for _ in ps]))
    cuts = draw(st.lists(st.integers(0, len(order)), max_size=8))
    return users, list(order), sorted(cuts)


@settings(max_examples=60)
@given(crowds())
def test_every_session_gets_all_of_its_own_packets_and_no_other(
    crowd: tuple[list[tuple[int, list[bytes]]], list[int], list[int]],
) -> None:
    users, order, cuts = crowd
    bench = Bench()
    for session, _ in users:
        if session:
            bench.demultiplexer.open(str(session), nonce_marker(session))
    waiting = [iter(packets) for _, packets in users]
    stream = [next(waiting[user]) for user in order]
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start < end:
            bench.take(stream[start:end])

    for session, packets in users:
        if session:
            assert sorted(bench.packets(str(session))) == sorted(packets)
    assert bench.packets("0") == []
    bench.demultiplexer.expire(T0_NS + 3600 * S)
    assert bench.waiting.bytes_held == 0


@given(st.lists(st.binary(max_size=120), max_size=20))
def test_no_bytes_raise_or_come_into_a_file(packets: list[bytes]) -> None:
    bench = Bench()
    bench.demultiplexer.open("a", ALICE)
    bench.take(packets)
    assert bench.delivered == {}
