"""How a client knows this run's server under TLS, and what it says of anybody else.

The certificate is this run's own and signed by nobody: no other key will do.  Who opens TLS in
between shows a key of his own and is found, whatever his certificate says.
"""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Target

CERTIFICATE = "certificate.pem"

INTERCEPTED = (
    "somebody in between opens TLS: the certificate that came is not the measurement server's"
)
SIGNS = {
    "public key does not match pinned public key": INTERCEPTED,
    "Certificate verification:": INTERCEPTED,
    "certificate verify failed": INTERCEPTED,
}
"""What curl (its exit code is 90), lftp and Python say then, and what it means."""


def pinned(target: Target) -> tuple[str, ...]:
    """Return the words that have curl take this run's key and no other (RFC 7469, section 2.4)."""
    # "insecure": there is no signature to look for; the pin is compared all the same
    return "--insecure", "--pinnedpubkey", f"sha256//{target.credentials.tls_pin}"


def files(target: Target) -> Mapping[str, str]:
    """Return the certificate that the server must show, for clients that take no pin."""
    return {CERTIFICATE: target.credentials.tls_certificate}
