"""What a network card does in the kernel's place, asked and switched off by ioctl.

SIOCETHTOOL (linux/ethtool.h) has a pair of commands for each; the kernel applies them to groups of
features as ``ethtool -K`` does.  What TSO adds for AccECN is not in its group: without TSO it does
nothing.
"""

import array
import fcntl
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

SIOCETHTOOL = 0x8946
LRO_FLAG = 1 << 15
"""ETH_FLAG_LRO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offload:
    """How one is called and asked for."""

    short: str
    """As ``ethtool -K`` takes it."""
    get: int
    set: int
    flag: int = 0
    """Its bit where many share a word; 0 where the word is its own."""


OFFLOADS: Mapping[str, Offload] = {
    "tx-checksumming": Offload(short="tx", get=0x16, set=0x17),
    "scatter-gather": Offload(short="sg", get=0x18, set=0x19),
    "tcp-segmentation-offload": Offload(short="tso", get=0x1E, set=0x1F),
    "generic-segmentation-offload": Offload(short="gso", get=0x23, set=0x24),
    "generic-receive-offload": Offload(short="gro", get=0x2B, set=0x2C),
    "large-receive-offload": Offload(short="lro", get=0x25, set=0x26, flag=LRO_FLAG),
}
"""What makes a capture differ from the wire, by its name in ``ethtool -k``."""


def on(interface: str) -> list[str]:
    """Return the names of those that are on.

    Raises:
        OSError: There is no such interface, or it knows nothing of the matter.
    """
    with _socket() as asking:
        return [name for name, offload in OFFLOADS.items() if _is_on(asking, interface, offload)]


def switch_off(interface: str) -> list[str]:
    """Switch all off and return the names of those that stay on, which the driver fixes.

    Raises:
        OSError: There is no such interface, it knows nothing of the matter, or we may not.
    """
    with _socket() as asking:
        for offload in OFFLOADS.values():
            if _is_on(asking, interface, offload):
                word = _word(asking, interface, offload.get) & ~offload.flag if offload.flag else 0
                # one that is fixed keeps no other from being switched off
                with suppress(OSError):
                    _word(asking, interface, offload.set, word)
    return on(interface)


def _is_on(asking: socket.socket, interface: str, offload: Offload) -> bool:
    word = _word(asking, interface, offload.get)
    return bool(word & offload.flag if offload.flag else word)


def _word(asking: socket.socket, interface: str, command: int, value: int = 0) -> int:
    """Give a command with a word of 32 bits and return the word that comes back."""
    words = array.array("I", (command, value))
    address, _ = words.buffer_info()
    # struct ifreq: the name, and a union of which this is the pointer
    fcntl.ioctl(asking, SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), address))
    return words[1]


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
