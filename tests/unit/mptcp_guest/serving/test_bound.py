import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.serving import bound

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"


def word(octets: bytes) -> str:
    """Return four octets of an address as the kernel prints them on this machine."""
    return f"{int.from_bytes(octets, sys.byteorder):08X}"


def row(address: str, port: int, *, state: str = "0A") -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    digits = "".join(word(packed[at : at + 4]) for at in range(0, len(packed), 4))
    return f"   0: {digits}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000"


def test_listening_sockets_are_read_in_both_families() -> None:
    table = "\n".join([HEADER, row("10.77.0.2", 80), row("fd77::2", 21), row("::", 443)])
    assert bound.parse(table) == {"10.77.0.2:80", "[fd77::2]:21", "[::]:443"}


def test_a_connection_from_a_listening_port_does_not_listen() -> None:
    assert bound.parse("\n".join([HEADER, row("10.77.0.2", 80, state="01")])) == set()


@given(st.text())
def test_whatever_stands_there_is_read(text: str) -> None:
    assert isinstance(bound.parse(text), set)


@given(st.text(alphabet="0123456789ABCDEF:-x \n", max_size=300))
def test_rows_that_are_damaged_are_left_out(text: str) -> None:
    damaged = "\n".join(f"0: {line} 0:0 0A" for line in text.splitlines())
    assert all(":" in place for place in bound.parse(damaged))


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_the_kernel_shows_a_socket_of_ours(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listening:
        listening.bind((address, 0))
        port = listening.getsockname()[1]
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        before = place in bound.places()
        listening.listen()
        assert (before, place in bound.places()) == (False, True)
