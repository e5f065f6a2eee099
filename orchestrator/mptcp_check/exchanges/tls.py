"""How clients know the run's server inside TLS: by its certificate, and by nobody's word for it.

Who opens TLS in between shows another one and is found, whatever it says.
"""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Target
from mptcp_check.model import Exchange

CERTIFICATE_FILE = "server.pem"

INTERCEPTED = (
    "somebody in between opens TLS: the certificate that came is not the measurement server's"
)
SIGNS: Mapping[str, str] = dict.fromkeys(
    (
        "public key does not match pinned public key",  # curl, exit code 90
        "SSL certificate problem:",  # curl, exit code 60
        "Certificate verification:",  # lftp
        "certificate verify failed",  # Python
    ),
    INTERCEPTED,
)
"""What clients say then, and what it means."""


def files(target: Target) -> Mapping[str, str]:
    """Return the file in the client's directory that holds the certificate."""
    return {CERTIFICATE_FILE: target.credentials.tls_certificate}


def curl_words(exchange: Exchange, target: Target) -> tuple[str, ...]:
    """Return what curl is told so that it believes this server and no other.

    The URL must name `Target.server_name`, which no resolver is asked for.
    """
    return (
        *("--resolve", f"{target.server_name}:{exchange.port}:{target.host}"),
        *("--cacert", CERTIFICATE_FILE),
        *("--pinnedpubkey", f"sha256//{target.credentials.tls_pin}"),
    )
