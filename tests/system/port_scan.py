"""Send a SYN to many TCP ports, or a datagram to UDP ports, and tell who answered.

ip netns exec NAMESPACE python port_scan.py tcp|udp ADDRESS FIRST LAST PAUSE_S
"""

import json
import select
import socket
import struct
import sys
import time

SOURCE_PORT = 33333
BURST = 256
QUIET_S = 1.5
"""After the last probe: how long answers may take."""


def now_s() -> float:
    return time.monotonic()  # noqa: TID251 - a script by itself, in another namespace


def checksum(data: bytes) -> int:
    total = sum(int(word) for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(port: int, ends: bytes) -> bytes:
    segment = bytearray(struct.pack("!HHIIBBHHH", SOURCE_PORT, port, 1, 0, 5 << 4, 2, 1024, 0, 0))
    pseudo = ends + struct.pack("!II", len(segment), socket.IPPROTO_TCP)
    struct.pack_into("!H", segment, 16, checksum(pseudo + segment))
    return bytes(segment)


def scan_tcp(address: str, ports: range, pause_s: float) -> dict[str, list[int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found: dict[str, list[int]] = {"open": [], "closed": []}
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.connect((address, 0))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        source = raw.getsockname()[0]
        ends = socket.inet_pton(family, source) + socket.inet_pton(family, address)

        def listen(seconds: float) -> None:
            end = now_s() + seconds
            while select.select([raw], [], [], max(0.0, end - now_s()))[0]:
                packet = raw.recv(4096)
                segment = packet if family == socket.AF_INET6 else packet[(packet[0] & 15) * 4 :]
                port, to, _, _, _, flags = struct.unpack_from("!HHIIBB", segment)
                if to == SOURCE_PORT:
                    found["closed" if flags & 4 else "open"].append(port)

        for index, port in enumerate(ports):
            raw.send(syn(port, ends))
            if index % BURST == 0:
                listen(pause_s)
        listen(QUIET_S)
    return {state: sorted(set(numbers)) for state, numbers in found.items()}


def scan_udp(address: str, ports: range, pause_s: float) -> dict[str, list[int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found: dict[str, list[int]] = {"open": [], "closed": []}
    sockets = {}
    for index, port in enumerate(ports):
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.connect((address, port))
        one.settimeout(0)
        one.send(b"hello")
        sockets[port] = one
        if index % BURST == 0:
            time.sleep(pause_s)
    time.sleep(QUIET_S)
    for port, one in sockets.items():
        try:
            one.recv(4096)
            found["open"].append(port)
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            found["closed"].append(port)
        one.close()
    return found


def main() -> None:
    kind, address, first, last, pause_s = sys.argv[1:]
    scan = {"tcp": scan_tcp, "udp": scan_udp}[kind]
    sys.stdout.write(json.dumps(scan(address, range(int(first), int(last) + 1), float(pause_s))))


if __name__ == "__main__":
    main()
