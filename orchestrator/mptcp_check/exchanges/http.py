"""http: one GET or one PUT on a connection of its own."""

from mptcp_check.exchanges import curl
from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    base = f"http://{target.host}:{exchange.port}"
    words = {
        Transfer.DOWNLOAD: ("--output", ARRIVED_FILE, f"{base}/down/{target.file}"),
        Transfer.UPLOAD: ("--upload-file", SENT_FILE, f"{base}/up/{target.file}"),
    }
    return (curl.command(exchange, "--http1.1", *words[exchange.direction]),)


APPLICATION = Application(
    name="http",
    title="Web (HTTP)",
    service="http",
    ports=(80, 8080, 34343),
    modes={None: Mode(opened=Opened(by_client=1))},
    commands=commands,
)
