import base64
import hashlib
import ssl
import subprocess
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mptcp_check.exchanges import credentials

KNOWN, OWN = credentials.make("secret", ("10.77.0.2", "fd77::2"))


def test_openssl_takes_the_certificate_with_its_key_for_the_names_in_it(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(KNOWN.tls_certificate)
    (tmp_path / "k.pem").write_text(OWN.tls_key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    certificate = x509.load_pem_x509_certificate(KNOWN.tls_certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        credentials.SERVER_NAME,
        f"*.{credentials.SERVER_NAME}",  # each session's own, at a server that many share
    ]
    assert names.get_values_for_type(x509.IPAddress) == [
        ip_address("10.77.0.2"),
        ip_address("fd77::2"),
    ]
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert base64.b64decode(KNOWN.tls_pin) == hashlib.sha256(public).digest()


def test_openssh_knows_both_pairs_of_keys(tmp_path: Path) -> None:
    pairs = {KNOWN.ssh_client_key: OWN.ssh_client_key, OWN.ssh_host_key: KNOWN.ssh_host_key}
    for number, (private, public) in enumerate(pairs.items()):
        path = tmp_path / str(number)
        path.touch(mode=0o600)
        path.write_text(private)
        done = subprocess.run(
            ["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split()[:2] == public.split()[:2]


def test_nothing_secret_is_shown_by_accident() -> None:
    shown = repr((KNOWN, OWN))
    for secret in (KNOWN.password, KNOWN.ssh_client_key, OWN.tls_key, OWN.ssh_host_key):
        assert secret not in shown


def test_two_runs_have_nothing_in_common() -> None:
    other, _ = credentials.make("secret")
    assert other.tls_pin != KNOWN.tls_pin
    assert other.ssh_host_key != KNOWN.ssh_host_key
