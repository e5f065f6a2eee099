"""An address and a port, from the columns to what people read."""

import functools
import ipaddress
from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Packets

IPV4_BYTES: Final = 4
LOW_32_BITS: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """One end of a TCP connection."""

    address: str
    """Dotted quad, or IPv6 as RFC 5952 writes it."""
    port: int

    def __str__(self) -> str:
        """Return ``192.0.2.1:80`` or ``[2001:db8::1]:80`` (RFC 3986, section 3.2.2)."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@functools.lru_cache(maxsize=65_536)
def address_text(family: int, high: int, low: int) -> str:
    """Return an address in its usual text form.

    Args:
        family: 4 or 6.
        high: Bytes 0 to 7 of the 16-byte form, as the columns hold it.
        low: Bytes 8 to 15; of IPv4 only the last four bytes count.
    """
    if family == IPV4_BYTES:
        return str(ipaddress.IPv4Address(low & LOW_32_BITS))
    return str(ipaddress.IPv6Address(high << 64 | low))


def source(packets: Packets, row: int) -> Endpoint:
    """Return who sent a segment."""
    return Endpoint(
        address=address_text(
            int(packets.family[row]), int(packets.src_high[row]), int(packets.src_low[row])
        ),
        port=int(packets.src_port[row]),
    )


def destination(packets: Packets, row: int) -> Endpoint:
    """Return whom a segment was sent to."""
    return Endpoint(
        address=address_text(
            int(packets.family[row]), int(packets.dst_high[row]), int(packets.dst_low[row])
        ),
        port=int(packets.dst_port[row]),
    )
