"""Where a frame holds addresses, checksums and payload; what is not understood is to be wiped.

A list of what may stay is safe where a list of what must go is not: only headers that are known
here, TCP's payload and the headers that ICMP errors quote are kept. Everything else (other
protocols, IP options, extension headers' bodies, padding) is named in `wipes`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

Span = tuple[int, int]
"""Start and end of bytes in a frame."""

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_VLANS: Final = frozenset({0x8100, 0x88A8})
_ERRORS: Final = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
"""Messages that quote the packet they are about (RFC 792; RFC 4443, section 3)."""
_REDIRECT: Final = 5
_ICMP_HEADER_BYTES: Final = 8
_EXTENSIONS: Final = frozenset({0, 43, 60, 135})
_FRAGMENT: Final = 44
_ADD_ADDR: Final = 3
_IPV4_LENGTHS: Final = frozenset({8, 10, 16, 18})
"""Of ADD_ADDR with an IPv4 address: with and without port and HMAC (RFC 8684, section 3.4.1)."""
_IPV6_LENGTHS: Final = frozenset({20, 22, 28, 30})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """An Internet checksum (RFC 1071) in a frame."""

    at: int
    covers: tuple[Span, ...]
    """What it is the sum of; each begins at an even place of the sum, and the field is in one."""
    pseudo: int | None = None
    """For TCP: what else a card that fills it in later would have summed up (length, protocol)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A TCP segment with payload."""

    flow: bytes
    """Addresses and ports as they stand in the headers."""
    seq: int
    """Of its first payload byte."""
    payload: Span


@dataclass(slots=True)
class Layout:
    """What is where in one frame."""

    addresses: list[Span] = field(default_factory=list)
    macs: list[int] = field(default_factory=list)
    wipes: list[Span] = field(default_factory=list)
    random: list[Span] = field(default_factory=list)
    """Fields whose values are numbers that any address may look like: sequence numbers, keys, …"""
    checksums: list[Checksum] = field(default_factory=list)
    """Inner ones before the outer ones that cover them."""
    segment: Segment | None = None


Link = Callable[[bytes, Layout], None]


def layout(frame: bytes, link_type: int) -> Layout:
    """Return what is where in a frame; never raises, whatever its bytes are."""
    out = Layout()
    try:
        _LINKS.get(link_type, _unknown_link)(frame, out)
    except (struct.error, IndexError):
        return Layout(wipes=[(0, len(frame))])
    out.wipes = [(s, e) for s, e in out.wipes if s < e]
    ends = [e for _, e in (*out.wipes, *out.addresses)]
    ends += [m + 6 for m in out.macs] + [c.at + 2 for c in out.checksums]
    if max(ends, default=0) > len(frame):
        return Layout(wipes=[(0, len(frame))])
    return out


def _unknown_link(frame: bytes, out: Layout) -> None:
    out.wipes.append((0, len(frame)))


def _ethernet(frame: bytes, out: Layout) -> None:
    at = 12
    (ethertype,) = struct.unpack_from(">H", frame, at)
    while ethertype in _VLANS:
        at += 4
        (ethertype,) = struct.unpack_from(">H", frame, at)
    out.macs += [0, 6]
    _network(frame, at + 2, ethertype, out)


def _cooked(protocol_at: int, length_at: int, mac_at: int, header_bytes: int) -> Link:
    def link(frame: bytes, out: Layout) -> None:
        (ethertype,) = struct.unpack_from(">H", frame, protocol_at)
        if frame[length_at] == 6:  # noqa: PLR2004 - a MAC address
            out.macs.append(mac_at)
            out.wipes.append((mac_at + 6, mac_at + 8))
        else:
            out.wipes.append((mac_at, mac_at + 8))
        _network(frame, header_bytes, ethertype, out)

    return link


def _raw(header_bytes: int) -> Link:
    def link(frame: bytes, out: Layout) -> None:
        ethertype = {4: _IPV4, 6: _IPV6}.get(frame[header_bytes] >> 4, 0)
        _network(frame, header_bytes, ethertype, out)

    return link


_LINKS: Final[dict[int, Link]] = {
    0: _raw(4),  # loopback of BSD
    1: _ethernet,
    12: _raw(0),
    101: _raw(0),
    108: _raw(4),
    113: _cooked(14, 5, 6, 16),  # Linux, "any" interface
    228: _raw(0),
    229: _raw(0),
    276: _cooked(0, 11, 12, 20),
}
"""By link type (www.tcpdump.org/linktypes.html)."""


def _network(frame: bytes, at: int, ethertype: int, out: Layout) -> None:
    if ethertype in (_IPV4, _IPV6):
        _ip(frame, at, len(frame), out, quoted=False)
    elif ethertype == _ARP and frame[at : at + 6] == b"\0\1\x08\0\6\4" and len(frame) >= at + 28:
        out.macs += [at + 8, at + 18]
        out.addresses += [(at + 14, at + 18), (at + 24, at + 28)]
        out.wipes.append((at + 28, len(frame)))
    else:
        out.wipes.append((at, len(frame)))


def _ip(frame: bytes, at: int, limit: int, out: Layout, *, quoted: bool) -> None:
    """Lay out an IP packet; `limit` is where what may belong to it ends."""
    version = frame[at] >> 4
    known = {4: _ipv4, 6: _ipv6}.get(version)
    if known is None or limit - at < (20 if version == 4 else 40):  # noqa: PLR2004 - IPv4
        out.wipes.append((at, limit))
        return
    body, end, protocol = known(frame, at, limit, out)
    out.wipes.append((end, limit))  # padding, or what ICMP extensions tell of interfaces
    addresses = out.addresses[-2][0], out.addresses[-1][1]
    _TRANSPORTS.get(protocol, _other)(frame, (body, end), addresses, out, quoted)


def _ipv4(frame: bytes, at: int, limit: int, out: Layout) -> tuple[int, int, int]:
    header_bytes = (frame[at] & 15) * 4
    total, _, fragment = struct.unpack_from(">HHH", frame, at + 2)
    out.random += [(at + 4, at + 6), (at + 10, at + 12)]  # identification, checksum
    out.addresses += [(at + 12, at + 16), (at + 16, at + 20)]
    body = at + max(20, header_bytes)
    if body > limit or header_bytes < 20:  # noqa: PLR2004 - IPv4's shortest header
        return at + 20, limit, -1
    out.wipes.append((at + 20, body))
    out.checksums.append(Checksum(at=at + 10, covers=((at, body),)))
    end = min(limit, at + total) if total else limit
    if end < body:
        return body, limit, -1
    return body, end, -1 if fragment & 0x1FFF else frame[at + 9]


def _ipv6(frame: bytes, at: int, limit: int, out: Layout) -> tuple[int, int, int]:
    (payload_bytes,) = struct.unpack_from(">H", frame, at + 4)
    protocol, body = frame[at + 6], at + 40
    out.addresses += [(at + 8, at + 24), (at + 24, at + 40)]
    if frame[at + 24 : at + 37] == b"\xff\2" + bytes(9) + b"\1\xff":
        # a solicited-node group is made of an address (RFC 4291, section 2.7.1)
        out.wipes.append((at + 37, at + 40))
    end = min(limit, body + payload_bytes) if payload_bytes else limit
    while protocol in _EXTENSIONS or protocol == _FRAGMENT:
        if body + 8 > end:
            return body, end, -1
        if protocol == _FRAGMENT:
            protocol, body = frame[body], body + 8
            if struct.unpack_from(">H", frame, body - 6)[0] & 0xFFF8:
                return body, end, -1
            continue
        following = body + 8 + 8 * frame[body + 1]
        out.wipes.append((body + 2, min(following, end)))
        protocol, body = frame[body], following
    return (body, end, protocol) if body <= end else (end, end, -1)


def _other(_frame: bytes, span: Span, _addresses: Span, out: Layout, _quoted: bool) -> None:  # noqa: FBT001 - one of a table
    out.wipes.append(span)


def _udp(_frame: bytes, span: Span, addresses: Span, out: Layout, _quoted: bool) -> None:  # noqa: FBT001 - one of a table
    start, end = span
    out.wipes.append((min(start + 8, end), end))
    if end - start >= 8 and _frame[start + 6 : start + 8] != b"\0\0":  # noqa: PLR2004 - header
        out.checksums.append(Checksum(at=start + 6, covers=(addresses, span)))


def _icmp(
    frame: bytes, span: Span, addresses: Span, out: Layout, *, quoted: bool, six: bool
) -> None:
    start, end = span
    if end - start < _ICMP_HEADER_BYTES:
        out.wipes.append(span)
        return
    inner = start + _ICMP_HEADER_BYTES
    if frame[start] in _ERRORS[ICMPV6 if six else ICMP] and not quoted and inner < end:
        if frame[start] == _REDIRECT:
            out.addresses.append((start + 4, start + 8))
        # IPv6's pseudo header is covered too (RFC 4443, section 2.3)
        _ip(frame, inner, end, out, quoted=True)
    else:
        out.wipes.append((start + 4, end))
    covers = (addresses, span) if six else (span,)
    out.checksums.append(Checksum(at=start + 2, covers=covers))


def _icmp_of_4(frame: bytes, span: Span, addresses: Span, out: Layout, quoted: bool) -> None:  # noqa: FBT001 - one of a table
    _icmp(frame, span, addresses, out, quoted=quoted, six=False)


def _icmp_of_6(frame: bytes, span: Span, addresses: Span, out: Layout, quoted: bool) -> None:  # noqa: FBT001 - one of a table
    _icmp(frame, span, addresses, out, quoted=quoted, six=True)


def _tcp(frame: bytes, span: Span, addresses: Span, out: Layout, quoted: bool) -> None:  # noqa: FBT001 - one of a table
    start, end = span
    out.random.append((start + 4, min(start + 12, end)))
    if end - start < 20:  # noqa: PLR2004 - TCP's shortest header
        if not quoted:
            out.wipes.append((start + 4, end))
        else:
            out.wipes.append((min(start + 12, end), end))
        return
    header_bytes = (frame[start + 12] >> 4) * 4
    body = start + max(20, header_bytes)
    out.random.append((start + 14, start + 18))  # window, checksum
    length = end - start
    out.checksums.append(Checksum(at=start + 16, covers=(addresses, span), pseudo=length + TCP))
    if body > end:
        out.wipes.append((start + 20, end))
        return
    _tcp_options(frame, start + 20, body, out)
    if quoted:
        out.wipes.append((body, end))
    elif body < end:
        seq, syn = struct.unpack_from(">I", frame, start + 4)[0], frame[start + 13] >> 1 & 1
        flow = frame[addresses[0] : addresses[1]] + frame[start : start + 4]
        out.segment = Segment(flow=flow, seq=(seq + syn) & 0xFFFFFFFF, payload=(body, end))


def _tcp_options(frame: bytes, at: int, end: int, out: Layout) -> None:
    while at < end and frame[at]:
        if frame[at] == 1:
            at += 1
            continue
        length = frame[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:  # noqa: PLR2004 - kind and length
            break
        if frame[at] == 30 and length > 2 and frame[at + 2] >> 4 == _ADD_ADDR:  # noqa: PLR2004 - MPTCP's kind
            size = 4 if length in _IPV4_LENGTHS else 16 if length in _IPV6_LENGTHS else 0
            if size:
                out.addresses.append((at + 4, at + 4 + size))
            else:
                out.wipes.append((at + 4, at + length))
            out.random.append((at + 4 + size, at + length))
        elif frame[at] in _NUMBERS:
            out.random.append((at + 2, at + length))
        at += length
    # after the end of the list, or after an option that is none: nothing that anybody reads
    out.wipes.append((at, end))


_NUMBERS: Final = frozenset({5, 8, 19, 29, 30, 34})
"""Options of numbers, keys and digests: SACK, timestamps, MD5, TCP-AO, MPTCP, Fast Open."""

_TRANSPORTS: Final[dict[int, Callable[[bytes, Span, Span, Layout, bool], None]]] = {
    ICMP: _icmp_of_4,
    TCP: _tcp,
    UDP: _udp,
    ICMPV6: _icmp_of_6,
}
