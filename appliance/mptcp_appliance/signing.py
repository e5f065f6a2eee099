"""Minisign's public keys and signatures: Ed25519 over the BLAKE2b digest of a document.

A public key is 42 bytes in base64: ``Ed``, the key's number, the key of RFC 8032. A signature
is a file of four lines: a comment that nobody signed, ``ED`` with the number and the signature
of the document's BLAKE2b-512 (RFC 7693), a trusted comment, and the signature of the first
signature and that comment together (https://jedisct1.github.io/minisign/, "Signature format").
What is signed here is verified by minisign, and the other way round.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

SUFFIX: Final = ".minisig"
"""Put after the name of what was signed."""

LIMIT_BYTES: Final = 16 << 10
"""No file of a key or signature is larger; minisign allows a comment of 8 KiB."""

_ED25519: Final = b"Ed"
_PREHASHED: Final = b"ED"
_ID_BYTES: Final = 8
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_SIGNATURE_LINES: Final = 4
_UNTRUSTED: Final = "untrusted comment: "
_TRUSTED: Final = "trusted comment: "


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that verifies."""

    key_id: bytes
    """Eight bytes that say which key it is; nobody is bound to them."""
    raw: bytes
    """RFC 8032, section 5.1.5."""

    @property
    def text(self) -> str:
        """The line that people hand on: ``RW...``."""
        return base64.b64encode(_ED25519 + self.key_id + self.raw).decode()

    @property
    def name(self) -> str:
        """See `key_name`."""
        return key_name(self.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """A key that signs."""

    key_id: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """What verifies its signatures."""
        raw = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return PublicKey(key_id=self.key_id, raw=raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What stands in a file beside the document."""

    key_id: bytes
    signature: bytes
    trusted_comment: str
    comment_signature: bytes

    @property
    def text(self) -> str:
        """The content of the file."""
        first = base64.b64encode(_PREHASHED + self.key_id + self.signature).decode()
        second = base64.b64encode(self.comment_signature).decode()
        return (
            f"{_UNTRUSTED}signature by minisign key {key_name(self.key_id)}\n{first}\n"
            f"{_TRUSTED}{self.trusted_comment}\n{second}\n"
        )


def key_name(key_id: bytes) -> str:
    """Return a key's number as minisign writes it: little-endian, without leading zeros."""
    return f"{int.from_bytes(key_id, 'little'):X}"


def parse_public_key(text: str) -> PublicKey:
    """Read a public key: the line alone, or a file with minisign's comment over it.

    Raises:
        ValueError: It is none.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and lines[0].startswith(_UNTRUSTED):
        lines = lines[1:]
    if len(lines) != 1:
        raise ValueError("it is not the one line RW... of a minisign public key")
    data = _decoded(lines[0], _ED25519, _KEY_BYTES, "a minisign public key")
    return PublicKey(key_id=data[:_ID_BYTES], raw=data[_ID_BYTES:])


def parse_signature(data: bytes) -> Signature:
    """Read the file of a signature.

    Raises:
        ValueError: It is none, or one of minisign's legacy kind, which signs without a digest.
    """
    if len(data) > LIMIT_BYTES:
        raise ValueError(f"a signature has at most {LIMIT_BYTES} bytes")
    lines = [line.rstrip("\r") for line in data.decode().rstrip("\r\n").split("\n")]
    if (
        len(lines) != _SIGNATURE_LINES
        or not lines[0].startswith(_UNTRUSTED)
        or not lines[2].startswith(_TRUSTED)
    ):
        raise ValueError("it is not the four lines of a minisign signature")
    first = _decoded(lines[1], _PREHASHED, _SIGNATURE_BYTES, "a minisign signature")
    return Signature(
        key_id=first[:_ID_BYTES],
        signature=first[_ID_BYTES:],
        trusted_comment=lines[2].removeprefix(_TRUSTED),
        comment_signature=_base64(lines[3], _SIGNATURE_BYTES, "a minisign signature"),
    )


def sign(document: bytes, key: SecretKey, *, trusted_comment: str) -> Signature:
    """Sign a document.

    Args:
        document: What is signed.
        key: By whom.
        trusted_comment: One printable line for people, signed with it.

    Raises:
        ValueError: The comment is not one line, or is too long for minisign.
    """
    if not trusted_comment.isprintable() or len(trusted_comment.encode()) > LIMIT_BYTES // 4:
        raise ValueError("a trusted comment is one printable line")
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    signature = private.sign(hashlib.blake2b(document).digest())
    return Signature(
        key_id=key.key_id,
        signature=signature,
        trusted_comment=trusted_comment,
        comment_signature=private.sign(signature + trusted_comment.encode()),
    )


def verify(document: bytes, signature: Signature, key: PublicKey) -> None:
    """Check a signature, its comment included.

    Raises:
        ValueError: It is not this key's signature of this document; the message is the reason.
    """
    if signature.key_id != key.key_id:
        raise ValueError(
            f"it is signed with the key {key_name(signature.key_id)}, "
            f"not with the trusted key {key.name}"
        )
    try:
        public = Ed25519PublicKey.from_public_bytes(key.raw)
        public.verify(signature.signature, hashlib.blake2b(document).digest())
    except InvalidSignature:
        raise ValueError(
            f"it was changed after it was signed: the signature of the key {key.name} does not fit"
        ) from None
    try:
        public.verify(
            signature.comment_signature, signature.signature + signature.trusted_comment.encode()
        )
    except InvalidSignature:
        raise ValueError("the trusted comment of its signature was changed") from None


def _decoded(line: str, algorithm: bytes, size_bytes: int, what: str) -> bytes:
    """Return number and content of a line that begins with two letters for the algorithm."""
    data = _base64(line, len(algorithm) + _ID_BYTES + size_bytes, what)
    if data.startswith(_ED25519) and algorithm == _PREHASHED:
        raise ValueError("it is a legacy signature of minisign (-l): sign again without that")
    if not data.startswith(algorithm):
        raise ValueError(f"it is not {what}: its algorithm is unknown")
    return data[len(algorithm) :]


def _base64(line: str, size_bytes: int, what: str) -> bytes:
    try:
        data = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise ValueError(f"it is not {what}: it is not base64") from None
    if len(data) != size_bytes:
        raise ValueError(f"it is not {what}: it has {len(data)} bytes, not {size_bytes}")
    return data
