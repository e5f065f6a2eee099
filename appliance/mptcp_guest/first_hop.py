"""Who answers a SYN: the measurement server, or something that ends TCP right here.

A user-mode network (QEMU's ``-netdev user``, passt, VirtualBox's NAT) is no router: it takes a
connection itself and makes another one outside.  So it answers a SYN that no router would have
carried on, with a hop limit of 1; and a SYN's first sequence number and options, which the server
or a capture outside sees, are not those that were sent here.

The SYN is our own: a sequence number that the orchestrator knows, and MP_CAPABLE (RFC 8684,
section 3.1).  The kernel knows nothing of it and resets what is answered, so nothing stays open.
"""

import contextlib
import select
import socket
import struct
import sys
from collections.abc import Iterator

from mptcp_guest import clock, messages
from mptcp_guest.lab import Lab
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, milliseconds

RETRY_S = 1.0
SYN, RST, ACK = 0x02, 0x04, 0x10
END_OF_OPTIONS, NO_OPERATION, MP_CAPABLE_KIND = 0, 1, 30
SHORTEST_OPTION = 2
OPTIONS = bytes(
    [
        *(2, 4, 1460 >> 8, 1460 & 0xFF),  # MSS
        *(4, 2),  # SACK permitted
        *(1, 1),  # padding
        *(30, 4, 0x01, 0x01),  # MP_CAPABLE, version 1, HMAC-SHA256
    ]
)

SO_BINDTODEVICE = 25
IP_RECVERR, IPV6_RECVERR = 11, 25
MSG_ERRQUEUE = 0x2000
EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""sock_extended_err: errno, origin, type, code, padding, info, data (ip(7))."""
FROM_ICMP, FROM_ICMP6 = 2, 3
TIME_EXCEEDED = {FROM_ICMP: 11, FROM_ICMP6: 3}


def ask(lab: Lab, arguments: messages.FirstHopArguments) -> messages.FirstHopResult:
    """Send the SYN from the lab's namespace and tell what came back.

    Raises:
        RefusalError: There is no way to the address, or raw sockets are refused.
    """
    checked_name(arguments["interface"])
    require_sane(arguments)
    try:
        return lab.within(lambda: probe(arguments))
    except OSError as error:
        words = f"{arguments['address']}: {error.strerror or error}"
        raise RefusalError("failed", words) from error


def probe(arguments: messages.FirstHopArguments) -> messages.FirstHopResult:
    """Send the SYN, again each second, until an answer comes or the time is over."""
    version = 6 if ":" in arguments["address"] else 4
    answers: list[messages.FirstHopAnswer] = []
    until = Deadline.after(arguments["within_s"])
    with opened(arguments, version) as raw:
        source = raw.getsockname()[0]
        segment = syn(arguments, source, version)
        sent_count = 0
        while not answers and until.left_s:
            # what an ICMP error left behind is reported by the next call, whatever it is
            with contextlib.suppress(ConnectionError, OSError):
                raw.send(segment)
            sent_count += 1
            answers += _heard(raw, arguments, version, until.earlier(RETRY_S))
    return messages.FirstHopResult(source=source, sent_count=sent_count, answers=answers)


@contextlib.contextmanager
def opened(arguments: messages.FirstHopArguments, version: int) -> Iterator[socket.socket]:
    """Give a raw TCP socket by one interface to one address."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, arguments["interface"].encode() + b"\0")
        if version == 6:  # noqa: PLR2004
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, arguments["hop_limit"])
            raw.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, arguments["hop_limit"])
            raw.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        if "source" in arguments:
            raw.bind((arguments["source"], 0))
        raw.connect((arguments["address"], 0))
        raw.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield raw


def syn(arguments: messages.FirstHopArguments, source: str, version: int) -> bytes:
    """Return the TCP segment with its checksum; PURE."""
    words = (20 + len(OPTIONS)) // 4
    header = struct.pack(
        "!HHIIBBHHH",
        arguments["source_port"],
        arguments["port"],
        arguments["isn"],
        0,
        words << 4,
        SYN,
        65535,
        0,
        0,
    )
    segment = bytearray(header + OPTIONS)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, arguments["address"])
    pseudo = ends + struct.pack("!II", len(segment), socket.IPPROTO_TCP)
    struct.pack_into("!H", segment, 16, _checksum(pseudo + segment))
    return bytes(segment)


def answer(
    packet: bytes, arguments: messages.FirstHopArguments, version: int
) -> messages.FirstHopAnswer | None:
    """Read what a raw socket received; none when it is not an answer to our SYN; PURE."""
    start = (packet[0] & 0x0F) * 4 if version == 4 and packet else 0  # noqa: PLR2004
    segment = packet[start:]
    if len(segment) < 20:  # noqa: PLR2004
        return None
    source, destination, _, acknowledged, words, flags = struct.unpack_from("!HHIIBB", segment)
    ends = (source, destination) == (arguments["port"], arguments["source_port"])
    if not ends or acknowledged != (arguments["isn"] + 1) % 2**32 or not flags & (SYN | RST):
        return None
    return messages.FirstHopAnswer(
        kind="rst" if flags & RST else "synack",
        sender=arguments["address"],
        mp_capable=has_mp_capable(segment[20 : (words >> 4) * 4]),
        time_ns=clock.wall_ns(),
    )


def has_mp_capable(options: bytes) -> bool:
    """Say whether TCP options hold MP_CAPABLE (subtype 0 of kind 30); PURE, for any bytes."""
    place = 0
    while place + 2 < len(options) and options[place] != END_OF_OPTIONS:
        kind, length, after = options[place : place + 3]
        if kind == NO_OPERATION:
            length = 1
        elif length < SHORTEST_OPTION:
            return False
        elif kind == MP_CAPABLE_KIND and length > SHORTEST_OPTION and after >> 4 == 0:
            return True
        place += length
    return False


def _heard(
    raw: socket.socket, arguments: messages.FirstHopArguments, version: int, until: Deadline
) -> list[messages.FirstHopAnswer]:
    poll = select.poll()
    poll.register(raw, select.POLLIN)  # and POLLERR, which needs no asking
    while until.left_s:
        if not poll.poll(milliseconds(until.left_s)):
            continue
        error = _icmp_error(raw)
        if error is not None:
            return [error]
        try:
            packet = raw.recv(65536)
        except OSError:
            continue
        found = answer(packet, arguments, version)
        if found is not None:
            return [found]
    return []


def _icmp_error(raw: socket.socket) -> messages.FirstHopAnswer | None:
    try:
        _, ancillary, _, _ = raw.recvmsg(512, 512, MSG_ERRQUEUE)
    except OSError:
        return None
    for _, _, content in ancillary:
        if len(content) < EXTENDED_ERROR.size:
            continue
        _, origin, kind, _, _, _, _ = EXTENDED_ERROR.unpack_from(content)
        if origin in TIME_EXCEEDED:
            exceeded = TIME_EXCEEDED[origin] == kind
            return messages.FirstHopAnswer(
                kind="time_exceeded" if exceeded else "unreachable",
                sender=_offender(content[EXTENDED_ERROR.size :]),
                mp_capable=False,
                time_ns=clock.wall_ns(),
            )
    return None


def _offender(address: bytes) -> str:
    """Return who sent an ICMP error, from the sockaddr after the extended error; PURE."""
    family = int.from_bytes(address[:2], sys.byteorder)
    if family == socket.AF_INET and len(address) >= 8:  # noqa: PLR2004
        return socket.inet_ntop(socket.AF_INET, address[4:8])
    if family == socket.AF_INET6 and len(address) >= 24:  # noqa: PLR2004
        return socket.inet_ntop(socket.AF_INET6, address[8:24])
    return ""


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int(word) for (word,) in struct.iter_unpack("!H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def require_sane(arguments: messages.FirstHopArguments) -> None:
    """Raise when a number cannot be one.

    Raises:
        RefusalError: Names the value.
    """
    limits = {"port": 65535, "source_port": 65535, "hop_limit": 255, "isn": 2**32 - 1}
    for name, most in limits.items():
        value = arguments[name]  # type: ignore[literal-required] # names of its fields
        if not 0 <= value <= most:
            raise RefusalError("bad_arguments", f"{name} {value}: 0 to {most}")
