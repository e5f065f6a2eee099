"""What tus 1.0.0 says in its header fields (tus.io/protocols/resumable-upload); PURE.

Decoders raise `ProblemError` for what cannot be read, and nothing else.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from mptcp_collector.problem import ProblemError

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,expiration,checksum,termination"
CHECKSUM_ALGORITHMS: Final = "sha256"
CONTENT_TYPE: Final = "application/offset+octet-stream"
REPRESENTATION: Final = "return=representation"

METADATA_MAX_CHARACTERS: Final = 8192
_NUMBER: Final = re.compile("[0-9]{1,15}", re.ASCII)
_RUN_ID: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{7,63}", re.ASCII)
_HEX: Final = re.compile("[0-9a-f]{64}", re.ASCII)
_SCHEMA: Final = re.compile(r"(mptcp-check\.bundle)/([0-9]{1,6})", re.ASCII)
_NS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What a client says about a bundle before it sends it."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    schema: int
    """The number after ``mptcp-check.bundle/``."""
    deletion_sha256: str
    """SHA-256 of the token that deletes the run, hexadecimal."""
    ticket: str = ""
    expanded_bytes: int = 0
    """Of all members together, as the client says; it is seen again when they are here."""


def number(name: str, text: str | None) -> int:
    """Return a header field's number.

    Raises:
        ProblemError: It is missing or no number.
    """
    if text is None or _NUMBER.fullmatch(text) is None:
        raise ProblemError("bad_request", f"{name} is missing or no number")
    return int(text)


def announced(length: str | None, metadata: str | None) -> Announced:
    """Read the header fields of a creation.

    Args:
        length: ``Upload-Length``.
        metadata: ``Upload-Metadata``: names, each with a value in base64, separated by commas.

    Raises:
        ProblemError: Something is missing or is not what it must be.
    """
    size_bytes = number("Upload-Length", length)
    values = _metadata(metadata or "")
    schema = _SCHEMA.fullmatch(values.get("schema", ""))
    wrong = [
        name
        for name, pattern in (
            ("run_id", _RUN_ID),
            ("bundle_sha256", _HEX),
            ("deletion_sha256", _HEX),
        )
        if pattern.fullmatch(values.get(name, "")) is None
    ]
    if schema is None:
        wrong.append("schema")
    expanded = values.get("expanded_bytes", "0")
    if _NUMBER.fullmatch(expanded) is None:
        wrong.append("expanded_bytes")
    if wrong or schema is None:
        raise ProblemError("bad_request", f"Upload-Metadata: {', '.join(wrong)}: missing or wrong")
    return Announced(
        run_id=values["run_id"],
        bundle_sha256=values["bundle_sha256"],
        size_bytes=size_bytes,
        schema=int(schema[2]),
        deletion_sha256=values["deletion_sha256"],
        ticket=values.get("ticket", ""),
        expanded_bytes=int(expanded),
    )


def _metadata(text: str) -> dict[str, str]:
    if len(text) > METADATA_MAX_CHARACTERS:
        raise ProblemError("bad_request", "Upload-Metadata is too long")
    values: dict[str, str] = {}
    for pair in text.split(","):
        name, _, encoded = pair.strip().partition(" ")
        try:
            values[name] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise ProblemError("bad_request", "Upload-Metadata is not base64 of UTF-8") from None
    return values


def prefers_representation(text: str | None) -> bool:
    """Say whether ``Prefer`` asks for what came of a request (RFC 7240, section 4.2)."""
    wishes = [wish.partition(";")[0].strip().lower() for wish in (text or "").split(",")]
    return REPRESENTATION in wishes


def checksum(text: str | None) -> bytes | None:
    """Return the SHA-256 that ``Upload-Checksum`` promises; none without the field.

    Raises:
        ProblemError: Another algorithm, or no digest.
    """
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm != "sha256":
        raise ProblemError("bad_request", "Upload-Checksum: sha256 is understood here")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:  # noqa: PLR2004 - SHA-256
        raise ProblemError("bad_request", "Upload-Checksum is no SHA-256 in base64")
    return digest


def expires(time_ns: int) -> str:
    """Return ``Upload-Expires`` (RFC 9110, section 5.6.7)."""
    return formatdate(time_ns // _NS, usegmt=True)
