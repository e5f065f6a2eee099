"""A certification authority for tests, and servers' certificates with and without faults."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mptcp_check import clock

DAY = dt.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """Signs what it is asked to."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.fromtimestamp(clock.wall_ns() // 10**9, tz=dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("authority"))
            .issuer_name(_name("authority"))
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - 900 * DAY)
            .not_valid_after(now + 900 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self, *, begins_in_days: int = -1, ends_in_days: int = 1, address: str = "127.0.0.1"
    ) -> ssl.SSLContext:
        """Return what a server with a certificate for an address speaks."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.fromtimestamp(clock.wall_ns() // 10**9, tz=dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("collector"))
            .issuer_name(_name("authority"))
            .public_key(key.public_key())
            .serial_number(2)
            .not_valid_before(now + begins_in_days * DAY)
            .not_valid_after(now + ends_in_days * DAY)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        path = self.folder / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context
