"""Keys and a password for one run: nobody else's, and worth nothing after it."""

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USER = "mptcp"
SERVER_NAME = "server.mptcp-check.invalid"
"""What the certificate is for besides the addresses (RFC 6761, section 6.4: it never resolves)."""

NOT_BEFORE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NOT_AFTER = dt.datetime(2037, 1, 1, tzinfo=dt.UTC)
"""A guest's clock may be wrong, and the key lives for one run: its dates say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the client knows."""

    user: str
    password: str = field(repr=False)
    tls_certificate: str
    """PEM: the one that the server must show."""
    tls_pin: str
    """SHA-256 of its public key (RFC 7469, section 2.4), in base 64."""
    ssh_host_key: str
    """Public, without a host's name."""
    ssh_client_key: str = field(repr=False)
    """Private, as OpenSSH writes it."""
    folder: str = ""
    """What the paths of this user begin with at a server that many share; empty at one's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCredentials:
    """What the server has besides: its private keys, and who may log in."""

    tls_key: str = field(repr=False)
    ssh_host_key: str = field(repr=False)
    """Private, as OpenSSH writes it."""
    ssh_client_key: str
    """Public: who may log in."""


def make(password: str, addresses: tuple[str, ...] = ()) -> tuple[Credentials, ServerCredentials]:
    """Return new keys, and what the server needs of them.

    Args:
        password: Of the user, for this run only.
        addresses: Where the server is reached; in the certificate beside `SERVER_NAME`.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, addresses)
    host, client = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    return (
        Credentials(
            user=USER,
            password=password,
            tls_certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
            tls_pin=_pin(certificate),
            ssh_host_key=_ssh_public(host),
            ssh_client_key=_ssh_private(client),
        ),
        ServerCredentials(
            tls_key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
            ssh_host_key=_ssh_private(host),
            ssh_client_key=_ssh_public(client),
        ),
    )


def of_server(known: Credentials, tls_certificate: str, ssh_host_key: str) -> Credentials:
    """Return what a client knows of a server that has keys of its own; PURE.

    Args:
        known: What it knows besides.
        tls_certificate: PEM; an empty one changes nothing.
        ssh_host_key: Public; likewise.
    """
    if tls_certificate:
        pin = _pin(x509.load_pem_x509_certificate(tls_certificate.encode()))
        known = replace(known, tls_certificate=tls_certificate, tls_pin=pin)
    return replace(known, ssh_host_key=ssh_host_key) if ssh_host_key else known


def _pin(certificate: x509.Certificate) -> str:
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def _certificate(key: ec.EllipticCurvePrivateKey, addresses: tuple[str, ...]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    names: list[x509.GeneralName] = [x509.DNSName(SERVER_NAME), x509.DNSName(f"*.{SERVER_NAME}")]
    names += [x509.IPAddress(ip_address(text)) for text in addresses]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _ssh_private(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()


def _ssh_public(key: Ed25519PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )
