"""The reviewers' token: who says it sees runs that are not public.  Only its digest is kept."""

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

from mptcp_check.errors import UsageError

FILE: Final = "review-token.sha256"
_DIGITS: Final = 64


def make(path: Path, secret: bytes) -> str:
    """Keep the digest of a new token in place of the old one; return the token.

    Raises:
        UsageError: It cannot be written.
    """
    token = secret.hex()
    new = path.with_suffix(".new")
    try:
        new.write_text(digest(token) + "\n")
        new.chmod(0o640)
        os.replace(new, path)  # noqa: PTH105 - in one step
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {(e.strerror or str(e)).lower()}") from None
    return token


def load(path: Path) -> str:
    """Return the digest; empty where there is none.

    Raises:
        UsageError: The file cannot be read, or holds something else.
    """
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} cannot be read") from None
    if len(text) != _DIGITS:
        raise UsageError(f"{path} holds no digest", hint="mptcp-check collector review-token")
    return text


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def holds(token: str, kept: str) -> bool:
    """Say whether a token is the one whose digest is kept."""
    return bool(kept) and hmac.compare_digest(digest(token), kept)
