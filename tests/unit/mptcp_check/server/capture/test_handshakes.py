"""What is counted of a session's own connections, and of nobody else's."""

import pytest

from mptcp_check.server.capture.handshakes import Handshakes
from ring_frames import SERVER, Bench, multipath, nonce_marker, plain, plain_handshake
from segments import ACK, PSH, Talk

NAT = "198.51.100.9"
ALICE = nonce_marker(1)
SAID = b"GET /" + ALICE.encode() + b"/file HTTP/1.1\r\n\r\n"
LOGIN = b"USER " + ALICE.encode() + b"\r\n"


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.demultiplexer.open("a", ALICE)
    return made


def counted(bench: Bench) -> Handshakes:
    return bench.demultiplexer.handshakes("a")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_with_a_second_subflow_is_one_and_a_join(
    bench: Bench,
    at_once: bool,  # noqa: FBT001 - a case
) -> None:
    packets = multipath(SAID, client=(NAT, 1), other=("192.0.2.9", 2))
    for batch in [packets] if at_once else [[packet] for packet in packets]:
        bench.take(batch)

    assert counted(bench) == Handshakes(
        from_client_count=1,
        from_client_capable_count=1,
        from_client_answered_count=1,
        joins_from_client_count=1,
        joins_from_client_completed_count=1,
    )


def test_plain_connections_and_strangers_are_told_apart(bench: Bench) -> None:
    bench.take(plain(SAID, client=(NAT, 1)))
    bench.take(multipath(b"somebody else", client=(NAT, 2), other=("192.0.2.9", 2), isn=5))

    assert counted(bench) == Handshakes(from_client_count=1)


def test_a_client_that_goes_on_without_the_option_fell_back(bench: Bench) -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow((NAT, 1), SERVER), drop=2)  # the third packet without it
    flow.send(0, ACK | PSH, (), SAID)
    bench.take(talk.packets())

    found = counted(bench)
    assert (found.from_client_answered_count, found.from_client_fallback_count) == (1, 1)


def test_a_server_that_answers_without_the_option_did_not_fall_back_later(bench: Bench) -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow((NAT, 1), SERVER), drop=1)
    flow.send(0, ACK | PSH, (), SAID)
    bench.take(talk.packets())

    found = counted(bench)
    assert (found.from_client_capable_count, found.from_client_answered_count) == (1, 0)
    assert found.from_client_fallback_count == 0


@pytest.mark.parametrize("capable", [True, False])
def test_data_connections_of_active_ftp_are_the_servers(
    bench: Bench,
    capable: bool,  # noqa: FBT001 - a case
) -> None:
    talk = Talk()
    control = talk.subflow((NAT, 1), ("203.0.113.1", 21))
    plain_handshake(control)
    control.send(0, ACK | PSH, (), LOGIN)
    control.send(0, ACK | PSH, (), b"EPRT |1|10.0.0.1|7777|\r\n")
    bench.take(talk.packets())
    data = Talk(client_key=77, server_key=88)
    flow = data.subflow(("203.0.113.1", 20), (NAT, 7777))
    if capable:
        data.capable(flow)
    else:
        plain_handshake(flow)
    bench.take(data.packets())

    assert counted(bench) == Handshakes(
        from_client_count=1,
        from_server_count=1,
        from_server_capable_count=int(capable),
        from_server_answered_count=int(capable),
    )


def test_a_join_belongs_to_whom_its_token_is_not(bench: Bench) -> None:
    talk = Talk(client_key=5, server_key=6)
    one = talk.capable(talk.subflow((NAT, 1), SERVER))
    talk.data(one, 0, SAID)
    back = talk.subflow(("203.0.113.2", 80), ("192.0.2.200", 7777), (5, 6))
    talk.join(back, by_server=True)
    bench.take(talk.packets())

    found = counted(bench)
    assert (found.joins_from_server_count, found.joins_from_server_answered_count) == (1, 1)
    assert found.joins_from_client_count == 0


def test_counts_only_grow_when_ports_are_used_again(bench: Bench) -> None:
    for number in range(3):
        bench.take(plain(SAID, client=(NAT, 1), isn=1000 * (number + 1)))
        assert counted(bench).from_client_count == number + 1


def test_a_session_that_is_closed_or_unknown_has_none(bench: Bench) -> None:
    bench.take(plain(SAID, client=(NAT, 1)))
    bench.demultiplexer.close("a")

    assert counted(bench) == Handshakes()
    assert bench.demultiplexer.handshakes("nobody") == Handshakes()
