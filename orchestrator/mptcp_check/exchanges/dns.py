"""DNS over TCP and over TLS: texts of a zone that this run's name server alone has.

Boxes answer port 53 themselves, whoever is asked: then the name does not exist there.
"""

from mptcp_check.exchanges import tls
from mptcp_check.exchanges.application import Application, Mode, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, DNS_PART_BYTES
from mptcp_guest.own_program import WORD
from mptcp_guest.payload import size_bytes

KIB = 1024


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    size = size_bytes(exchange.payload_bytes, "lines")
    count = -(-size // DNS_PART_BYTES)
    asked = (target.address, str(exchange.port), _asked(target), str(count), ARRIVED_FILE)
    secured = (tls.CERTIFICATE_FILE, target.server_name) if exchange.app == TLS.name else ()
    return ((WORD, "dns", *asked, *secured),)


def _asked(target: Target) -> str:
    """Return the name whose parts are asked for: a user's zone is below his name."""
    folder = target.credentials.folder
    return f"{target.file}.{folder}" if folder else target.file


APPLICATION = Application(
    name="dns",
    title="Names (DNS over TCP)",
    service="dns",
    ports=(53,),
    modes={None: Mode(transfers=(Transfer.DOWNLOAD,), payload_bytes_max=128 * KIB)},
    commands=commands,
    tools=(),
    form="lines",
)

TLS = tls.inside(APPLICATION, name="dns-tls", title="Names (DNS over TLS)", port=853)
