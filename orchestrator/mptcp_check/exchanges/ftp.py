"""ftp: one file, the data connection opened by the server (active) or by the client (passive).

Active and passive matter to a check because gateways read the control connection: they look for
PORT, EPRT, PASV and EPSV and rewrite or open what is named there.  curl says EPRT and EPSV first
(RFC 2428), and PORT or PASV when the server does not know them.

Who gets a second subflow (measured on Linux 6.18, pure-ftpd 1.0.50, curl 7.88):

- the control connection, and in passive mode the data connection: the client joins them from its
  other interfaces, as pure-ftpd still listens on the data port while it transfers;
- in active mode not the data connection.  The server opens it, and curl closes its listening
  socket once it has accepted: a join from the server is answered with RST by the client's own
  kernel.  The client does not join either: its kernel may send a join SYN to the server's port
  20, where nobody listens, or (nearly always) gives up before that (MPJoinSynTxCreatSkErr).  So
  the server has no subflow endpoints: they would only add resets that nobody in the path made.
"""

from mptcp_check.exchanges import curl
from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

ACTIVE = "active"
PASSIVE = "passive"


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    base = f"ftp://{target.host}:{exchange.port}"
    mode = {
        # "-": offer the address that the control connection has
        ACTIVE: ("--ftp-port", "-"),
        # whatever address the server's answer names, data comes from where the control goes
        PASSIVE: ("--ftp-skip-pasv-ip",),
    }[exchange.mode or PASSIVE]
    words = {
        Transfer.DOWNLOAD: ("--output", ARRIVED_FILE, f"{base}/down/{target.file}"),
        Transfer.UPLOAD: ("--upload-file", SENT_FILE, f"{base}/up/{target.file}"),
    }[exchange.direction]
    login = ("--user", f"{target.credentials.user}:{target.credentials.password}")
    return (curl.command(exchange, *login, *mode, *words),)


APPLICATION = Application(
    name="ftp",
    title="File transfer (FTP)",
    service="ftp",
    ports=(21,),
    modes={
        ACTIVE: Mode(
            opened=Opened(by_client=1, by_server=1),
            words="the server opens the data connection",
        ),
        PASSIVE: Mode(
            opened=Opened(by_client=2),
            words="the client opens the data connection",
        ),
    },
    commands=commands,
)
