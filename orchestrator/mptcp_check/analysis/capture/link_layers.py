"""Where the IP header of a frame starts, by link type: the tcpdump.org LINKTYPE registry."""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import be16, byte, kernel

NULL: Final = 0
ETHERNET: Final = 1
PPP: Final = 9
RAW_BSD: Final = 12
RAW_OPENBSD: Final = 14
PPP_SERIAL: Final = 50
PPPOE: Final = 51
RAW: Final = 101
LOOP: Final = 108
LINUX_COOKED: Final = 113
PPP_PPPD: Final = 166
IPV4_ONLY: Final = 228
IPV6_ONLY: Final = 229
LINUX_COOKED_2: Final = 276

NAMES: Final[dict[int, str]] = {
    NULL: "NULL",
    ETHERNET: "EN10MB",
    PPP: "PPP",
    RAW_BSD: "RAW",
    RAW_OPENBSD: "RAW",
    PPP_SERIAL: "PPP_SERIAL",
    PPPOE: "PPP_ETHER",
    RAW: "RAW",
    LOOP: "LOOP",
    LINUX_COOKED: "LINUX_SLL",
    PPP_PPPD: "PPP_PPPD",
    IPV4_ONLY: "IPV4",
    IPV6_ONLY: "IPV6",
    LINUX_COOKED_2: "LINUX_SLL2",
}
"""The link types that `ip_offset` knows; frames of any other are counted, not decoded."""

NO_IP: Final = -1

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
ETHERTYPE_PPPOE: Final = 0x8864
"""PPPoE session stage: RFC 2516, section 4."""
ETHERTYPE_VLAN: Final = 0x8100
"""IEEE 802.1Q; the three below carry stacked tags: 802.1ad and what vendors used before it."""
ETHERTYPE_QINQ: Final = 0x88A8
ETHERTYPE_QINQ_9100: Final = 0x9100
ETHERTYPE_QINQ_9200: Final = 0x9200

PPP_IPV4: Final = 0x0021
"""RFC 1332, section 2."""
PPP_IPV6: Final = 0x0057
"""RFC 5072, section 3."""
PPP_ADDRESS_CONTROL: Final = 0xFF03
"""HDLC-like framing, which may be left out: RFC 1662, section 3.2."""


@kernel
def ip_offset(buffer: Any, start: int, end: int, link_type: int) -> int:  # noqa: ANN401, C901, PLR0911 - a kernel; one return per link type reads best
    """Return where the IP header starts, or `NO_IP`.

    Args:
        buffer: The capture.
        start: Offset of the frame.
        end: Offset after its last captured byte.
        link_type: LINKTYPE number.

    Returns:
        An offset that is at most `end`; whether an IP header is there, the caller has to see.
    """
    if link_type == ETHERNET:
        return after_ethertype(buffer, start + 12, end)
    if link_type == LINUX_COOKED:
        return after_ethertype(buffer, start + 14, end)
    if link_type == LINUX_COOKED_2:
        # The protocol comes first here and the header goes on for 18 bytes after it; tags follow.
        if start + 20 > end:
            return NO_IP
        ethertype = be16(buffer, start)
        if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return start + 20
        if ethertype in (ETHERTYPE_VLAN, ETHERTYPE_QINQ):
            return after_ethertype(buffer, start + 22, end)
        return NO_IP
    if link_type in (RAW, RAW_BSD, RAW_OPENBSD, IPV4_ONLY, IPV6_ONLY):
        return start
    if link_type in (NULL, LOOP):
        return after_address_family(buffer, start, end)
    if link_type in (PPP, PPP_SERIAL, PPP_PPPD):
        return after_ppp_protocol(buffer, start, end)
    if link_type == PPPOE:
        return after_ppp_protocol(buffer, start + 6, end)
    return NO_IP


@kernel
def after_ethertype(buffer: Any, at: int, end: int) -> int:  # noqa: ANN401 - a kernel
    """Return where IP starts, from an EtherType at `at`, past any number of VLAN tags."""
    while at + 2 <= end:
        ethertype = be16(buffer, at)
        if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return at + 2
        if ethertype == ETHERTYPE_PPPOE:
            return after_ppp_protocol(buffer, at + 8, end)
        if ethertype not in (
            ETHERTYPE_VLAN,
            ETHERTYPE_QINQ,
            ETHERTYPE_QINQ_9100,
            ETHERTYPE_QINQ_9200,
        ):
            return NO_IP
        at += 4
    return NO_IP


@kernel
def after_ppp_protocol(buffer: Any, at: int, end: int) -> int:  # noqa: ANN401 - a kernel
    """Return where IP starts, from PPP's address and control bytes or its protocol field."""
    if at + 2 > end:
        return NO_IP
    if be16(buffer, at) == PPP_ADDRESS_CONTROL:
        at += 2
        if at + 2 > end:
            return NO_IP
    # An odd first byte is a protocol compressed to one byte: RFC 1661, section 6.5.
    if byte(buffer, at) & 1:
        protocol = byte(buffer, at)
        at += 1
    else:
        protocol = be16(buffer, at)
        at += 2
    return at if protocol in (PPP_IPV4, PPP_IPV6) else NO_IP


@kernel
def after_address_family(buffer: Any, start: int, end: int) -> int:  # noqa: ANN401 - a kernel
    """Return where IP starts, after BSD's four bytes of address family in either byte order.

    AF_INET is 2 everywhere, AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30
    on macOS; none is above 255, so the number is in the first or in the last byte.
    """
    if start + 4 > end:
        return NO_IP
    first, last = byte(buffer, start), byte(buffer, start + 3)
    if be16(buffer, start + 1) != 0 or (first != 0 and last != 0):
        return NO_IP
    return start + 4 if first + last in (2, 10, 24, 28, 30) else NO_IP
