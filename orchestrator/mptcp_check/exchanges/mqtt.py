"""mqtt: one message that a broker keeps, fetched or left there; plain and inside TLS."""

from collections.abc import Mapping

from mptcp_check.exchanges import tls
from mptcp_check.exchanges.application import Application, Commands, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.own_program import WORD

CLIENTS = {Transfer.DOWNLOAD: "mosquitto_sub", Transfer.UPLOAD: "mosquitto_pub"}


def _commands(*secured: str) -> Commands:
    def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
        where = ("-h", target.address, "-p", str(exchange.port), *secured)
        # it takes user and password from a file of its own name in XDG_CONFIG_HOME
        client = ("env", "XDG_CONFIG_HOME=.", CLIENTS[exchange.direction], *where, "-q", "1")
        if exchange.direction is Transfer.DOWNLOAD:
            wanted = ("-t", f"down/{target.file}", "-C", "1", "-N")
            return ((WORD, "plumbed", "--out", ARRIVED_FILE, "--", *client, *wanted),)
        return ((*client, "-t", f"up/{target.file}", "-r", "-f", SENT_FILE),)

    return commands


def files(target: Target) -> Mapping[str, str]:
    """Return the clients' files: who they are, and the certificate that they must be shown."""
    known = target.credentials
    login = f"-u {known.user}\n-P {known.password}\n"
    return {**dict.fromkeys(CLIENTS.values(), login), **tls.files(target)}


MQTT = Application(
    name="mqtt",
    title="Messages of things (MQTT)",
    service="mqtt",
    ports=(1883,),
    modes={None: Mode(opened=Opened(by_client=1))},
    commands=_commands(),
    files=files,
    tools=tuple(CLIENTS.values()),
)

MQTTS = Application(
    name="mqtts",
    title="Messages of things (MQTT inside TLS)",
    service="mqtts",
    ports=(8883,),
    modes={None: Mode(opened=Opened(by_client=1))},
    # the certificate is the run's own and the only one believed; it names no address
    commands=_commands("--cafile", tls.CERTIFICATE_FILE, "--insecure"),
    files=files,
    tools=tuple(CLIENTS.values()),
)
