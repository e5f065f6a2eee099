"""The classic BPF program that lets TCP of the services' ports through; PURE.

For an AF_PACKET socket of kind SOCK_DGRAM: a frame begins with its IP header.  linux/filter.h,
and Documentation/networking/filter.rst for the ancillary loads.
"""

import struct
from collections.abc import Sequence
from typing import Final

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_HALF_AT_X: Final = 0x48
_LOAD_X_HEADER_LENGTH: Final = 0xB1
"""``ldx 4*([k]&0xf)``."""
_LOAD_MEMORY, _STORE = 0x60, 0x02
_JUMP, _IF_EQUAL, _IF_ABOVE, _IF_AT_LEAST, _IF_BITS = 0x05, 0x15, 0x25, 0x35, 0x45
_RETURN: Final = 0x06

_ANCILLARY: Final = 0xFFFF_F000
_PROTOCOL, _KIND, _INTERFACE = (_ANCILLARY + offset for offset in (0, 4, 8))

_IPV4, _IPV6, _TCP, _OUTGOING = 0x0800, 0x86DD, 6, 4
_FRAGMENT_OFFSET: Final = 0x1FFF
WHOLE: Final = 0x4_0000

Instruction = tuple[int, int, int, int]
"""Code, how far to jump if true and if false, and the constant."""


def program(
    ports: Sequence[tuple[int, int]], *, loopback: int, interfaces: Sequence[int] = ()
) -> list[Instruction]:
    """Return the program.

    Args:
        ports: First and last of each range; a segment passes with either of its ports in one.
        loopback: Index of the loopback interface: what it sends comes back as received, and is
            let through once.
        interfaces: Indexes of the interfaces to listen to; all if there are none.
    """
    reject: Instruction = (_RETURN, 0, 0, 0)
    which: list[Instruction] = []
    if interfaces:
        which.append((_LOAD_WORD, 0, 0, _INTERFACE))
        for left, index in zip(range(len(interfaces), 0, -1), interfaces, strict=True):
            which.append((_IF_EQUAL, left, 0, index))
        which.append(reject)
    once: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _KIND),
        (_IF_EQUAL, 0, 3, _OUTGOING),
        (_LOAD_WORD, 0, 0, _INTERFACE),
        (_IF_EQUAL, 0, 1, loopback),
        reject,
    ]
    in_ipv6: list[Instruction] = [
        (_IF_EQUAL, 1, 0, _IPV6),
        reject,
        (_LOAD_BYTE, 0, 0, 6),
        (_IF_EQUAL, 1, 0, _TCP),
        reject,
        (_LOAD_HALF, 0, 0, 40),
        (_STORE, 0, 0, 0),
        (_LOAD_HALF, 0, 0, 42),
        (_STORE, 0, 0, 1),
    ]
    in_ipv4: list[Instruction] = [
        (_LOAD_BYTE, 0, 0, 9),
        (_IF_EQUAL, 1, 0, _TCP),
        reject,
        (_LOAD_HALF, 0, 0, 6),
        (_IF_BITS, 0, 1, _FRAGMENT_OFFSET),
        reject,
        (_LOAD_X_HEADER_LENGTH, 0, 0, 0),
        (_LOAD_HALF_AT_X, 0, 0, 0),
        (_STORE, 0, 0, 0),
        (_LOAD_HALF_AT_X, 0, 0, 2),
        (_STORE, 0, 0, 1),
        (_JUMP, 0, 0, len(in_ipv6)),
    ]
    family: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _PROTOCOL),
        (_IF_EQUAL, 0, len(in_ipv4), _IPV4),
    ]
    wanted: list[Instruction] = []
    for memory in (0, 1):
        wanted.append((_LOAD_MEMORY, 0, 0, memory))
        for first, last in ports:
            wanted += [
                (_IF_AT_LEAST, 0, 2, first),
                (_IF_ABOVE, 1, 0, last),
                (_RETURN, 0, 0, WHOLE),
            ]
    return [*which, *once, *family, *in_ipv4, *in_ipv6, *wanted, reject]


def octets(instructions: Sequence[Instruction]) -> bytes:
    """Return the program as ``struct sock_filter`` has it, in this computer's byte order."""
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)
