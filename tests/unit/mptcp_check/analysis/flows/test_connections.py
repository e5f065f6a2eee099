from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.connections import (
    Close,
    Connection,
    HmacState,
    Kind,
    Role,
    connections,
)
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.options.mptcp_values import AddAddr, MpCapable, MpFastclose
from segments import (
    ACK,
    CLIENT,
    CLIENT_2,
    CLIENT_KEY,
    FIN,
    RST,
    SERVER,
    SERVER_KEY,
    SYN,
    Talk,
)

GOLDEN = Path(__file__).parents[4] / "golden" / "captures"
VERSIONS = pytest.mark.parametrize("version", [0, 1])


def found(talk: Talk, *, snap_bytes: int = 262_144) -> tuple[Connection, ...]:
    octets = cf.pcap(talk.packets(), link_type=RAW, snap_bytes=snap_bytes)
    return connections(read(octets).packets)


def only(talk: Talk) -> Connection:
    (connection,) = found(talk)
    return connection


@VERSIONS
def test_a_handshake_with_the_option_in_each_step_is_multipath_tcp(version: int) -> None:
    talk = Talk(version=version, checksum=True)
    talk.capable(talk.subflow())
    connection = only(talk)

    assert connection.kind is Kind.MPTCP
    assert connection.established
    assert connection.mptcp_version == version
    assert (connection.key_client, connection.key_server) == (CLIENT_KEY, SERVER_KEY)
    assert connection.token_server == crypto.token(SERVER_KEY, version)
    assert connection.token_client == crypto.token(CLIENT_KEY, version)
    assert connection.checksum_required is True
    assert (str(connection.client), str(connection.server)) == ("10.0.0.1:40000", "10.0.0.2:80")
    assert (connection.subflows[0].isn_client, connection.subflows[0].isn_server) == (1000, 9000)


def test_the_first_data_proves_the_handshake_where_the_third_ack_was_not_captured() -> None:
    talk = Talk()
    talk.capable(talk.subflow(), first_data=b"hello")
    del talk.segments[2]

    assert only(talk).established


@pytest.mark.parametrize("drop", [1, 2])
@VERSIONS
def test_a_handshake_that_loses_the_option_is_a_fallback(version: int, drop: int) -> None:
    talk = Talk(version=version)
    talk.capable(talk.subflow(), drop=drop)
    connection = only(talk)

    assert connection.kind is Kind.FALLBACK
    assert connection.mptcp_version == version
    assert not connection.established


def test_a_syn_without_the_option_is_plain_tcp() -> None:
    talk = Talk()
    talk.capable(talk.subflow(), drop=0)
    talk.segments = [replace(segment, options=b"") for segment in talk.segments]
    connection = only(talk)

    assert connection.kind is Kind.TCP
    assert connection.mptcp_version is None
    assert connection.token_server is None
    assert connection.checksum_required is None


@VERSIONS
def test_a_synack_that_echoes_the_syns_option_is_no_answer(version: int) -> None:
    talk = Talk(version=version)
    first = talk.subflow()
    talk.capable(first, steps=1)
    syn = tcp.decode(talk.segments[0].options)[0]
    first.send(1, SYN | ACK, syn)
    first.send(0, ACK)

    assert only(talk).kind is Kind.FALLBACK


def test_a_syn_sent_again_is_one_attempt() -> None:
    talk = Talk()
    first = talk.subflow()
    talk.capable(first, steps=1)
    first.again()
    first.again()

    assert only(talk).kind is Kind.FALLBACK
    assert len(only(talk).subflows[0].rows_c2s) == 3


@VERSIONS
def test_a_join_goes_to_the_connection_that_its_token_names(version: int) -> None:
    other = Talk(version=version, server_key=77)
    other.capable(other.subflow(("10.0.0.9", 1234)))
    talk = Talk(version=version)
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2), backup=True)
    talk.segments = other.segments + talk.segments

    first, second = found(talk)
    assert [len(first.subflows), len(second.subflows)] == [1, 2]
    join = second.subflows[1]
    assert (join.role, join.complete, join.backup) == (Role.JOIN, True, True)
    assert (join.hmac, join.hmac_ok_count) == (HmacState.OK, 2)
    assert not join.opened_by_server


@VERSIONS
def test_a_join_that_the_server_opens_keeps_the_connections_client(version: int) -> None:
    talk = Talk(version=version)
    talk.capable(talk.subflow())
    talk.join(talk.subflow(SERVER, CLIENT_2, isn=(5, 6)), by_server=True)
    join = only(talk).subflows[1]

    assert join.opened_by_server
    assert join.hmac is HmacState.OK
    assert (join.client.address, join.server.address) == (CLIENT_2[0], SERVER[0])
    assert (join.isn_client, join.isn_server) == (6, 5)
    assert join.rows_s2c.tolist() == [3, 5]


def test_a_wrong_hmac_is_bad_and_the_right_one_beside_it_still_counts() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2), wrong_hmac=True)
    join = only(talk).subflows[1]

    assert (join.hmac, join.hmac_ok_count, join.hmac_bad_count) == (HmacState.BAD, 1, 1)


def test_a_join_that_gets_no_answer_is_not_complete() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2), steps=1)
    join = only(talk).subflows[1]

    assert (join.complete, join.hmac) == (False, HmacState.UNKNOWN)


def test_joins_whose_connection_began_earlier_go_together_by_their_token() -> None:
    talk = Talk()
    talk.join(talk.subflow(CLIENT_2))
    talk.join(talk.subflow(("10.0.2.1", 9)))
    talk.join(talk.subflow(("10.0.3.1", 9)), token=99)
    first, second = found(talk)

    assert (first.orphan, first.kind, first.token_server) == (
        True,
        Kind.MPTCP,
        crypto.token(SERVER_KEY, 1),
    )
    assert [subflow.hmac for subflow in first.subflows] == [HmacState.UNKNOWN] * 2
    assert second.token_server == 99


def test_a_join_captured_without_its_syn_is_in_a_connection_of_its_own() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2))
    del talk.segments[3]
    first, second = found(talk)

    assert len(first.subflows) == 1
    assert second.orphan
    assert second.token_server is None
    assert second.subflows[0].hmac is HmacState.UNKNOWN


def test_joins_captured_without_their_syns_have_no_token_in_common() -> None:
    talk = Talk()
    talk.join(talk.subflow(CLIENT_2), token=7)
    talk.join(talk.subflow(("10.0.3.1", 9)), token=8)
    del talk.segments[3], talk.segments[0]

    assert [len(connection.subflows) for connection in found(talk)] == [1, 1]


def test_a_token_used_again_names_the_younger_connection() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2))
    talk.capable(talk.subflow(("10.0.0.7", 7)))
    talk.join(talk.subflow(("10.0.1.7", 8)))

    assert [len(connection.subflows) for connection in found(talk)] == [2, 2]


def test_keys_in_a_third_ack_are_enough_for_later_joins() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2))
    del talk.segments[:2]
    connection = only(talk)

    assert connection.subflows[0].midstream
    assert (connection.kind, connection.established) == (Kind.MPTCP, False)
    assert connection.subflows[1].hmac is HmacState.OK


def test_a_connection_captured_from_its_middle_on_is_multipath_tcp_of_no_known_version() -> None:
    talk = Talk()
    first = talk.subflow()
    talk.data(first, 0, b"in the middle")
    connection = only(talk)

    assert (connection.kind, connection.mptcp_version) == (Kind.MPTCP, None)
    assert connection.subflows[0].midstream


def test_an_address_is_announced_with_a_proof() -> None:
    talk = Talk()
    first = talk.capable(talk.subflow())
    for address in (IPv4Address("192.0.2.9"), IPv6Address("2001:db8::9")):
        for port in (None, 443):
            proof = crypto.add_addr_hmac(
                own_key=SERVER_KEY,
                peer_key=CLIENT_KEY,
                address_id=4,
                address=address.packed,
                port=port or 0,
            )
            for hmac in (proof, bytes(8)):
                option = AddAddr(flags=0, address_id=4, address=address, port=port, hmac=hmac)
                first.send(1, ACK, [option])
    connection = only(talk)

    assert (connection.add_addr_ok_count, connection.add_addr_bad_count) == (4, 4)


def closed_by_fin(talk: Talk) -> None:
    talk.capable(talk.subflow()).close()


def closed_by_data_fin(talk: Talk) -> None:
    first = talk.capable(talk.subflow())
    talk.data(first, 0, b"", fin=True)
    talk.data(first, 1, b"", fin=True)
    first.send(0, RST)


def aborted(talk: Talk) -> None:
    first = talk.capable(talk.subflow())
    first.send(0, RST | ACK, [MpFastclose(receiver_key=SERVER_KEY)])


def reset(talk: Talk) -> None:
    talk.capable(talk.subflow()).send(1, RST)


def left_open(talk: Talk) -> None:
    talk.capable(talk.subflow()).send(0, FIN | ACK)


def one_path_reset(talk: Talk) -> None:
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2)).send(0, RST)


def refused_join(talk: Talk) -> None:
    first = talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2), steps=1).send(1, RST)
    first.close()


@pytest.mark.parametrize(
    ("story", "close"),
    [
        (closed_by_fin, Close.FIN),
        (closed_by_data_fin, Close.FIN),
        (aborted, Close.FASTCLOSE),
        (reset, Close.RST),
        (left_open, Close.OPEN),
        (one_path_reset, Close.OPEN),
        (refused_join, Close.FIN),
    ],
)
def test_how_a_connection_ends_is_told_apart(story: object, close: Close) -> None:
    talk = Talk()
    assert callable(story)
    story(talk)

    assert only(talk).close is close


def test_cut_options_are_no_proof_of_plain_tcp() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    (connection,) = found(talk, snap_bytes=44)

    assert connection.subflows[0].options_cut


def test_a_version_nobody_knows_gives_no_keys() -> None:
    talk = Talk()
    first = talk.subflow()
    first.send(0, SYN, [tcp.OtherOption(kind=30, data=bytes.fromhex("0201"))])
    connection = only(talk)

    assert (connection.kind, connection.key_client) == (Kind.TCP, None)


def test_the_kernels_own_traffic_is_understood() -> None:
    capture = read((GOLDEN / "kernel_v1.pcapng").read_bytes())
    two_paths, six, fell_back, plain, aborted_one = connections(capture.packets)

    assert [known.name for known in capture.interfaces] == ["path0", "path1"]
    assert [c.kind.value for c in (two_paths, fell_back, plain)] == ["mptcp", "fallback", "tcp"]
    assert [subflow.hmac for subflow in two_paths.subflows[1:]] == [HmacState.OK] * 2
    assert two_paths.subflows[1].backup
    assert two_paths.checksum_required
    assert (two_paths.add_addr_ok_count, two_paths.add_addr_bad_count) == (2, 0)
    assert six.client.address == "fd09::1"
    assert [subflow.complete for subflow in six.subflows] == [True, False, False]
    assert aborted_one.close is Close.FASTCLOSE
    assert two_paths.close is Close.FIN


@given(
    st.permutations(range(9)),
    st.lists(st.integers(0, 8), max_size=9),
)
def test_no_order_no_loss_and_no_copy_of_segments_breaks_it(
    order: list[int], kept: list[int]
) -> None:
    talk = Talk()
    first = talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2))
    talk.data(first, 0, b"data")
    first.send(1, ACK, [MpCapable(version=1, flags=0)])
    first.send(1, RST, [MpFastclose(receiver_key=1)])
    talk.segments = [talk.segments[n] for n in [*order, *kept]]

    made = found(talk)
    rows = sorted(int(row) for c in made for s in c.subflows for row in (*s.rows_c2s, *s.rows_s2c))
    assert rows == list(range(len(talk.segments)))
    assert [connection.id for connection in made] == list(range(len(made)))
    assert all(connection.client.port != connection.server.port for connection in made)


def test_the_client_keeps_its_first_address_as_its_name() -> None:
    talk = Talk()
    talk.capable(talk.subflow())
    talk.join(talk.subflow(CLIENT_2))

    assert only(talk).client.address == CLIENT[0]
