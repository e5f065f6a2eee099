"""What leaves this computer during the self-test: SYNs to the server, seen at its interfaces.

Linux and root only; elsewhere the hop limit decides alone.
"""

import contextlib
import ctypes
import os
import socket
import struct
import sys
import threading
from collections.abc import Collection, Iterator
from ipaddress import ip_address

from mptcp_check.machines.nat_test import SeenSyn

_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4
"""sll_pkttype (packet(7))."""
_LOOK_S = 0.1
_MAX_SYNS = 1000
_TCP, _SYN, _ACK = 6, 0x02, 0x10
_MAX_LATE = 20_000
"""Packets that waited in the socket when the self-test was over."""
_SNAP_BYTES = 256
_BUFFER_BYTES = 4 << 20

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_OUTGOING_ONLY = b"".join(
    _INSTRUCTION.pack(*instruction)
    for instruction in (
        (0x20, 0, 0, 0xFFFFF004),  # load the packet's type (SKF_AD_OFF + SKF_AD_PKTTYPE)
        (0x15, 0, 1, _PACKET_OUTGOING),  # equal, or skip one
        (0x06, 0, 0, _SNAP_BYTES),
        (0x06, 0, 0, 0),
    )
)
"""A classic filter (linux/filter.h): the kernel keeps everything else away from us."""


def can_watch() -> bool:
    """Say whether this program may look at what leaves this computer."""
    return sys.platform == "linux" and os.getuid() == 0


@contextlib.contextmanager
def watching(
    server: tuple[str, int], *, ignored: Collection[str] = ()
) -> Iterator[list[SeenSyn] | None]:
    """Give a list that fills with SYNs to the server while the context lasts.

    Args:
        server: Address and port.
        ignored: Interfaces that are the machine's own end: taps and macvtaps.

    Yields:
        The list, or none when this program may not look.
    """
    if not can_watch():
        yield None
        return
    seen: list[SeenSyn] = []
    over = threading.Event()
    # the payload without the link's header, whatever the link is
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as sniffer:
        _only_outgoing(sniffer)
        sniffer.settimeout(_LOOK_S)

        def look() -> None:
            late_count = 0
            while late_count < _MAX_LATE:  # on a busy computer packets never end
                late_count += over.is_set()
                try:
                    packet, where = sniffer.recvfrom(_SNAP_BYTES)
                except TimeoutError:
                    if over.is_set():
                        return
                    continue
                syn = syn_to(packet, server, interface=where[0])
                if syn is not None and where[0] not in ignored and len(seen) < _MAX_SYNS:
                    seen.append(syn)

        looker = threading.Thread(target=look, daemon=True)
        looker.start()
        try:
            yield seen
        finally:
            over.set()
            looker.join()


def _only_outgoing(sniffer: socket.socket) -> None:
    program = ctypes.create_string_buffer(_OUTGOING_ONLY, len(_OUTGOING_ONLY))
    count = len(_OUTGOING_ONLY) // _INSTRUCTION.size
    about = struct.pack("@HP", count, ctypes.addressof(program))
    sniffer.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, about)
    sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


def syn_to(packet: bytes, server: tuple[str, int], *, interface: str) -> SeenSyn | None:
    """Read an IP packet; none when it is no SYN to the server; PURE, for any bytes."""
    segment = _tcp_to(packet, server[0])
    if len(segment) < 20:  # noqa: PLR2004 - a TCP header
        return None
    _, port, isn, _, words, flags = struct.unpack_from("!HHIIBB", segment)
    if port != server[1] or flags & (_SYN | _ACK) != _SYN:
        return None
    return SeenSyn(interface=interface, isn=isn, options=segment[20 : (words >> 4) * 4])


def _tcp_to(packet: bytes, address: str) -> bytes:
    """Return the TCP segment of a packet to an address; nothing when it is another one."""
    wanted = ip_address(address)
    version = packet[0] >> 4 if packet else 0
    if version != wanted.version:
        return b""
    if version == 4:  # noqa: PLR2004
        start, protocol, destination = (packet[0] & 0x0F) * 4, packet[9:10], packet[16:20]
    else:
        start, protocol, destination = 40, packet[6:7], packet[24:40]
    is_it = protocol == bytes([_TCP]) and destination == wanted.packed
    return packet[start:] if is_it else b""
