import contextlib
import gzip
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # its frames are a module beside it
from a_frame import (
    MACS,
    ethernet,
    frames,
    icmp_error,
    internet_sum,
    ip,
    packed,
    pcap,
    pseudo_header,
    tcp,
)

from mptcp_upload import leak_scan
from mptcp_upload.anonymise import captures
from mptcp_upload.anonymise.captures import Done, Found
from mptcp_upload.anonymise.frame_layout import layout
from mptcp_upload.anonymise.identities import identities
from mptcp_upload.anonymise.pseudonyms import Pseudonyms, choose
from mptcp_upload.anonymise.replacements import Replacements
from mptcp_upload.errors import BundleError

KEY = bytes(range(32))
A, B, C = packed("192.168.125.165"), packed("203.0.113.9"), packed("192.168.136.225")
A6, B6 = packed("2001:db8:77::1234"), packed("2001:db8:99::5")


def anonymised(capture: bytes) -> tuple[bytes, Pseudonyms]:
    found = Found()
    captures.look(capture, found)
    who = identities(found.addresses, found.macs, found.names)
    maps = choose(KEY, who)
    out = captures.rewrite(capture, maps, Replacements(maps), Done())
    assert leak_scan.scan("x.pcap", out, who) == []
    return out, maps


def tcp_residual(frame: bytes) -> int:
    """Return what is wrong in a TCP checksum; 65535 is right."""
    packet = frame[14:]
    source, target, at = (
        (packet[8:24], packet[24:40], 40)
        if packet[0] >> 4 == 6
        else (packet[12:16], packet[16:20], 20)
    )
    return internet_sum(pseudo_header(source, target, 6, len(packet) - at) + packet[at:])


ADD_ADDR = b"\x1e\x10\x30\x05" + C + b"HMACHMAC"
ADD_ADDR6 = b"\x1e\x1c\x30\x06" + A6 + b"HMACHMAC"


def test_the_address_in_add_addr_is_mapped_as_in_the_header() -> None:
    out, maps = anonymised(
        pcap(ethernet(ip(A, B, 6, tcp(A, B, options=ADD_ADDR))), ethernet(ip(C, B, 6, tcp(C, B))))
    )
    first, second = frames(out)

    assert first[14 + 40 + 4 : 14 + 40 + 8] == maps.address(C) == second[26:30]
    assert first[14 + 40 + 8 : 14 + 40 + 16] == b"HMACHMAC"


def test_checksums_that_were_right_are_right_afterwards() -> None:
    out, _ = anonymised(
        pcap(
            ethernet(ip(A, B, 6, tcp(A, B, options=ADD_ADDR, payload=b"PORT 192,168,125,165,4,1"))),
            ethernet(ip(A6, B6, 6, tcp(A6, B6, options=ADD_ADDR6, payload=b"odd"))),
        )
    )
    first, second = frames(out)

    assert internet_sum(first[14:34]) == 0xFFFF
    assert tcp_residual(first) == tcp_residual(second) == 0xFFFF


@given(st.integers(1, 0xFFFE))
def test_a_wrong_checksum_stays_wrong_by_as_much(error: int) -> None:
    frame = bytearray(ethernet(ip(A, B, 6, tcp(A, B, payload=b"some data"))))
    field = int.from_bytes(frame[50:52])
    frame[50:52] = ((field + error) % 0xFFFF).to_bytes(2)
    before = tcp_residual(bytes(frame)) % 0xFFFF

    out, _ = anonymised(pcap(bytes(frame)))

    assert before != 0
    assert tcp_residual(frames(out)[0]) % 0xFFFF == before


def test_a_checksum_that_the_card_was_to_fill_in_still_is_one() -> None:
    frame = bytearray(ethernet(ip(A, B, 6, tcp(A, B))))
    frame[50:52] = internet_sum(pseudo_header(A, B, 6, 20)).to_bytes(2)

    out, maps = anonymised(pcap(bytes(frame)))

    wanted = internet_sum(pseudo_header(maps.address(A), maps.address(B), 6, 20))
    assert frames(out)[0][50:52] == wanted.to_bytes(2)


def test_what_an_icmp_error_quotes_is_mapped_and_its_checksums_hold() -> None:
    quoted = ip(A, B, 6, tcp(A, B, options=ADD_ADDR))
    out, maps = anonymised(pcap(ethernet(ip(C, A, 1, icmp_error(quoted)))))
    packet = frames(out)[0][14:]

    assert packet[28 + 12 : 28 + 20] == maps.address(A) + maps.address(B)
    assert packet[28 + 44 : 28 + 48] == maps.address(C)
    assert internet_sum(packet[20:]) == 0xFFFF
    assert internet_sum(packet[28:48]) == 0xFFFF


@pytest.mark.parametrize(
    "text",
    [
        b"PORT 192,168,125,165,200,10\r\n",
        b"227 Entering Passive Mode (192,168,125,165,200,10).\r\n",
        b"EPRT |1|192.168.125.165|6275|\r\n",
        b"EPRT |2|2001:db8:77::1234|6275|\r\n",
        b"GET / HTTP/1.1\r\nHost: 192.168.125.165\r\nX-Forwarded-For: 2001:db8:77::1234\r\n\r\n",
        b"Via: SIP/2.0/UDP 192.168.125.165:5060;branch=z9hG4bK\r\nc=IN IP4 192.168.125.165\r\n",
        b"from 3c:22:fb:0a:0b:0c or 3C-22-FB-0A-0B-0C or 3c22.fb0a.0b0c",
        b"hexadecimal c0a87da5 and A57DA8C0",
    ],
)
def test_addresses_in_payload_go_without_changing_its_length(text: bytes) -> None:
    out, _ = anonymised(
        pcap(
            ethernet(ip(A, B, 6, tcp(A, B, payload=text))),
            ethernet(ip(A6, B6, 6, tcp(A6, B6, payload=b"x"))),
        )
    )
    frame = frames(out)[0]

    assert len(frame) == 14 + 40 + len(text)
    assert frame[54:] != text
    assert tcp_residual(frame) == 0xFFFF


def test_hosts_in_header_fields_are_replaced() -> None:
    text = b"HTTP/1.1 502 Bad\r\nVia: 1.1 proxy7.corp.example (squid)\r\nServer: nginx\r\n\r\n"
    out, _ = anonymised(pcap(ethernet(ip(A, B, 6, tcp(A, B, payload=text)))))

    assert b"corp" not in out
    assert b"(squid)\r\nServer: nginx" in out


@given(st.integers(1, 26))
def test_an_address_cut_by_segments_and_sent_again_otherwise_is_found(cut: int) -> None:
    text = b"PORT 192,168,125,165,200,10\r\n"
    out, _ = anonymised(
        pcap(
            ethernet(ip(A, B, 6, tcp(A, B, payload=text[:cut], seq=500))),
            ethernet(ip(A, B, 6, tcp(A, B, payload=text[cut:], seq=500 + cut))),
            ethernet(ip(A, B, 6, tcp(A, B, payload=text, seq=500))),
        )
    )
    first, second, again = (f[54:] for f in frames(out))

    assert first + second == again
    assert b"192,168,125,165" not in again


def _nested(text: bytes, depth: int) -> bytes:
    for _ in range(depth):
        text = gzip.compress(text, mtime=0)
    return text


@pytest.mark.parametrize("depth", [1, 2, 6])
@pytest.mark.parametrize("cut", [40, 70])
def test_a_compressed_page_that_tells_who_asked_is_taken_out_whole(depth: int, cut: int) -> None:
    page = _nested(b"<p>Your address is 192.168.125.165, carol.corp.example" + bytes(200), depth)
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Encoding: gzip\r\n\r\n"
    text, after = head + page, b"HTTP/1.1 200 OK\r\n\r\n"
    out, _ = anonymised(
        pcap(
            ethernet(ip(A, B, 6, tcp(A, B, payload=text[:cut], seq=500))),
            ethernet(ip(A, B, 6, tcp(A, B, payload=text[cut:] + after, seq=500 + cut))),
        )
    )
    first, second = (f[54:] for f in frames(out))

    assert first + second == head + bytes(len(page)) + after
    assert all(tcp_residual(f) == 0xFFFF for f in frames(out))


def test_a_compressed_page_that_tells_nothing_stays() -> None:
    page = gzip.compress(b"<p>It works!", mtime=0)
    out, _ = anonymised(pcap(ethernet(ip(A, B, 6, tcp(A, B, payload=page)))))

    assert frames(out)[0][54:] == page


def test_other_protocols_and_padding_are_wiped() -> None:
    udp = struct.pack(">HHHH", 5353, 5353, 8 + 9, 0) + b"my-laptop"
    out, _ = anonymised(
        pcap(ethernet(ip(A, B, 17, udp)), ethernet(ip(A, B, 6, tcp(A, B))) + b"left over")
    )

    assert b"laptop" not in out
    assert b"left over" not in out


@given(st.binary(max_size=200), st.sampled_from([0, 1, 12, 101, 113, 276, 9999]))
def test_the_layout_of_garbage_stays_within_it(frame: bytes, link_type: int) -> None:
    found = layout(frame, link_type)

    for start, end in (*found.wipes, *found.addresses):
        assert 0 <= start <= end <= len(frame)
    assert all(m + 6 <= len(frame) for m in found.macs)
    assert all(c.at + 2 <= len(frame) for c in found.checksums)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1"]))
def test_a_damaged_capture_is_refused_and_nothing_worse(octets: bytes, magic: bytes) -> None:
    maps = choose(KEY, identities([], [], []))
    with contextlib.suppress(BundleError):
        written = captures.rewrite(magic + octets, maps, Replacements(maps), Done())
        # what could be read can be read again, and has nothing left to change
        assert captures.rewrite(written, maps, Replacements(maps), Done()) == written


@settings(max_examples=60)
@given(
    st.lists(st.binary(min_size=4, max_size=4), min_size=2, max_size=4, unique=True),
    st.binary(min_size=16, max_size=16),
    st.binary(max_size=60),
)
def test_canaries_never_come_through(v4: list[bytes], v6: bytes, noise: bytes) -> None:
    spelt = b" ".join(b".".join(b"%d" % o for o in a) + b" " + a + a.hex().encode() for a in v4)
    capture = pcap(
        ethernet(ip(v4[0], v4[1], 6, tcp(v4[0], v4[1], payload=noise + spelt + noise))),
        ethernet(ip(v6, B6, 6, tcp(v6, B6, options=b"\x1e\x08\x30\x05" + v4[-1]))),
    )

    out, _ = anonymised(capture)

    assert len(out) == len(capture)


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def test_comments_names_and_machines_of_pcapng_are_left_out() -> None:
    frame = ethernet(ip(A, B, 6, tcp(A, B)))
    end = bytes(4)
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    card = option(2, b"enx3c22fb0a0b0c") + option(9, b"\x09") + option(3, b"my card")
    packet = struct.pack("<IIIII", 0, 1, 2, len(frame), len(frame)) + frame
    packet += bytes(-len(frame) % 4) + option(1, b"my comment")
    capture = b"".join(
        (
            block(0x0A0D0D0A, section + option(3, b"Debian") + option(4, b"dumpcap") + end),
            block(1, struct.pack("<HHI", 1, 0, 0) + card + end),
            block(4, b"\1\0\x0b\0" + B + b"secret\0" + end),
            block(6, packet + end),
            block(0x0A, b"keys of TLS!"),
        )
    )

    found = Found()
    captures.look(capture, found)
    who = identities(found.addresses, found.macs, found.names)
    maps = choose(KEY, who)
    out = captures.rewrite(capture, maps, Replacements(maps), Done())

    assert who.names == {"enx3c22fb0a0b0c"}
    for secret in (b"Debian", b"dumpcap", b"enx3c", b"my card", b"secret", b"my comment", b"keys"):
        assert secret not in out
    assert option(9, b"\x09") in out
    assert leak_scan.scan("x.pcapng", out, who) == []


def test_padding_and_the_payload_behind_it_are_no_address() -> None:
    router = bytes([192, 168, 1, 1])
    who = identities([router], [], [])

    def found(options: bytes, payload: bytes) -> list[str]:
        segment = tcp(B, C, options=options, payload=payload)
        capture = pcap(ethernet(ip(B, C, 6, segment)))
        return [leak.what for leak in leak_scan.scan("x.pcap", capture, who)]

    # NOP NOP, and payload that begins with the other half: one of 65,536 segments with such padding
    assert found(b"\1\1\1\1", b"\xa8\xc0 and more") == []
    assert found(b"\1\1", b"\xa8\xc0\1\1" + bytes(8)) == []
    # whole in the payload, or whole in the header, it is one
    assert "IPv4 address, reversed" in found(b"", b"\1\1\xa8\xc0" + bytes(8))
    assert "IPv4 address, binary" in found(b"\1\1\1\1", b"\xc0\xa8\1\1" + bytes(8))
    assert "IPv4 address, binary" in found(b"\xfd\x06" + router, b"payload")


def test_numbers_of_headers_are_no_addresses() -> None:
    frame = ethernet(ip(B, C, 6, tcp(B, C, payload=b"payload")))
    identification, window = range(18, 20), range(48, 50)
    for field in (identification, window):
        for at in range(field.start - 3, field.stop):
            who = identities([frame[at : at + 4]], [], [])
            found = leak_scan.scan("x.pcap", pcap(frame), who)
            assert found == [], (at, found)


def test_a_short_name_in_a_headers_numbers_is_none() -> None:
    who = identities([], [], ["bob"])

    def found(segment: bytes) -> list[str]:
        capture = pcap(ethernet(ip(A, B, 6, segment)))
        return [leak.what for leak in leak_scan.scan("x.pcap", capture, who)]

    numbers = b"\x08\x0a" + b"==Bob=12"  # of timestamps: eight bytes that are a text
    assert found(tcp(A, B, options=b"\1\1" + numbers, payload=b"payload")) == []
    assert found(tcp(A, B, options=numbers, payload=b"bob\xff")) == []
    assert found(tcp(A, B, options=b"\xfd\x0a" + b"==Bob=12", payload=b"payload"))
    assert found(tcp(A, B, options=b"\1\1" + numbers, payload=b"it is Bob"))


def test_a_short_name_in_the_time_of_statistics_is_none() -> None:
    who = identities([], [], ["bob"])
    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    card = struct.pack("<HHI", 1, 0, 0)
    times = block(5, struct.pack("<II", 0, 0x0006_5000) + b"bob\x80" + option(4, bytes(8)))

    assert leak_scan.scan("x.pcapng", head + block(1, card) + times, who) == []
    assert leak_scan.scan("x.pcapng", head + block(1, card + option(2, b"bob")) + times, who)


def test_a_long_name_goes_from_between_bytes_that_are_no_text() -> None:
    who = identities([], [], ["laptop", "laptop-of-julian"])
    maps = choose(KEY, who)
    payload = b"\xffLapTop\xff \xfflaptop-of-julian\xff\xe9laptop"
    capture = pcap(ethernet(ip(A, B, 6, tcp(A, B, payload=payload))))

    out = captures.rewrite(capture, maps, Replacements(maps), Done())

    short, long = (maps.names[name].encode() for name in ("laptop", "laptop-of-julian"))
    assert frames(out)[0].endswith(b"\xff%s\xff \xff%s\xff\xe9%s" % (short, long, short))
    assert leak_scan.scan("x.pcap", out, who) == []


def test_what_random_bytes_spell_is_no_address_that_stands_in_every_padding() -> None:
    spelt = bytes(range(128, 160)) + b"\t\t\t\t::%x\n" + bytes(range(128, 160))
    asked = bytes.fromhex("0806 0001 0800 0604 0001") + MACS[0] + A + bytes(6) + B + bytes(18)
    for number in range(2, 256):
        capture = pcap(
            ethernet(ip(A, B, 6, tcp(A, B, payload=spelt % number))),
            MACS[0] + MACS[1] + asked,
            ethernet(ip(A, B, 6, tcp(A, B, payload=b"payload"))),
        )

        out, maps = anonymised(capture)

        assert maps.who.addresses == {A, B}
        assert len(out) == len(capture)
