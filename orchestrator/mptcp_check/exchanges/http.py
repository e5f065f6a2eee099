"""http: one GET or one PUT on a connection of its own."""

from mptcp_check.exchanges import curl
from mptcp_check.exchanges.application import Application, Opened, Target
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
    name="http", service="http", port=80, opened={None: Opened(by_client=1)}, commands=commands
)
