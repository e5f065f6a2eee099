"""What a measurement server's refusals and silences mean for whoever measures; PURE."""

import errno
import http.client
import ssl
from collections.abc import Mapping

AGAIN = "start the run again"
LATER = "wait, or name another server, or a list of them"

PORTAL = "see whether a captive portal or a proxy answers in its place: open a web page"

_OVER = (
    "says that the session is over: its time ran out",
    "start the run again, with --quick or fewer --apps if it was long",
)
TOLD: Mapping[str, tuple[str, str]] = {
    "session-ended": _OVER,
    "ticket-expired": _OVER,
    "session-unknown": ("does not know the session any more", AGAIN),
    "ticket-invalid": (
        "does not take the ticket: it is not one of this server's",
        "the server got a new key in mid-run, or another one answers now: start the run again",
    ),
    "ticket-of-another-session": ("does not take the ticket: it is another session's", AGAIN),
    "ticket-missing": (
        "saw no ticket",
        "see whether a proxy takes header fields away on the way there",
    ),
    "ticket-from-the-future": (
        "does not take the ticket yet: its clock was set back",
        "tell its operator, or name another server",
    ),
    "lame-duck": ("is being drained and takes no new sessions", LATER),
    "server-full": ("has as many sessions as it can hold", LATER),
    "too-many-sessions": ("has as many sessions of this network as it allows", LATER),
    "too-many-requests": ("has had too many sessions of this network in the last hour", LATER),
    "allowance-used": ("has given this network what it gives in an hour", LATER),
    "quota-used": ("keeps no more for this session", "run fewer --apps at once"),
    "capture-unavailable": ("cannot capture now", LATER),
    "services-unavailable": ("does not run its application servers now", LATER),
    "disk-full": ("has no room left on its disk", LATER),
}
"""Problem -> what the server does, after its name, and the next step."""


def told(name: str, title: str) -> tuple[str, str]:
    """Return what a refusal means, and the next step.

    Args:
        name: The problem's.
        title: What the server itself says.
    """
    return TOLD.get(name, (f"refuses: {title}", ""))


def by_another(status: int) -> tuple[str, str]:
    """Return what an answer means that is no server's of ours, and the next step.

    511 is what captive portals say that follow RFC 6585, section 6.
    """
    return f"does not answer as a measurement server, but with status {status}", PORTAL


def tls_words(error: ssl.SSLError) -> str:
    """Return what a failed handshake means."""
    reason = getattr(error, "reason", None)  # OpenSSL's, where it is OpenSSL's error
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}:
        return "what answers does not speak TLS"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the connection was closed in the TLS handshake"
    return (reason or error.strerror or str(error)).lower().replace("_", " ")


_GONE = (
    "it answered before: it was stopped, or the network between went away; nothing is kept of this"
    " run, start it again"
)
_AWAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})


def passing(error: Exception) -> bool:
    """Say whether a failure may be over in a moment: the server starts anew, a route comes back.

    A deadline that passed has waited long enough, and who shows another certificate stays another.
    """
    if isinstance(error, ssl.SSLError):
        return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, ConnectionError | http.client.IncompleteRead):
        return True
    return isinstance(error, OSError) and error.errno in _AWAY


def gone(error: Exception) -> str:
    """Return the next step when a server that has a session of ours cannot be talked to."""
    if passing(error) or isinstance(error, TimeoutError):
        return _GONE
    return unreachable(error)


def unreachable(error: Exception) -> str:
    """Return the next step when a server cannot be talked to."""
    words = str(error).lower()
    if isinstance(error, ssl.SSLError) and tls_words(error).endswith("speak TLS"):
        return PORTAL
    if "fingerprint" in words:
        return "another server answers, or its certificate is new: ask its operator for the new one"
    if isinstance(error, ssl.SSLCertVerificationError):
        if "not yet valid" in words or "expired" in words:
            return "compare this computer's date and time; else the operator must renew it"
        return "if its operator gave you a fingerprint: --server https://HOST,fingerprint=SHA256"
    return "see whether the network lets plain TCP through to this port"
