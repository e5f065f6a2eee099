"""How clients know the run's server inside TLS: by its certificate, and by nobody's word for it.

Who opens TLS in between shows another one and is found, whatever it says.
"""

from collections.abc import Mapping
from dataclasses import replace

from mptcp_check.exchanges.application import Application, Mode, Target
from mptcp_check.model import Exchange, Transfer

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

PLAIN = "plain"
STARTTLS = "starttls"


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


def inside(plain: Application, *, name: str, title: str, port: int) -> Application:
    """Return the form of an application that is inside TLS from the first byte.

    Args:
        plain: The application; its client looks at the exchange's `app` for which form it is.
        name: Of this form, and of the program that serves it.
        title: See `Application`.
        port: The usual one.
    """
    return replace(
        plain, name=name, title=title, service=name, ports=(port,), files=files, signs=SIGNS
    )


def beginning_plain(*transfers: Transfer) -> Mapping[str | None, Mode]:
    """Return the modes of an application at whose port TLS is asked for, or is not.

    STARTTLS: RFC 3207 for smtp, RFC 2595 for imap and pop3.

    Args:
        transfers: Which ways its payload can go.
    """
    return {
        PLAIN: Mode(
            transfers=transfers, words="nothing is encrypted, boxes can read and change it"
        ),
        STARTTLS: Mode(transfers=transfers, words="encrypted after a first exchange in the clear"),
    }
