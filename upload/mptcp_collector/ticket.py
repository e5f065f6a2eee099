"""Tickets of measurement servers: proof that a run took place, which lifts the small quota.

JSON Web Tokens (RFC 7519) with EdDSA (RFC 8037).  A ticket opens a session for minutes; here it
only has to prove that the session was: it is taken for as long as runs may wait in an outbox.
"""

from collections.abc import Mapping
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mptcp_collector.problem import ProblemError

AUDIENCE: Final = "mptcp-check-session"
LONGEST_CHARACTERS: Final = 2048
_NS: Final = 10**9
_LEEWAY_S: Final = 300


def verify(
    token: str, servers: Mapping[str, Ed25519PublicKey], *, run_id: str, now_ns: int, age_max_s: int
) -> tuple[str, str]:
    """Return the server and the session of a ticket.

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
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ProblemError("ticket_invalid") from None
    if not isinstance(session, str) or type(issued_s) is not int:
        raise ProblemError("ticket_invalid")
    now_s = now_ns // _NS
    if issued_s > now_s + _LEEWAY_S:
        raise ProblemError("ticket_invalid", "it was issued in the future")
    if issued_s + age_max_s < now_s:
        raise ProblemError("ticket_too_old", f"{age_max_s // 86400} days are allowed")
    if run != run_id:
        raise ProblemError("ticket_of_another_run")
    return str(issuer), session[:64]
