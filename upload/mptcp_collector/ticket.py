"""Tickets of measurement servers: proof that a run took place, which lifts the small quota.

JSON Web Tokens (RFC 7519) with EdDSA (RFC 8037).  A ticket opens a session for minutes; here it
only has to prove that the session was: it is taken for as long as runs may wait in an outbox.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mptcp_collector.problem import ProblemError

AUDIENCE: Final = "mptcp-check-session"
LONGEST_CHARACTERS: Final = 2048
_NS: Final = 10**9
_LEEWAY_S: Final = 300
_LAST_S: Final = 2**33
"""No ticket says a later time, in seconds since 1970: the database holds nanoseconds in 64 bits."""
_SESSION: Final = re.compile("[A-Za-z0-9_-]{1,64}", re.ASCII)
"""It becomes part of a path at its server, and of a file's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a ticket proves, and what it opens."""

    server_id: str
    session_id: str
    token: str
    """The ticket itself: a bearer secret."""
    collect_until_ns: int
    """Until when its server gives the session's capture for it."""


def verify(
    token: str, servers: Mapping[str, Ed25519PublicKey], *, run_id: str, now_ns: int, age_max_s: int
) -> Ticket:
    """Return what a ticket says.

    Args:
        token: As it came; anything.
        servers: Public keys by the server's id.
        run_id: The run that it must be for.
        now_ns: Time of day, nanoseconds since 1970.
        age_max_s: How long ago it may have been issued.

    Raises:
        ProblemError: ``ticket_invalid``, ``ticket_too_old`` or ``ticket_of_another_run``.
    """
    if len(token) > LONGEST_CHARACTERS:
        raise ProblemError("ticket_invalid")
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        claims = jwt.decode(
            token,
            servers[str(issuer)],
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            # the times are compared below: the library would read a clock of its own
            options={
                "require": ["iss", "aud", "sub", "jti", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        run, session, issued_s = claims["sub"], claims["jti"], claims["iat"]
        ends_s = claims.get("exp", issued_s)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ProblemError("ticket_invalid") from None
    times = [issued_s, ends_s]
    if not all(type(time_s) is int and 0 <= time_s <= _LAST_S for time_s in times):
        raise ProblemError("ticket_invalid")
    if not isinstance(session, str) or _SESSION.fullmatch(session) is None:
        raise ProblemError("ticket_invalid")
    now_s = now_ns // _NS
    if issued_s > now_s + _LEEWAY_S:
        raise ProblemError("ticket_invalid", "it was issued in the future")
    if issued_s + age_max_s < now_s:
        raise ProblemError("ticket_too_old", f"{age_max_s // 86400} days are allowed")
    if run != run_id:
        raise ProblemError("ticket_of_another_run")
    return Ticket(
        server_id=str(issuer), session_id=session, token=token, collect_until_ns=ends_s * _NS
    )
