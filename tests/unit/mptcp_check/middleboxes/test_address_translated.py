"""The NAT as a dialogue: what the client sends, what the server sees, and the way back."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.address_translated import AddressTranslated, parameters_of_link
from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.translation import Endpoint
from mptcp_check.middleboxes.translation_table import TranslationTable
from mptcp_check.model import Direction
from wire_frames import (
    CLIENT,
    CLIENT_MAC,
    FAMILIES,
    MP_CAPABLE_SYN,
    SERVER,
    SERVER_MAC,
    SYN,
    damaged_frames,
    ethernet,
    ip,
    parts,
    problems,
    tcp_frame,
    with_checksum,
)

C2S, S2C = Direction.C2S, Direction.S2C
NAT_MAC = bytes.fromhex("027700000000")
OUTER = {4: bytes((10, 77, 0, 100)), 6: bytes.fromhex("fd770000000000000000000000000100")}
ICMP = {4: 1, 6: 58}
PAYLOAD = b"payload"


def nat() -> AddressTranslated:
    return AddressTranslated(parameters_of_link(0))


def one(emissions: Sequence[Emission]) -> Emission:
    (emission,) = emissions
    return emission


def ends(frame: bytes, family: int) -> tuple[bytes, bytes, int, int]:
    """Return source, destination and the two ports."""
    at, size, tcp = (26, 4, 34) if family == 4 else (22, 16, 54)
    ports = struct.unpack(">HH", frame[tcp : tcp + 4])
    return frame[at : at + size], frame[at + size : at + 2 * size], *ports


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_crosses_and_comes_back(family: int) -> None:
    box = nat()
    syn = tcp_frame(family=family, flags=SYN, options=MP_CAPABLE_SYN)

    out = one(box.on_frame(syn, C2S, 0))

    source, destination, port, service = ends(out.frame, family)
    assert (source, destination, service) == (OUTER[family], SERVER[family], 80)
    assert port not in {0, 50001}
    assert out.frame[:12] == SERVER_MAC + NAT_MAC
    assert problems(out.frame) == []
    assert parts(out.frame)[0] == MP_CAPABLE_SYN

    answer = tcp_frame(
        family=family,
        from_client=False,
        destination=OUTER[family],
        ports=(80, port),
        payload=PAYLOAD,
    )
    back = one(box.on_frame(NAT_MAC + answer[6:], S2C, 0))

    assert ends(back.frame, family) == (SERVER[family], CLIENT[family], 80, 50001)
    assert back.frame[:12] == CLIENT_MAC + SERVER_MAC
    assert parts(back.frame)[1] == PAYLOAD
    assert problems(back.frame) == []
    assert box.acted_count == 2


def test_a_client_port_keeps_its_mapping_and_another_gets_another() -> None:
    box = nat()

    def outer_port(port: int, service: int = 80) -> int:
        frame = tcp_frame(flags=SYN, ports=(port, service))
        return ends(one(box.on_frame(frame, C2S, 0)).frame, 4)[2]

    assert outer_port(50001) == outer_port(50001) == outer_port(50001, 443)
    assert outer_port(50001) != outer_port(50002)


@pytest.mark.parametrize("family", [4, 6])
def test_what_nobody_asked_for_does_not_come_in(family: int) -> None:
    box = nat()
    box.on_frame(tcp_frame(family=family, flags=SYN), C2S, 0)

    to_unmapped = tcp_frame(family=family, from_client=False, destination=OUTER[family])
    to_inner = tcp_frame(family=family, from_client=False)

    assert box.on_frame(to_unmapped, S2C, 0) == ()
    assert box.on_frame(to_inner, S2C, 0) == ()
    assert box.acted_count == 1


@pytest.mark.parametrize("family", [4, 6])
def test_an_error_about_a_translated_packet_reaches_its_sender(family: int) -> None:
    box = nat()
    sent = one(box.on_frame(tcp_frame(family=family, payload=PAYLOAD), C2S, 0)).frame[14:]
    router = bytes((10, 77, 0, 254)) if family == 4 else SERVER[6][:-1] + b"\xfe"
    head = b"\x03\x04\0\0\0\0\x05\0" if family == 4 else b"\x02\0\0\0\0\0\x05\0"

    # RFC 792 lets a router quote eight bytes of the transport, RFC 1812 as much as fits.
    for quote in (sent, sent[: -len(PAYLOAD) - 12]):
        message = with_checksum(family, ICMP[family], router + OUTER[family], head + quote, 2)
        error = ethernet(
            family, ip(family, ICMP[family], router, OUTER[family], message), from_client=False
        )
        back = one(box.on_frame(error, S2C, 0)).frame

        assert problems(back) == []
        quoted = back[-len(quote) :]
        addresses = quoted[12:20] if family == 4 else quoted[8:40]
        assert addresses == CLIENT[family] + SERVER[family]
        at = 20 if family == 4 else 40
        assert quoted[at : at + 2] == (50001).to_bytes(2, "big")
        assert ends(back, family)[:2] == (router, CLIENT[family])
    if family == 4:
        assert sum_of_words(quoted[:20]) == 0xFFFF


@pytest.mark.parametrize("family", [4, 6])
def test_an_error_that_the_client_sends_names_the_outer_endpoint(family: int) -> None:
    box = nat()
    port = ends(one(box.on_frame(tcp_frame(family=family), C2S, 0)).frame, family)[2]
    answer = tcp_frame(
        family=family, from_client=False, destination=OUTER[family], ports=(80, port)
    )
    arrived = one(box.on_frame(answer, S2C, 0)).frame[14:]
    head = b"\x03\x03\0\0\0\0\0\0" if family == 4 else b"\x01\x04\0\0\0\0\0\0"
    message = with_checksum(
        family, ICMP[family], CLIENT[family] + SERVER[family], head + arrived, 2
    )
    error = ethernet(family, ip(family, ICMP[family], CLIENT[family], SERVER[family], message))

    out = one(box.on_frame(error, C2S, 0)).frame

    assert problems(out) == []
    assert ends(out, family)[:2] == (OUTER[family], SERVER[family])
    assert ends(out[:14] + out[-len(arrived) :], family) == (
        SERVER[family],
        OUTER[family],
        80,
        port,
    )


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("with_sum", [True, False])
def test_udp_crosses_with_and_without_a_checksum(family: int, *, with_sum: bool) -> None:
    datagram = struct.pack(">HHHH", 5353, 53, 12, 0) + b"data"
    if with_sum:
        datagram = with_checksum(family, 17, CLIENT[family] + SERVER[family], datagram, 6)
    frame = ethernet(family, ip(family, 17, CLIENT[family], SERVER[family], datagram))

    out = one(nat().on_frame(frame, C2S, 0)).frame

    assert ends(out, family)[0] == OUTER[family]
    assert problems(out) == []
    assert (out[-6:-4] != b"\0\0") is with_sum


@pytest.mark.parametrize("family", [4, 6])
def test_an_echo_is_translated_by_its_identifier(family: int) -> None:
    box = nat()
    request, reply = (8, 0) if family == 4 else (128, 129)
    protocol = ICMP[family]

    def echo(kind: int, source: bytes, destination: bytes, identifier: int) -> bytes:
        body = struct.pack(">BBHHH", kind, 0, 0, identifier, 1) + PAYLOAD
        body = with_checksum(family, protocol, source + destination, body, 2)
        return ethernet(family, ip(family, protocol, source, destination, body))

    out = one(box.on_frame(echo(request, CLIENT[family], SERVER[family], 9), C2S, 0)).frame
    identifier = int.from_bytes(out[-len(PAYLOAD) - 4 :][:2], "big")
    assert problems(out) == []
    back = one(box.on_frame(echo(reply, SERVER[family], OUTER[family], identifier), S2C, 0)).frame

    assert ends(back, family)[:2] == (SERVER[family], CLIENT[family])
    assert int.from_bytes(back[-len(PAYLOAD) - 4 :][:2], "big") == 9
    assert problems(back) == []


def arp(operation: int, sender: bytes, sender_ip: bytes, target: bytes, target_ip: bytes) -> bytes:
    head = bytes.fromhex("0806 0001 0800 06 04") + operation.to_bytes(2, "big")
    return b"\xff" * 6 + sender + head + sender + sender_ip + target + target_ip + bytes(18)


def test_arp_shows_the_server_the_box_and_never_the_client() -> None:
    box = nat()

    asked = one(box.on_frame(arp(1, CLIENT_MAC, CLIENT[4], bytes(6), SERVER[4]), C2S, 0))
    assert asked.frame == arp(1, NAT_MAC, OUTER[4], bytes(6), SERVER[4])

    reply = NAT_MAC + arp(2, SERVER_MAC, SERVER[4], NAT_MAC, OUTER[4])[6:]
    told = one(box.on_frame(reply, S2C, 0))
    assert told.frame == CLIENT_MAC + arp(2, SERVER_MAC, SERVER[4], CLIENT_MAC, CLIENT[4])[6:]


def test_arp_for_the_outer_address_is_answered_by_the_box() -> None:
    answer = one(nat().on_frame(arp(1, SERVER_MAC, SERVER[4], bytes(6), OUTER[4]), S2C, 0))

    assert answer.direction is C2S
    assert answer.frame == SERVER_MAC + arp(2, NAT_MAC, OUTER[4], SERVER_MAC, SERVER[4])[6:]


@pytest.mark.parametrize(
    ("frame", "direction"),
    [
        pytest.param(arp(1, SERVER_MAC, SERVER[4], bytes(6), CLIENT[4]), S2C, id="for the client"),
        pytest.param(arp(1, CLIENT_MAC, CLIENT[4], bytes(6), CLIENT[4]), C2S, id="gratuitous"),
        pytest.param(arp(1, CLIENT_MAC, bytes(4), bytes(6), CLIENT[4]), C2S, id="probe"),
        pytest.param(arp(2, SERVER_MAC, SERVER[4], CLIENT_MAC, CLIENT[4]), S2C, id="stray reply"),
    ],
)
def test_arp_that_would_show_an_inner_address_ends_at_the_box(
    frame: bytes, direction: Direction
) -> None:
    assert nat().on_frame(frame, direction, 0) == ()


def solicitation(source: bytes, mac: bytes, target: bytes) -> bytes:
    group = bytes.fromhex("ff0200000000000000000001ff") + target[-3:]
    body = struct.pack(">BBHI", 135, 0, 0, 0) + target
    body += b"\x01\x01" + mac if any(source) else b""
    body = with_checksum(6, 58, source + group, body, 2)
    return b"\x33\x33\xff" + target[-3:] + mac + b"\x86\xdd" + ip(6, 58, source, group, body)


def advertisement(source: bytes, destination: bytes, mac: bytes, to: bytes) -> bytes:
    body = struct.pack(">BBHI", 136, 0, 0, 0x60000000) + source + b"\x02\x01" + mac
    body = with_checksum(6, 58, source + destination, body, 2)
    return to + mac + b"\x86\xdd" + ip(6, 58, source, destination, body)


def test_neighbour_discovery_shows_the_server_the_box_and_never_the_client() -> None:
    box = nat()

    asked = one(box.on_frame(solicitation(CLIENT[6], CLIENT_MAC, SERVER[6]), C2S, 0))
    assert asked.frame == solicitation(OUTER[6], NAT_MAC, SERVER[6])

    told = one(box.on_frame(advertisement(SERVER[6], OUTER[6], SERVER_MAC, NAT_MAC), S2C, 0))
    assert told.frame == advertisement(SERVER[6], CLIENT[6], SERVER_MAC, CLIENT_MAC)


def test_a_solicitation_for_the_outer_address_is_answered_by_the_box() -> None:
    answer = one(nat().on_frame(solicitation(SERVER[6], SERVER_MAC, OUTER[6]), S2C, 0))
    expected = advertisement(OUTER[6], SERVER[6], NAT_MAC, SERVER_MAC)

    assert answer.direction is C2S
    assert problems(answer.frame) == []
    assert answer.frame[:14] == expected[:14]
    assert answer.frame[54:] == expected[54:]
    assert answer.frame[21] == 255  # RFC 4861, section 7.1.2: else it is discarded


def test_link_local_neighbours_learn_the_box_and_not_the_client() -> None:
    link_local = bytes.fromhex("fe80") + bytes(13) + b"\x07"

    asked = one(nat().on_frame(solicitation(link_local, CLIENT_MAC, SERVER[6]), C2S, 0))

    assert asked.frame == solicitation(link_local, NAT_MAC, SERVER[6])


@pytest.mark.parametrize(
    ("frame", "direction"),
    [
        pytest.param(solicitation(SERVER[6], SERVER_MAC, CLIENT[6]), S2C, id="for the client"),
        pytest.param(solicitation(bytes(16), CLIENT_MAC, CLIENT[6]), C2S, id="duplicate detection"),
        pytest.param(solicitation(bytes(16), SERVER_MAC, OUTER[6]), S2C, id="wants the address"),
    ],
)
def test_solicitations_that_would_show_an_inner_address_end_at_the_box(
    frame: bytes, direction: Direction
) -> None:
    assert nat().on_frame(frame, direction, 0) == ()


def test_fragments_do_not_cross() -> None:
    frame = tcp_frame()

    assert nat().on_frame(frame[:20] + b"\x20\x00" + frame[22:], C2S, 0) == ()


def icmp(family: int, body: bytes) -> bytes:
    return ethernet(family, ip(family, ICMP[family], CLIENT[family], SERVER[family], body))


QUOTE = tcp_frame(from_client=False)[14:]
QUOTE_OF_ERROR = QUOTE[:9] + b"\x01" + QUOTE[10:20] + b"\x03" + QUOTE[21:]
ERROR = b"\x03\x03" + bytes(6)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(tcp_frame()[:50], id="cut in the TCP header"),
        pytest.param(tcp_frame()[:30], id="cut in the IP header"),
        pytest.param(tcp_frame()[:14] + b"\x55" + tcp_frame()[15:], id="version 5"),
        pytest.param(tcp_frame()[:14] + b"\x44" + tcp_frame()[15:], id="header of 16 bytes"),
        pytest.param(tcp_frame(family=6)[:60], id="IPv6 cut"),
        pytest.param(ethernet(6, ip(6, 0, CLIENT[6], SERVER[6], bytes(4))), id="extension cut"),
        pytest.param(
            ethernet(6, ip(6, 0, CLIENT[6], SERVER[6], b"\6\7" + bytes(6))), id="too long"
        ),
        pytest.param(ethernet(4, ip(4, 6, CLIENT[4], SERVER[4], bytes(8))), id="half a header"),
        pytest.param(ethernet(4, ip(4, 47, CLIENT[4], SERVER[4], bytes(8))), id="GRE"),
        pytest.param(icmp(4, b"\x0d" + bytes(7)), id="neither echo nor error"),
        pytest.param(icmp(4, ERROR), id="an error without a quote"),
        pytest.param(icmp(4, ERROR + QUOTE[:24]), id="a quote too short for ports"),
        pytest.param(icmp(4, ERROR + b"\x60" + QUOTE[1:]), id="a quote of the other family"),
        pytest.param(icmp(4, ERROR + b"\x41" + QUOTE[1:]), id="a quote with no header length"),
        pytest.param(icmp(4, ERROR + QUOTE[:9] + b"\x2f" + QUOTE[10:]), id="a quote of GRE"),
        pytest.param(icmp(4, ERROR + QUOTE_OF_ERROR), id="a quote of an error"),
        pytest.param(arp(1, CLIENT_MAC, CLIENT[4], bytes(6), SERVER[4])[:40], id="ARP cut"),
        pytest.param(arp(3, CLIENT_MAC, CLIENT[4], bytes(6), SERVER[4]), id="reverse ARP"),
        pytest.param(
            solicitation(CLIENT[6], CLIENT_MAC, SERVER[6])[:-7] + bytes(7), id="option of length 0"
        ),
        pytest.param(advertisement(CLIENT[6], SERVER[6], CLIENT_MAC, SERVER_MAC), id="unasked"),
    ],
)
def test_what_cannot_be_translated_does_not_cross(frame: bytes) -> None:
    box = nat()

    assert box.on_frame(frame, C2S, 0) == ()
    assert box.acted_count == 0


def test_the_table_forgets_the_least_recently_used_and_gives_ports_in_turn() -> None:
    table = TranslationTable(size=2, first_port=65_533)
    a, b, c = (Endpoint(family=4, protocol=6, address=CLIENT[4], port=p) for p in (1, 2, 3))

    assert [table.outer_port(e) for e in (a, b)] == [65_533, 65_534]
    assert table.inner(4, 6, 65_533) == a  # used just now, so b is older
    assert table.outer_port(c) == 65_535
    assert table.inner(4, 6, 65_534) is None
    assert table.outer_port(b) == 65_533  # round again; a was the oldest and made room
    assert table.inner(4, 6, 65_533) == b


def test_a_table_larger_than_its_ports_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        TranslationTable(size=10, first_port=65_530)


@given(FAMILIES, st.lists(st.integers(1, 65_535), min_size=1, max_size=30), st.binary(max_size=99))
def test_every_crossing_can_be_undone(family: int, ports: list[int], payload: bytes) -> None:
    box = nat()
    seen: dict[int, int] = {}
    for port in ports:
        sent = tcp_frame(family=family, ports=(port, 80), payload=payload)
        out = one(box.on_frame(sent, C2S, 0)).frame
        outer_port = ends(out, family)[2]
        assert seen.setdefault(outer_port, port) == port
        assert problems(out) == []
        answer = tcp_frame(
            family=family, from_client=False, destination=OUTER[family], ports=(80, outer_port)
        )
        assert ends(one(box.on_frame(answer, S2C, 0)).frame, family)[3] == port


@given(st.lists(st.tuples(damaged_frames(), st.sampled_from((C2S, S2C))), max_size=10))
def test_the_inner_address_never_gets_out(frames: list[tuple[bytes, Direction]]) -> None:
    box = nat()
    for frame, direction in frames:
        for emission in box.on_frame(frame, direction, 0):
            if emission.direction is C2S and emission.frame[12:14] == b"\x08\x00":
                assert emission.frame[26:30] != CLIENT[4]


def sum_of_words(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    return (total & 0xFFFF) + (total >> 16)
