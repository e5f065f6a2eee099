"""The receipt: what the collector promises about a run, signed with Ed25519 (RFC 8032); PURE."""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a receipt speaks of."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    received_ns: int
    policy_version: str
    url: str


def public_octets(key: Ed25519PublicKey) -> bytes:
    """Return the 32 octets of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(key: Ed25519PublicKey) -> str:
    """Return a key's short name: 16 hexadecimal digits of the SHA-256 of its 32 octets."""
    return hashlib.sha256(public_octets(key)).hexdigest()[:16]


def canonical(document: dict[str, object]) -> bytes:
    """Return what is signed: sorted keys, no spaces, UTF-8, and not the signature itself."""
    fields = {name: value for name, value in document.items() if name != "signature"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(stored: Stored, key: Ed25519PrivateKey) -> str:
    """Return the receipt, JSON; it is kept as it is, so that every answer is the same bytes."""
    moment = dt.datetime.fromtimestamp(stored.received_ns // 10**9, tz=dt.UTC)
    document: dict[str, object] = {
        "run_id": stored.run_id,
        "bundle_sha256": stored.bundle_sha256,
        "size_bytes": stored.size_bytes,
        "received_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "policy_version": stored.policy_version,
        "url": stored.url,
        "key_id": key_id(key.public_key()),
    }
    signature = key.sign(canonical(document))
    document["signature"] = base64.b64encode(signature).decode()
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def holds(document: dict[str, object], key: Ed25519PublicKey) -> bool:
    """Say whether a receipt was signed with a key and not changed since; never raises."""
    try:
        signature = base64.b64decode(str(document.get("signature")), validate=True)
        key.verify(signature, canonical(document))
    except (InvalidSignature, ValueError, TypeError, RecursionError):
        return False
    return True
