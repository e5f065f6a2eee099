"""The kernel's filter, played by an interpreter of its own."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.server.capture.packet_filter import WHOLE, Instruction, octets, program
from segments import CLIENT, CLIENT_6, SERVER, SERVER_6, SYN, Segment

LO, ETH = 1, 2
PORTS = [(80, 80), (50000, 50999)]


def passes(  # noqa: C901, PLR0912 - one case per instruction
    code: list[Instruction], packet: bytes, *, out: bool = False, index: int = ETH
) -> bool:
    """Run a program as the kernel does (linux/filter.h)."""
    protocol = 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800
    ancillary = {0xFFFFF000: protocol, 0xFFFFF004: 4 if out else 0, 0xFFFFF008: index}
    a = x = at = 0
    memory = [0] * 16

    def load(offset: int, form: str) -> int:
        return int(struct.unpack_from(form, packet, offset)[0])

    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        try:
            match operation:
                case 0x20:
                    a = ancillary[k] if k in ancillary else load(k, ">I")
                case 0x28:
                    a = load(k, ">H")
                case 0x30:
                    a = load(k, ">B")
                case 0x48:
                    a = load(x + k, ">H")
                case 0xB1:
                    x = 4 * (load(k, ">B") & 15)
                case 0x60:
                    a = memory[k]
                case 0x02:
                    memory[k] = a
                case 0x05:
                    at += k
                case 0x06:
                    assert k in (0, WHOLE)
                    return k > 0
                case 0x15 | 0x25 | 0x35 | 0x45:
                    true = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[operation]
                    at += if_true if true else if_false
                case _:
                    raise AssertionError(hex(operation))
        except struct.error:
            return False  # beyond the packet: the kernel rejects


@given(st.integers(1, 65535), st.integers(1, 65535), st.booleans(), st.booleans())
def test_tcp_with_a_port_of_ours_passes_and_no_other(
    source: int,
    target: int,
    six: bool,  # noqa: FBT001 - drawn
    options: bool,  # noqa: FBT001 - drawn
) -> None:
    ends = (CLIENT_6[0], SERVER_6[0]) if six else (CLIENT[0], SERVER[0])
    packet = Segment(
        source=(ends[0], source),
        destination=(ends[1], target),
        flags=SYN,
        ip_options=b"\x01\x01\x01\x00" if options else b"",
    ).packet()
    wanted = any(first <= port <= last for first, last in PORTS for port in (source, target))
    assert passes(program(PORTS, loopback=LO), packet) == wanted


@pytest.mark.parametrize("number", [1, 17, 132])
def test_no_other_protocol_passes(number: int) -> None:
    packet = bytearray(Segment(source=(CLIENT[0], 80)).packet())
    packet[9] = number
    assert not passes(program(PORTS, loopback=LO), bytes(packet))
    six = bytearray(Segment(source=(CLIENT_6[0], 80), destination=SERVER_6).packet())
    six[6] = number
    assert not passes(program(PORTS, loopback=LO), bytes(six))


def test_later_fragments_do_not_pass() -> None:
    assert not passes(program(PORTS, loopback=LO), Segment(fragment=0x2001).packet())
    assert passes(program(PORTS, loopback=LO), Segment(fragment=0x2000).packet())


def test_loopback_passes_once_and_only_named_interfaces_pass() -> None:
    packet = Segment().packet()
    both = program(PORTS, loopback=LO)
    assert [passes(both, packet, out=out, index=LO) for out in (True, False)] == [False, True]
    assert [passes(both, packet, out=out, index=ETH) for out in (True, False)] == [True, True]
    named = program(PORTS, loopback=LO, interfaces=[5, 6, 7])
    assert [passes(named, packet, index=index) for index in range(4, 9)] == [
        False,
        True,
        True,
        True,
        False,
    ]


@given(st.binary(max_size=80))
def test_no_bytes_lead_the_program_astray(packet: bytes) -> None:
    assert passes(program([(1, 65535)], loopback=LO), packet) in (True, False)


def test_every_jump_fits_its_byte_however_many_ports_there_are() -> None:
    code = program([(port, port) for port in range(1, 2000, 2)][:600], loopback=LO)
    assert len(octets(code)) == 8 * len(code)
    assert len(code) < 4096  # BPF_MAXINSNS
