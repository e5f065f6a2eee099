"""What this kernel's receiver makes of the segments that follow a fallback, cut by cut.

A split proxy whose retransmissions are cut anew lost an MPTCP client's data and nobody else's
(`mptcp_check.middleboxes.connection_proxied`); here is the least that shows whose doing it is.
"""

import random
import socket
from collections.abc import Sequence
from itertools import pairwise

import pytest

from lab.network import behind, lab
from lab.topology import SERVER_IPV4
from lab.transfer import PORT
from mptcp_check.machines.namespace import entered
from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.crafting import Road, crafted
from mptcp_check.middleboxes.frame import ACK, FIN, SYN, tcp_segment
from mptcp_check.model import Direction, Side

pytestmark = pytest.mark.lab

DATA = random.Random(5).randbytes(20_000)  # noqa: S311 - reproducible
MPTCP = 262
ISN = 1000
SPACING_NS = 2_000_000
CLOSE_NS = 300_000_000

IN_ORDER = tuple(pairwise(range(0, len(DATA) + 1, 1000)))
FOURTH_LATE = (*IN_ORDER[:4], *IN_ORDER[5:8], IN_ORDER[4], *IN_ORDER[8:])
"""Bytes 4000 to 5000 are sent again as they were cut the first time."""
FOURTH_LATE_AND_LONGER = (*IN_ORDER[:4], *IN_ORDER[5:8], (4000, 5460), *IN_ORDER[8:])
"""The same in a full segment, as TCP may, which numbers bytes: its end is there already."""


class Server:
    """Answers in a server's name: plain TCP, and its data in segments cut as the test wants."""

    def __init__(self, cuts: Sequence[tuple[int, int]]) -> None:
        self._cuts = cuts
        self.acted_count = 0

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        segment = tcp_segment(frame)
        if segment is None:
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        road = Road.along(segment).back()
        says: list[tuple[int, int, bytes, int]] = []  # position, flags, bytes, when
        if segment.is_syn:
            says = [(-1, SYN | ACK, b"", 0)]
        elif segment.payload_bytes:
            says = [(a, ACK, DATA[a:z], n * SPACING_NS) for n, (a, z) in enumerate(self._cuts)]
            says += [(len(DATA), ACK | FIN, b"", CLOSE_NS)]
        self.acted_count += len(says)
        return [
            Emission(
                frame=crafted(
                    road,
                    sequence=ISN + 1 + position,
                    acknowledgment=segment.sequence + segment.is_syn + segment.payload_bytes,
                    flags=flags,
                    window=60_000,
                    options=bytes.fromhex("020405b4") if flags & SYN else b"",
                    payload=payload,
                ),
                direction=opposite(direction),
                at_ns=now_ns + after_ns,
            )
            for position, flags, payload, after_ns in says
        ]


def received(cuts: Sequence[tuple[int, int]], *, protocol: int) -> tuple[bytes, int]:
    """Return what a client's program reads, and how often the kernel had no room in the window."""
    with lab(behind(Server(cuts)), paths=1) as network:
        with entered(network.namespaces.client):
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        with client:
            client.settimeout(20)
            client.connect((SERVER_IPV4, PORT))
            client.sendall(b"?")
            data = b"".join(iter(lambda: client.recv(65_536), b""))
        counted = network.counters(Side.CLIENT)
    return data, counted.get("MPTcpExtNoDSSInWindow", 0)


@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, MPTCP])
@pytest.mark.parametrize("cuts", [IN_ORDER, FOURTH_LATE], ids=["in-order", "late"])
def test_what_is_sent_again_as_it_was_cut_arrives(
    cuts: tuple[tuple[int, int], ...], protocol: int
) -> None:
    assert received(cuts, protocol=protocol) == (DATA, 0)


def test_tcp_takes_what_is_sent_again_however_it_is_cut() -> None:
    assert received(FOURTH_LATE_AND_LONGER, protocol=socket.IPPROTO_TCP) == (DATA, 0)


def test_after_a_fallback_a_segment_cut_anew_is_the_kernels_loss() -> None:
    data, no_window_count = received(FOURTH_LATE_AND_LONGER, protocol=MPTCP)

    # the first byte that is there twice ends what can be trusted; a mended kernel gives it all
    assert data[:5460] == DATA[:5460]
    assert (data == DATA) is (no_window_count == 0)
