"""Tickets: what a session may do here, signed with Ed25519 as a JSON Web Token.

RFC 7519, and RFC 8037 for EdDSA.  A ticket is a bearer secret; its nonce is not: it marks the
session's own connections, where everyone on the path can read it.  Who else needs to know that
a run took place (the collector) verifies the same token with the server's public key.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mptcp_check.server.problem import ProblemError

ALGORITHM: Final = "EdDSA"
AUDIENCE: Final = "mptcp-check-session"
LONGEST_CHARACTERS: Final = 2048
"""A token beyond this is not looked at: those made here have some 500 characters."""

LAST_TIME_S: Final = 2**40
"""No ticket says a later time, in seconds since 1970."""

_NS: Final = 10**9
_REQUIRED: Final = ("iss", "aud", "sub", "jti", "nonce", "iat", "exp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a ticket says."""

    server_id: str
    run_id: str
    session_id: str
    nonce: str
    """What the session's connections begin with: see `marker`."""
    netblock_digest: str
    """Where it was asked for, hashed: a collector can compare, nobody can read it."""
    issued_ns: int
    expires_ns: int


def key_id(key: Ed25519PublicKey) -> str:
    """Return a short name of a key, for the token's header (RFC 7515, section 4.1.4)."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def sign(ticket: Ticket, key: Ed25519PrivateKey) -> str:
    """Return the token; its times are whole seconds, rounded so that it never lives longer."""
    claims = {
        "iss": ticket.server_id,
        "aud": AUDIENCE,
        "sub": ticket.run_id,
        "jti": ticket.session_id,
        "nonce": ticket.nonce,
        "net": ticket.netblock_digest,
        "iat": ticket.issued_ns // _NS,
        "exp": ticket.expires_ns // _NS,
    }
    header = {"kid": key_id(key.public_key())}
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers=header)


def verify(
    token: str, key: Ed25519PublicKey, *, server_id: str, now_ns: int, leeway_ns: int
) -> Ticket:
    """Return what a token says, if it was signed here and holds now.

    Args:
        token: As it came; anything.
        key: The server's public key.
        server_id: Who must have issued it.
        now_ns: Time of day, nanoseconds since 1970.
        leeway_ns: How far clocks may be apart, for servers that share a key.

    Raises:
        ProblemError: ``ticket-invalid``, ``ticket-expired`` or ``ticket-from-the-future``.
    """
    if len(token) > LONGEST_CHARACTERS:
        raise ProblemError("ticket-invalid")
    try:
        # The time is compared below: the library would read a clock of its own.
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=server_id,
            options={
                "require": list(_REQUIRED),
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        ticket = _ticket(claims)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ProblemError("ticket-invalid") from None
    if ticket.issued_ns > now_ns + leeway_ns:
        raise ProblemError("ticket-from-the-future")
    if ticket.expires_ns <= now_ns - leeway_ns:
        raise ProblemError("ticket-expired")
    return ticket


def _ticket(claims: dict[str, Any]) -> Ticket:
    words = {name: claims[name] for name in ("iss", "sub", "jti", "nonce", "net")}
    if not all(isinstance(word, str) for word in words.values()):
        raise TypeError("a claim is no text")
    times = [claims["iat"], claims["exp"]]
    if not all(type(time) is int and 0 <= time <= LAST_TIME_S for time in times):
        raise TypeError("a claim is no time")
    return Ticket(
        server_id=words["iss"],
        run_id=words["sub"],
        session_id=words["jti"],
        nonce=words["nonce"],
        netblock_digest=words["net"],
        issued_ns=times[0] * _NS,
        expires_ns=times[1] * _NS,
    )
