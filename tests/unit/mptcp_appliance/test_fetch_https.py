"""A catalogue over TLS: certificates that are trusted, that are not, and ways around them."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from image_catalogues import KEY, Laptop, Served, serving
from mptcp_appliance import store
from mptcp_appliance.errors import ImageError

DAY = dt.timedelta(days=1)
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that it signed itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + 36_500 * DAY)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def serving_tls(folder: Path, certificate: Path) -> Iterator[Served]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(folder, tls=context) as (url, wrong):
        yield url.replace("http:", "https:"), wrong


def test_a_certificate_that_nobody_vouches_for_is_refused(
    folder: Path, certificate: Path, tmp_path: Path
) -> None:
    laptop = Laptop(home=tmp_path / "home")
    with (
        serving_tls(folder, certificate) as (url, _),
        pytest.raises(ImageError, match=r"the server's certificate is not trusted$"),
    ):
        laptop.fetch(url, KEY.public)
    # it would not get better by asking again
    assert laptop.waited_s == []


def test_a_certificate_that_the_user_trusts_is_good(
    folder: Path, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    laptop = Laptop(home=tmp_path / "home")
    with serving_tls(folder, certificate) as (url, _):
        store.check(laptop.fetch(url, KEY.public), pins=laptop.pins)


def test_a_server_that_sends_away_from_tls_is_not_followed(
    folder: Path, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(folder) as (plain, _), serving_tls(folder, certificate) as (url, wrong):
        wrong.redirect_to = plain
        with pytest.raises(ImageError, match="sends us away from https"):
            Laptop(home=tmp_path / "home").fetch(url, KEY.public)
