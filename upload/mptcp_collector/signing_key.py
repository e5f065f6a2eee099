"""The key that signs receipts: made once, kept in a file that only the collector reads."""

import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from mptcp_check.errors import UsageError

LARGEST_BYTES: Final = 4096


def load_or_make(path: Path) -> Ed25519PrivateKey:
    """Return the key of a file; make it where there is none, whole on the disk before it is used.

    Raises:
        UsageError: The file cannot be used, holds another kind of key, or others may read it.
    """
    with contextlib.suppress(FileExistsError):
        _make(path)
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others", hint=f"chmod go= {path}")
        key = load_pem_private_key(path.read_bytes()[:LARGEST_BYTES], password=None)
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {(e.strerror or str(e)).lower()}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} holds no private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds a key that is not Ed25519")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Return a measurement server's public key, PEM.

    Raises:
        UsageError: The file cannot be read or holds another kind of key.
    """
    try:
        key = load_pem_public_key(path.read_bytes()[:LARGEST_BYTES])
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {(e.strerror or str(e)).lower()}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} holds no public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} holds a key that is not Ed25519")
    return key


def _make(path: Path) -> None:
    if path.exists():
        return
    text = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            # a link never replaces: two that start at once end with one key
            os.link(new, path)
        finally:
            new.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {(e.strerror or str(e)).lower()}") from None
