"""The key that signs tickets: made once, kept in a file that only the server reads."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mptcp_check.errors import UsageError

LARGEST_BYTES = 4096


def generate(path: Path) -> Ed25519PrivateKey:
    """Make a key and write it, readable by its owner only; an old one is never overwritten.

    Raises:
        UsageError: The file is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already",
            hint="tickets of today are signed with it: move it away to make a new one",
        ) from None
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {(e.strerror or str(e)).lower()}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return key


def load(path: Path) -> Ed25519PrivateKey:
    """Read the key.

    Raises:
        UsageError: It is not there, is no Ed25519 key, or others may read it.
    """
    make = f"make one with `mptcp-check server keygen {path}`"
    try:
        if path.stat().st_mode & 0o007:
            raise UsageError(f"{path} can be read by everyone", hint=f"chmod o= {path}")
        with path.open("rb") as file:
            text = file.read(LARGEST_BYTES)
    except OSError as e:
        raise UsageError(
            f"{path} cannot be read: {(e.strerror or str(e)).lower()}", hint=make
        ) from None
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} holds no private key in PEM form", hint=make) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is no Ed25519 key", hint=make)
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half in PEM form, for those who verify tickets elsewhere."""
    octets = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return octets.decode("ascii")
