"""https: what boxes see of it is the handshake, unless they open it.

Who opens it is found by his key (see `tls`).  The server's name is sent as every browser sends it
(RFC 6066, section 3), since boxes filter by it.
"""

from mptcp_check.exchanges import curl, tls
from mptcp_check.exchanges.application import Application, Mode, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

H1 = "http1.1"
H2 = "h2"
TLS12 = "tls1.2"

WORDS = {
    H1: ("--http1.1", "--tlsv1.3"),
    H2: ("--http2", "--tlsv1.3"),
    TLS12: ("--http1.1", "--tlsv1.2", "--tls-max", "1.2"),
}


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    base = f"https://{target.server_name}:{exchange.port}{target.root}"
    words = {
        Transfer.DOWNLOAD: ("--output", ARRIVED_FILE, f"{base}/down/{target.file}"),
        Transfer.UPLOAD: ("--upload-file", SENT_FILE, f"{base}/up/{target.file}"),
    }
    return (
        curl.command(
            exchange,
            *WORDS[exchange.mode or H2],
            *tls.curl_words(exchange, target),
            *words[exchange.direction],
        ),
    )


APPLICATION = Application(
    name="https",
    title="Web (HTTPS)",
    service="https",
    ports=(443, 8443),
    # the usual one last
    modes={
        TLS12: Mode(special=True, words="TLS 1.2 shows its certificate to who listens"),
        H1: Mode(special=True, words="HTTP/1.1 over TLS 1.3"),
        H2: Mode(words="HTTP/2 over TLS 1.3"),
    },
    commands=commands,
    files=tls.files,
    signs=tls.SIGNS,
)
