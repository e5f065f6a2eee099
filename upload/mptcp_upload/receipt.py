"""The collector's signed word that it has a run, checked with the pinned key; PURE."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mptcp_upload import canonical_json
from mptcp_upload.errors import ReceiptError

SIZE_BYTES_LIMIT: Final = 64 << 10
_KEY_BYTES: Final = 32
_TEXTS: Final = ("run_id", "bundle_sha256", "received_at", "policy_version", "url", "key_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt whose signature holds."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    received_at: str
    """RFC 3339, by the collector's clock."""
    policy_version: str
    url: str
    """Where the run can be seen."""
    octets: bytes
    """As it came, to be kept."""


def public_key(text: str) -> Ed25519PublicKey:
    """Return a pinned key: 32 bytes, hexadecimal or base64.

    Raises:
        ReceiptError: It is none.
    """
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        try:
            octets = base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4), altchars=b"-_")
        except (binascii.Error, ValueError):
            octets = b""
    if len(octets) != _KEY_BYTES:
        raise ReceiptError(
            "the collector's key is no Ed25519 public key",
            hint="it has 32 bytes, in hexadecimal or base64; its operator publishes it",
        )
    return Ed25519PublicKey.from_public_bytes(octets)


def key_id(key: Ed25519PublicKey) -> str:
    """Return a key's short name: 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def verify(
    octets: bytes, key: Ed25519PublicKey, *, run_id: str, bundle_sha256: str, size_bytes: int
) -> Receipt:
    """Return the receipt, if it is signed by the key and speaks of this bundle.

    Raises:
        ReceiptError: Which of it is not so.
    """
    document = _document(octets)
    said_key = document["key_id"]
    if said_key != key_id(key):
        raise ReceiptError(
            f"the receipt is signed by key {said_key[:32]!r}, pinned is {key_id(key)}",
            hint="ask the collector's operator; do not trust a new key that only the server names",
        )
    _check_signature(document, key)
    wanted = {"run_id": run_id, "bundle_sha256": bundle_sha256, "size_bytes": size_bytes}
    for field, value in wanted.items():
        if document[field] != value:
            raise ReceiptError(f"the receipt is about another bundle: its {field} is not ours")
    return Receipt(
        octets=octets, size_bytes=size_bytes, **{field: document[field] for field in _TEXTS[:5]}
    )


def _document(octets: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(octets[: SIZE_BYTES_LIMIT + 1])
    except (ValueError, RecursionError):
        document = None
    if (
        not isinstance(document, dict)
        or not all(isinstance(document.get(field), str) for field in (*_TEXTS, "signature"))
        or type(document.get("size_bytes")) is not int
    ):
        raise ReceiptError("the collector sent something that is no receipt")
    return document


def _check_signature(document: Mapping[str, Any], key: Ed25519PublicKey) -> None:
    fields = {name: value for name, value in document.items() if name != "signature"}
    try:
        signature = base64.b64decode(document["signature"], validate=True)
        key.verify(signature, canonical_json.encode(fields))
    except (InvalidSignature, ValueError, TypeError, RecursionError):
        raise ReceiptError(
            "the receipt's signature does not hold",
            hint="the run stays in the outbox; ask the collector's operator",
        ) from None
