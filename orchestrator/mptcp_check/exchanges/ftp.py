"""ftp and ftps: one file, the data connection opened by the server (active) or by the client.

Active and passive matter to a check because gateways read the control connection: they look for
PORT, EPRT, PASV and EPSV and rewrite or open what is named there.  They do not know all four
alike: curl says EPRT and EPSV (RFC 2428) unless it is told PORT and PASV, which are for IPv4 only.
With AUTH TLS (RFC 4217) the same port becomes a channel that no gateway can read, so that data
connections stay closed where one would have opened them.

Who gets a second subflow (measured on Linux 6.18, pure-ftpd 1.0.50, curl 7.88):

- the control connection, and in passive mode the data connection: the client joins them from its
  other interfaces, as pure-ftpd still listens on the data port while it transfers;
- in active mode not the data connection.  The server opens it, and curl closes its listening
  socket once it has accepted: a join from the server is answered with RST by the client's own
  kernel.  The client does not join either: its kernel may send a join SYN to the server's port
  20, where nobody listens, or (nearly always) gives up before that (MPJoinSynTxCreatSkErr).  So
  the server has no subflow endpoints: they would only add resets that nobody in the path made.
"""

from mptcp_check.exchanges import curl, tls
from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Family, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

ACTIVE = "active"
ACTIVE_PORT = "active-port"
PASSIVE = "passive"
PASSIVE_PASV = "passive-pasv"

WORDS = {
    # "-": offer the address that the control connection has
    ACTIVE: ("--ftp-port", "-"),
    ACTIVE_PORT: ("--ftp-port", "-", "--disable-eprt"),
    # whatever address the server's answer names, data comes from where the control goes
    PASSIVE: ("--ftp-skip-pasv-ip",),
    PASSIVE_PASV: ("--ftp-skip-pasv-ip", "--disable-epsv"),
}


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    secured = exchange.app == FTPS.name
    if secured and exchange.mode == ACTIVE:
        return (_lftp(exchange, target),)
    base = f"ftp://{target.server_name if secured else target.host}:{exchange.port}"
    words = {
        Transfer.DOWNLOAD: ("--output", ARRIVED_FILE, f"{base}/down/{target.file}"),
        Transfer.UPLOAD: ("--upload-file", SENT_FILE, f"{base}/up/{target.file}"),
    }[exchange.direction]
    # control and data both
    known = ("--ssl-reqd", *tls.curl_words(exchange, target)) if secured else ()
    login = ("--user", f"{target.credentials.user}:{target.credentials.password}")
    mode = WORDS[exchange.mode or PASSIVE]
    return (curl.command(exchange, *login, *known, *mode, *words),)


def _lftp(exchange: Exchange, target: Target) -> tuple[str, ...]:
    """Return the client of active ftps: curl 7.88 accepts the data connection and forgets TLS."""
    words = {
        Transfer.DOWNLOAD: f"get down/{target.file} -o {ARRIVED_FILE}",
        Transfer.UPLOAD: f"put {SENT_FILE} -o up/{target.file}",
    }[exchange.direction]
    login = f"{target.credentials.user},{target.credentials.password}"
    script = (
        "debug 5",
        "set cmd:fail-exit yes",
        "set net:max-retries 1",
        "set ftp:passive-mode no",
        "set ftp:ssl-force yes",
        "set ftp:ssl-protect-data yes",
        # the only certificate that is taken is the server's own
        f"set ssl:ca-file {tls.CERTIFICATE_FILE}",
        "set ssl:check-hostname no",
        f"open -p {exchange.port} -u {login} ftp://{target.host}",
        words,
    )
    return "lftp", "--norc", "-c", "; ".join(script)


_BY_SERVER = Opened(by_client=1, by_server=1)
_BY_CLIENT = Opened(by_client=2)
_IPV4 = (Family.IPV4,)
_ACTIVE = Mode(opened=_BY_SERVER, words="the server opens the data connection")
_PASSIVE = Mode(opened=_BY_CLIENT, words="the client opens the data connection")

APPLICATION = Application(
    name="ftp",
    title="File transfer (FTP)",
    service="ftp",
    ports=(21,),
    modes={
        ACTIVE: _ACTIVE,
        ACTIVE_PORT: Mode(
            opened=_BY_SERVER,
            families=_IPV4,
            special=True,
            words="the same, asked for by PORT instead of EPRT",
        ),
        PASSIVE_PASV: Mode(
            opened=_BY_CLIENT,
            families=_IPV4,
            special=True,
            words="the client opens it, by PASV instead of EPSV",
        ),
        PASSIVE: _PASSIVE,
    },
    commands=commands,
)

FTPS = Application(
    name="ftps",
    title="File transfer (FTP with TLS)",
    service="ftp",
    ports=(21,),
    modes={ACTIVE: _ACTIVE, PASSIVE: _PASSIVE},
    commands=commands,
    files=tls.files,
    tools=("curl", "lftp"),
    signs=tls.SIGNS,
)
