"""The TCP options of one segment as values, for people, tests and probes; and back to bytes.

RFC 9293, section 3.1, draws the list.  Nothing is lost: what cannot be decoded is kept with its
bytes, so that encoding what was decoded gives the same bytes, whatever they were.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mptcp_check.analysis.capture.packets import KIND_MPTCP
from mptcp_check.analysis.capture.records import Problem
from mptcp_check.analysis.options import mptcp_codec
from mptcp_check.analysis.options.mptcp_values import MptcpOption


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfOptions:
    """Kind 0, end of option list: RFC 9293, section 3.2."""

    padding: bytes = b""
    """What follows up to the end of the header; zeros, if the sender is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOperation:
    """Kind 1: RFC 9293, section 3.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumSegmentSize:
    """Kind 2: RFC 9293, section 3.2."""

    mss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowScale:
    """Kind 3: RFC 7323, section 2.2."""

    shift_count: int
    """Places that the sender's window is shifted to the left; above 14 it means 14."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SackPermitted:
    """Kind 4: RFC 2018, section 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sack:
    """Kind 5: RFC 2018, section 3."""

    blocks: tuple[tuple[int, int], ...]
    """Left and right edge of each block, absolute sequence numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps:
    """Kind 8: RFC 7323, section 3.2."""

    value: int
    echo: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FastOpen:
    """Kind 34, a TCP Fast Open cookie, empty when it asks for one: RFC 7413, section 4.1.1."""

    cookie: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOption:
    """Any other kind; `KIND_NAMES` knows some."""

    kind: int
    data: bytes
    """What follows kind and length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedOption:
    """Bytes that do not make an option of their kind."""

    octets: bytes
    """Kind and length included; all the rest of the list, if the length itself is wrong."""


TcpOption = (
    EndOfOptions
    | NoOperation
    | MaximumSegmentSize
    | WindowScale
    | SackPermitted
    | Sack
    | Timestamps
    | FastOpen
    | MptcpOption
    | OtherOption
    | MalformedOption
)

KIND_NAMES: Final[Mapping[int, str]] = {
    0: "End of Option List",
    1: "No-Operation",
    2: "Maximum Segment Size",
    3: "Window Scale",
    4: "SACK Permitted",
    5: "SACK",
    6: "Echo",
    7: "Echo Reply",
    8: "Timestamps",
    9: "Partial Order Connection Permitted",
    10: "Partial Order Service Profile",
    11: "CC",
    12: "CC.NEW",
    13: "CC.ECHO",
    14: "Alternate Checksum Request",
    15: "Alternate Checksum Data",
    16: "Skeeter",
    17: "Bubba",
    18: "Trailer Checksum",
    19: "MD5 Signature",
    20: "SCPS Capabilities",
    21: "Selective Negative Acknowledgements",
    22: "Record Boundaries",
    23: "Corruption Experienced",
    24: "SNAP",
    26: "TCP Compression Filter",
    27: "Quick-Start Response",
    28: "User Timeout",
    29: "TCP Authentication Option",
    30: "Multipath TCP",
    34: "TCP Fast Open Cookie",
    69: "Encryption Negotiation",
    172: "Accurate ECN Order 0",
    174: "Accurate ECN Order 1",
    253: "Experiment 1 (RFC 3692)",
    254: "Experiment 2 (RFC 3692)",
}
"""IANA, "TCP Option Kind Numbers"."""


def decode(raw: bytes) -> tuple[tuple[TcpOption, ...], tuple[Problem, ...]]:
    """Decode a segment's option list.

    Args:
        raw: The bytes between the fixed header and the payload, or as many as were captured.

    Returns:
        The options in their order and what is wrong with them, with offsets in `raw`.  Any bytes
        are accepted; a length that is wrong ends the list, as nothing after it can be found.
    """
    found: list[TcpOption] = []
    problems: list[Problem] = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind == 0:
            found.append(EndOfOptions(padding=raw[at + 1 :]))
            break
        if kind == 1:
            found.append(NoOperation())
            at += 1
            continue
        if at + 1 == len(raw):
            reason = f"kind {kind} ends before its length"
            length = 0
        else:
            length = raw[at + 1]
            reason = f"kind {kind} has the length {length}, {len(raw) - at} bytes are left"
        if length < 2 or at + length > len(raw):  # noqa: PLR2004 - kind and length themselves
            problems.append(Problem(offset=at, reason=reason))
            found.append(MalformedOption(octets=raw[at:]))
            break
        octets = raw[at : at + length]
        option = _decode_one(octets)
        if isinstance(option, str):
            problems.append(Problem(offset=at, reason=option))
            found.append(MalformedOption(octets=octets))
        else:
            found.append(option)
        at += length
    return tuple(found), tuple(problems)


def encode(options: Iterable[TcpOption]) -> bytes:
    """Return the bytes of an option list; not padded to four bytes: see `padded`.

    Raises:
        ValueError: A value that has no such bytes, as `mptcp_codec.encode` says.
        struct.error: A number that does not fit its field.
    """
    return b"".join(_encode_one(option) for option in options)


def padded(options: Iterable[TcpOption]) -> bytes:
    """Return the bytes of an option list with zeros up to a multiple of four bytes."""
    octets = encode(options)
    return octets + b"\0" * (-len(octets) % 4)


def _decode_one(octets: bytes) -> TcpOption | str:
    kind, data = octets[0], octets[2:]
    if kind == KIND_MPTCP:
        return mptcp_codec.decode(octets)
    form = _FORMS.get(kind)
    if form is None:
        return OtherOption(kind=kind, data=data)
    option = form(data)
    return f"{KIND_NAMES[kind]} of {len(octets)} bytes" if option is None else option


def _encode_one(option: TcpOption) -> bytes:
    writer = _WRITERS.get(type(option))
    if writer is None:
        return mptcp_codec.encode(option)  # type: ignore[arg-type] # what the table leaves over
    octets: bytes = writer(option)
    return octets


def _decode_mss(data: bytes) -> MaximumSegmentSize | None:
    return MaximumSegmentSize(mss_bytes=int.from_bytes(data, "big")) if len(data) == 2 else None  # noqa: PLR2004 - bytes


def _decode_window_scale(data: bytes) -> WindowScale | None:
    return WindowScale(shift_count=data[0]) if len(data) == 1 else None


def _decode_sack_permitted(data: bytes) -> SackPermitted | None:
    return None if data else SackPermitted()


def _decode_sack(data: bytes) -> Sack | None:
    if not data or len(data) % 8:
        return None
    edges = struct.unpack(f">{len(data) // 4}I", data)
    return Sack(blocks=tuple(zip(edges[::2], edges[1::2], strict=True)))


def _decode_timestamps(data: bytes) -> Timestamps | None:
    if len(data) != 8:  # noqa: PLR2004 - bytes
        return None
    value, echo = struct.unpack(">II", data)
    return Timestamps(value=value, echo=echo)


def _decode_fast_open(data: bytes) -> FastOpen:
    return FastOpen(cookie=data)


def _with_length(kind: int, data: bytes) -> bytes:
    return struct.pack(">BB", kind, len(data) + 2) + data


def _sack_bytes(option: Sack) -> bytes:
    return b"".join(struct.pack(">II", left, right) for left, right in option.blocks)


_FORMS: Final[Mapping[int, Callable[[bytes], TcpOption | None]]] = {
    2: _decode_mss,
    3: _decode_window_scale,
    4: _decode_sack_permitted,
    5: _decode_sack,
    8: _decode_timestamps,
    34: _decode_fast_open,
}

_WRITERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    EndOfOptions: lambda option: b"\0" + option.padding,
    NoOperation: lambda _: b"\1",
    MaximumSegmentSize: lambda option: _with_length(2, struct.pack(">H", option.mss_bytes)),
    WindowScale: lambda option: _with_length(3, bytes([option.shift_count])),
    SackPermitted: lambda _: _with_length(4, b""),
    Sack: lambda option: _with_length(5, _sack_bytes(option)),
    Timestamps: lambda option: _with_length(8, struct.pack(">II", option.value, option.echo)),
    FastOpen: lambda option: _with_length(34, option.cookie),
    OtherOption: lambda option: _with_length(option.kind, option.data),
    MalformedOption: lambda option: option.octets,
}
