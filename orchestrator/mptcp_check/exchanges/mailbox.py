"""imap and pop3: one mail fetched, for imap also one stored; plain, after STARTTLS, inside TLS.

What is fetched is a mail's body: as imap knows bodies the header never comes, from pop3 the whole
mail comes and its header is cut off.  An upload is a new folder and an APPEND into it, both on one
connection.
"""

from collections.abc import Mapping

from mptcp_check.exchanges import curl, tls
from mptcp_check.exchanges.application import USUAL, Application, Commands, Mode, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE
from mptcp_guest.own_program import WORD

MAIL = "mail"
"""The file that holds a whole mail."""


def _base(scheme: str, exchange: Exchange, target: Target) -> tuple[str, tuple[str, ...]]:
    """Return the beginning of the URL, and how the server is known."""
    if scheme.endswith("s"):
        return f"{scheme}://{target.server_name}:{exchange.port}", tls.curl_words(exchange, target)
    if exchange.mode == tls.STARTTLS:
        known = ("--ssl-reqd", *tls.curl_words(exchange, target))
        return f"{scheme}://{target.server_name}:{exchange.port}", known
    return f"{scheme}://{target.host}:{exchange.port}", ()


def _imap(scheme: str) -> Commands:
    def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
        base, known = _base(scheme, exchange, target)
        login = ("--user", f"{target.credentials.user}:{target.credentials.password}")
        if exchange.direction is Transfer.DOWNLOAD:
            url = f"{base}/{target.file};MAILINDEX=1;SECTION=TEXT"
            return (curl.command(exchange, *known, *login, "--output", ARRIVED_FILE, url),)
        create = (*known, *login, "--request", f"CREATE {target.file}", f"{base}/")
        append = curl.command(exchange, *known, *login)[1:]
        return (
            (WORD, "mail", "wrap", target.file, MAIL),
            # --next begins anew, on the connection that is there
            (
                *curl.command(exchange, *create),
                "--next",
                *(word for word in append if word != "--disable"),
                *("--upload-file", MAIL, f"{base}/{target.file}"),
            ),
        )

    return commands


def _pop3(scheme: str) -> Commands:
    def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
        base, known = _base(scheme, exchange, target)
        known_as = target.credentials
        # at a shared server a mailbox is one of its user's
        user = f"{known_as.folder}@{target.file}" if known_as.folder else target.file
        login = ("--user", f"{user}:{known_as.password}")
        return (
            curl.command(exchange, *known, *login, "--output", MAIL, f"{base}/1"),
            (WORD, "mail", "unwrap", MAIL),
        )

    return commands


def _application(
    name: str, title: str, port: int, modes: Mapping[str | None, Mode], commands: Commands
) -> Application:
    return Application(
        name=name,
        title=title,
        service=name,
        ports=(port,),
        modes=modes,
        commands=commands,
        files=tls.files,
        signs=tls.SIGNS,
        form="lines",
    )


IMAP = _application(
    "imap", "Reading mail (IMAP)", 143, tls.beginning_plain(*Transfer), _imap("imap")
)
IMAPS = _application("imaps", "Reading mail (IMAP inside TLS)", 993, USUAL, _imap("imaps"))
POP3 = _application(
    "pop3", "Fetching mail (POP3)", 110, tls.beginning_plain(Transfer.DOWNLOAD), _pop3("pop3")
)
POP3S = _application(
    "pop3s",
    "Fetching mail (POP3 inside TLS)",
    995,
    {None: Mode(transfers=(Transfer.DOWNLOAD,))},
    _pop3("pop3s"),
)
