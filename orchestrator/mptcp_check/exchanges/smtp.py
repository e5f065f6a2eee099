"""smtp: one mail to the run's server, plain or after STARTTLS (RFC 3207).

Ports 25 and 587 are two worlds to a path: many networks let nothing out to 25 but their own mail
servers, and boxes that look into mail look there.  Firewalls are known to blot out STARTTLS in
the server's answer; then curl refuses to go on, as it is told to require TLS.
"""

from mptcp_check.exchanges import curl, tls
from mptcp_check.exchanges.application import Application, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.mail import USER_DOMAIN
from mptcp_guest.own_program import WORD

MAIL = "mail"
"""The file that holds the mail around what is sent."""


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange."""
    secured = exchange.mode == tls.STARTTLS
    host = target.server_name if secured else target.host
    return (
        (WORD, "mail", "wrap", target.file, MAIL),
        curl.command(
            exchange,
            *(("--ssl-reqd", *tls.curl_words(exchange, target)) if secured else ()),
            *("--mail-from", f"client@{USER_DOMAIN}"),
            *("--mail-rcpt", f"{target.name}@{USER_DOMAIN}"),
            *("--upload-file", MAIL),
            f"smtp://{host}:{exchange.port}/client.{USER_DOMAIN}",
        ),
    )


APPLICATION = Application(
    name="smtp",
    title="Sending mail (SMTP)",
    service="smtp",
    ports=(25, 587),
    modes=tls.beginning_plain(Transfer.UPLOAD),
    commands=commands,
    files=tls.files,
    signs=tls.SIGNS,
    form="lines",
)
