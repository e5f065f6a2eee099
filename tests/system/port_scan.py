"""Send a SYN to many TCP ports, or a datagram to UDP ports, and tell who answered.

    ip netns exec NAMESPACE python port_scan.py tcp|udp ADDRESS SOURCE_PORT

Each line of input is a JSON list of ports.  They are probed in bursts at a bounded rate, and none
is waited for by itself: a port behind a lock says nothing.  After the last, answers have QUIET_S;
then a line of output names all ports that have answered since the start, as `open` and `closed`.
"""

import contextlib
import errno
import ipaddress
import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import ClassVar

BURST = 128
PAUSE_S = 0.02
"""After each burst: 6400 probes a second at most.  The queue of a macvtap holds several bursts."""
QUIET_S = 1.0
BUFFER_BYTES = 8 << 20
LARGEST_BYTES = 4096
SYN, RST = 2, 4
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
"""IP_RECVERR and IPV6_RECVERR, ip(7): ICMP errors come with the address that was probed."""
SO_RCVBUFFORCE = 33


def now_s() -> float:
    return time.monotonic()  # noqa: TID251 - a script by itself, in another namespace


def checksum(data: bytes) -> int:
    total = sum(word for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Probes:
    """One socket, by which one address is probed and answers come back."""

    type_and_protocol: ClassVar[tuple[int, int]]

    def __init__(self, address: str, source_port: int) -> None:
        probed = ipaddress.ip_address(address)
        self.address = str(probed)  # as the kernel writes the source of an answer
        self.source_port = source_port
        self.family = {4: socket.AF_INET, 6: socket.AF_INET6}[probed.version]
        self.socket = socket.socket(self.family, *self.type_and_protocol)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)

    def send(self, port: int) -> None:
        raise NotImplementedError

    def answers(self) -> Iterator[tuple[str, int]]:
        """Yield the state and the number of each port whose answer waits to be read."""
        raise NotImplementedError


class Tcp(Probes):
    """SYNs of our own: no connection waits for its end."""

    type_and_protocol = (socket.SOCK_RAW, socket.IPPROTO_TCP)

    def __init__(self, address: str, source_port: int) -> None:
        super().__init__(address, source_port)
        with socket.socket(self.family, socket.SOCK_DGRAM) as routed:
            routed.connect((self.address, 9))
            ends = (routed.getsockname()[0], self.address)
        self.ends = b"".join(socket.inet_pton(self.family, end) for end in ends)

    def send(self, port: int) -> None:
        """Send a SYN: RFC 9293, section 3.1; RFC 8200, section 8.1."""
        fields = (self.source_port, port, 1, 0, 5 << 4, SYN, 1024)
        bare = struct.pack("!HHIIBBHHH", *fields, 0, 0)
        pseudo = self.ends + struct.pack("!II", len(bare), socket.IPPROTO_TCP)
        segment = struct.pack("!HHIIBBHHH", *fields, checksum(pseudo + bare), 0)
        self.socket.sendto(segment, (self.address, 0))

    def answers(self) -> Iterator[tuple[str, int]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (source, *_) = self.socket.recvfrom(LARGEST_BYTES, socket.MSG_DONTWAIT)
                # IPv4 alone shows its header, raw(7)
                segment = packet[(packet[0] & 15) * 4 :] if "." in source else packet
                port, to, _, _, _, flags = struct.unpack_from("!HHIIBB", segment)
                if (source, to) == (self.address, self.source_port):
                    yield ("closed" if flags & RST else "open", port)


class Udp(Probes):
    """Datagrams: an answer is an open port, ICMP's "port unreachable" a closed one."""

    type_and_protocol = (socket.SOCK_DGRAM, 0)

    def __init__(self, address: str, source_port: int) -> None:
        super().__init__(address, source_port)
        self.socket.setsockopt(*RECVERR[self.family], 1)
        self.socket.bind(("", source_port))

    def send(self, port: int) -> None:
        while True:
            try:
                self.socket.sendto(b"hello", (self.address, port))
            except OSError as error:  # an earlier probe's; it waits to be read, this one is unsent
                if error.errno not in {errno.ECONNREFUSED, errno.EHOSTUNREACH}:
                    raise
            else:
                return

    def answers(self) -> Iterator[tuple[str, int]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
                _, said, _, probed = self.socket.recvmsg(LARGEST_BYTES, 512, waiting)
                # struct sock_extended_err begins with the error's number
                if any(struct.unpack_from("I", data)[0] == errno.ECONNREFUSED for *_, data in said):
                    yield ("closed", probed[1])
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                _, (source, port, *_) = self.socket.recvfrom(LARGEST_BYTES, socket.MSG_DONTWAIT)
                if source == self.address:
                    yield ("open", port)


def scan(probes: Probes, ports: list[int], found: dict[str, set[int]]) -> None:
    """Probe each port once, and read until nothing more may be expected."""

    def read(seconds: float) -> None:
        end = now_s() + seconds
        # an error that waits makes a socket readable too, poll(2)
        while select.select([probes.socket], [], [], max(0.0, end - now_s()))[0]:
            for state, port in probes.answers():
                found[state].add(port)

    for index, port in enumerate(ports):
        probes.send(port)
        if index % BURST == BURST - 1:
            read(PAUSE_S)
    read(QUIET_S)


def main() -> None:
    kind, address, source_port = sys.argv[1:]
    probes = {"tcp": Tcp, "udp": Udp}[kind](address, int(source_port))
    found: dict[str, set[int]] = {"open": set(), "closed": set()}
    for line in sys.stdin:
        scan(probes, json.loads(line), found)
        print(json.dumps({state: sorted(ports) for state, ports in found.items()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
