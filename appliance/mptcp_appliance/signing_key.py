"""The file of a secret key, as minisign writes and reads it; with or without a password.

158 bytes in base64: the algorithms ``Ed``, ``Sc`` (or two zeros without a password) and ``B2``,
scrypt's salt and libsodium's two limits, then the key's number, the secret key and a checksum,
all three under a stream of scrypt's (https://jedisct1.github.io/minisign/, "Secret key format").
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mptcp_appliance import signing, strict_json
from mptcp_appliance.errors import ImageError
from mptcp_appliance.signing import SecretKey

OPERATIONS: Final = 33_554_432
MEMORY_BYTES: Final = 1 << 30
"""Limits of minisign's: one gibibyte and some seconds for each password that is tried."""

_LAYOUT: Final = struct.Struct("<2s2s2s32sQQ104s")
_SECRET: Final = struct.Struct("<8s32s32s32s")
_ED25519: Final = b"Ed"
_SCRYPT: Final = b"Sc"
_NO_PASSWORD: Final = b"\0\0"
_BLAKE2B: Final = b"B2"
_NO_CHECKSUM: Final = bytes(32)
_COMMENT: Final = "untrusted comment: minisign encrypted secret key\n"
_MOST_MEMORY_BYTES: Final = 4 << 30
_OTHERS: Final = 0o077


class WrongPasswordError(ValueError):
    """The password does not open the key."""


def generate(random_bytes: Callable[[int], bytes]) -> SecretKey:
    """Make a key.

    Args:
        random_bytes: Gives as many secret random bytes as it is asked for.
    """
    return SecretKey(key_id=random_bytes(8), seed=random_bytes(32))


def write(
    key: SecretKey,
    *,
    password: str,
    salt: bytes,
    operations: int = OPERATIONS,
    memory_bytes: int = MEMORY_BYTES,
) -> bytes:
    """Return the content of a key's file.

    Args:
        key: What is kept.
        password: Empty for none: then whoever reads the file can sign.
        salt: 32 random bytes.
        operations: How much work each password costs, as libsodium counts it.
        memory_bytes: How much memory it costs.
    """
    if not password:
        secret = _SECRET.pack(key.key_id, key.seed, key.public.raw, _NO_CHECKSUM)
        data = _LAYOUT.pack(_ED25519, _NO_PASSWORD, _BLAKE2B, bytes(32), 0, 0, secret)
    else:
        secret = _SECRET.pack(key.key_id, key.seed, key.public.raw, _checksum(key))
        stream = _stream(password, salt, operations, memory_bytes)
        data = _LAYOUT.pack(
            _ED25519, _SCRYPT, _BLAKE2B, salt, operations, memory_bytes, _xor(secret, stream)
        )
    return (_COMMENT + base64.b64encode(data).decode() + "\n").encode()


def parse(data: bytes, password: Callable[[], str]) -> SecretKey:
    """Read the content of a key's file.

    Args:
        data: The file.
        password: Asked only if the key has one.

    Raises:
        ValueError: It is no secret key of minisign's, or (`WrongPasswordError`) stays shut.
    """
    lines = data.decode().strip().splitlines()
    try:
        whole = base64.b64decode(lines[-1].strip() if lines else "", validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None
    if len(whole) != _LAYOUT.size:
        raise ValueError(f"it has {len(whole)} bytes, a secret key of minisign's {_LAYOUT.size}")
    algorithm, derivation, checksum, salt, operations, memory_bytes, secret = _LAYOUT.unpack(whole)
    if algorithm != _ED25519 or checksum != _BLAKE2B or derivation not in {_SCRYPT, _NO_PASSWORD}:
        raise ValueError("its algorithms are not minisign's")
    if derivation == _SCRYPT:
        secret = _xor(secret, _stream(password(), salt, operations, memory_bytes))
    key_id, seed, public, found = _SECRET.unpack(secret)
    key = SecretKey(key_id=key_id, seed=seed)
    if derivation == _SCRYPT and not hmac.compare_digest(found, _checksum(key, public)):
        raise WrongPasswordError("the password is wrong")
    if key.public.raw != public:
        raise ValueError("its two halves do not belong together")
    return key


def read(path: Path, password: Callable[[], str]) -> SecretKey:
    """Read a secret key that is its owner's alone.

    Raises:
        ImageError: It cannot be read, others may read it, or it does not open.
    """
    try:
        others = path.stat().st_mode & _OTHERS
        data = strict_json.read_limited(path, signing.LIMIT_BYTES)
    except FileNotFoundError:
        raise ImageError(
            f"there is no secret key {path}", hint=f"make one: mptcp-check image keygen {path}"
        ) from None
    except OSError as e:
        raise ImageError(f"the secret key {path} cannot be read: {e.strerror}") from None
    if _is_public(data):
        raise ImageError(
            f"{path} is a public key, which signs nothing",
            hint="name the file that `mptcp-check image keygen` was told",
        )
    if others:
        raise ImageError(
            f"the secret key {path} can be read by others", hint=f"run: chmod 600 {path}"
        )
    try:
        return parse(data, password)
    except ValueError as e:
        raise ImageError(f"the secret key {path} cannot be used: {e}") from None


def _is_public(data: bytes) -> bool:
    try:
        signing.parse_public_key(data.decode())
    except ValueError:
        return False
    return True


def create(path: Path, content: bytes) -> None:
    """Write the file of a new secret key, for its owner's eyes only; never over another file.

    Raises:
        ImageError: It exists already, or cannot be written; nothing is left then.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ImageError(f"{path} exists already", hint="name another file") from None
    except OSError as e:
        raise ImageError(f"{path} cannot be written: {e.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as e:
        path.unlink(missing_ok=True)
        raise ImageError(f"{path} cannot be written: {e.strerror}") from None


def _checksum(key: SecretKey, public: bytes | None = None) -> bytes:
    half = key.public.raw if public is None else public
    return hashlib.blake2b(_ED25519 + key.key_id + key.seed + half, digest_size=32).digest()


def _xor(data: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


def _stream(password: str, salt: bytes, operations: int, memory_bytes: int) -> bytes:
    cost, blocks, lanes = scrypt_parameters(operations, memory_bytes)
    kdf = Scrypt(salt=salt, length=_SECRET.size, n=cost, r=blocks, p=lanes)
    return kdf.derive(password.encode())


def scrypt_parameters(operations: int, memory_bytes: int) -> tuple[int, int, int]:
    """Return scrypt's N, r and p for libsodium's limits (its ``pickparams``).

    Raises:
        ValueError: The limits ask for more memory than a key can be worth.
    """
    if memory_bytes > _MOST_MEMORY_BYTES or operations > OPERATIONS * 16:
        raise ValueError("its password would cost more memory or work than is sane")
    operations = max(operations, 1 << 15)
    blocks = 8
    by_work = operations < memory_bytes // 32
    most = operations // (blocks * 4) if by_work else memory_bytes // (blocks * 128)
    exponent = next(e for e in range(1, 64) if (1 << e) > most // 2)
    lanes = 1 if by_work else min(operations // 4 >> exponent, 0x3FFFFFFF) // blocks
    return 1 << exponent, blocks, max(lanes, 1)
