"""The marker that a session's connections begin with, so that the server finds their packets.

Clients come from behind translators and proxies: addresses say nothing.  What goes through
unchanged is what the application says first: an HTTP path or header field, the server name of
a TLS ClientHello, an FTP or IMAP user name, the first line of an echo.  So the marker is made
of letters, digits and hyphens only, is short enough for a DNS label (RFC 1035, section 2.3.4),
and means the same in either case: mail servers and name resolvers change it.
"""

import base64
import re
from typing import Final

NONCE_BYTES: Final = 16
PREFIX: Final = "mpck-"
CHARACTERS: Final = len(PREFIX) + 26
"""128 bits are 26 characters of base32 (RFC 4648, section 6)."""

LOOKED_AT_BYTES: Final = 2048
"""How much of what a client says first is searched: a TLS 1.3 ClientHello has up to some 1800."""

_PATTERN: Final = re.compile(rb"mpck-([a-z2-7]{26})(?![a-z2-7])", re.IGNORECASE)


def marker(nonce: bytes) -> str:
    """Return the marker of a nonce of 16 bytes."""
    return PREFIX + base64.b32encode(nonce).decode("ascii").rstrip("=").lower()


def find(said: bytes) -> str:
    """Return the first marker in what a client said, or an empty text; never raises."""
    found = _PATTERN.search(said, 0, LOOKED_AT_BYTES)
    return found.group().decode("ascii").lower() if found else ""
