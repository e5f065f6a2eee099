"""How clients know the run's server inside TLS: by its certificate, and by nobody's word for it."""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.credentials import SERVER_NAME
from mptcp_check.model import Exchange

CERTIFICATE_FILE = "server.pem"


def files(target: Target) -> Mapping[str, str]:
    """Return the file in the client's directory that holds the certificate."""
    return {CERTIFICATE_FILE: target.credentials.tls_certificate}


def curl_words(exchange: Exchange, target: Target) -> tuple[str, ...]:
    """Return what curl is told so that it believes this server and no other.

    The URL must name `SERVER_NAME`, which no resolver is asked for.
    """
    return (
        *("--resolve", f"{SERVER_NAME}:{exchange.port}:{target.host}"),
        *("--cacert", CERTIFICATE_FILE),
        *("--pinnedpubkey", f"sha256//{target.credentials.tls_pin}"),
    )
