"""mqtt: one message that a broker keeps, fetched or left there; plain and inside TLS.

Inside TLS the client is our own: mosquitto's ends in a way that makes the broker's kernel reset
the connection (`mptcp_guest.clients.mqtts`).
"""

from collections.abc import Mapping

from mptcp_check.exchanges import tls
from mptcp_check.exchanges.application import Application, Target
from mptcp_check.exchanges.echo import WAYS
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.own_program import WORD

CLIENTS = {Transfer.DOWNLOAD: "mosquitto_sub", Transfer.UPLOAD: "mosquitto_pub"}
LOGIN_FILE = "login"


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    where = ("-h", target.address, "-p", str(exchange.port))
    what = ("-q", "1", "-t", _topic(exchange, target))
    # it takes user and password from a file of its own name in XDG_CONFIG_HOME
    client = ("env", "XDG_CONFIG_HOME=.", CLIENTS[exchange.direction], *where, *what)
    if exchange.direction is Transfer.DOWNLOAD:
        return ((WORD, "plumbed", "--out", ARRIVED_FILE, "--", *client, "-C", "1", "-N"),)
    return ((*client, "-r", "-f", SENT_FILE),)


def files(target: Target) -> Mapping[str, str]:
    """Return the clients' configuration: who they are."""
    known = target.credentials
    return dict.fromkeys(CLIENTS.values(), f"-u {known.user}\n-P {known.password}\n")


def commands_inside_tls(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange inside TLS."""
    where = (target.address, str(exchange.port), target.server_name, WAYS[exchange.direction])
    return ((WORD, "mqtts", *where, _topic(exchange, target), str(exchange.deadline_s)),)


def files_inside_tls(target: Target) -> Mapping[str, str]:
    """Return who the client is, and the certificate that it must be shown."""
    known = target.credentials
    return {LOGIN_FILE: f"{known.user}\n{known.password}\n", **tls.files(target)}


def _topic(exchange: Exchange, target: Target) -> str:
    way, folder = WAYS[exchange.direction], target.credentials.folder
    return f"{folder}/{way}" if folder else f"{way}/{target.file}"


MQTT = Application(
    name="mqtt",
    title="Messages of things (MQTT)",
    service="mqtt",
    ports=(1883,),
    commands=commands,
    files=files,
    tools=tuple(CLIENTS.values()),
)

MQTTS = Application(
    name="mqtts",
    title="Messages of things (MQTT inside TLS)",
    service="mqtts",
    ports=(8883,),
    commands=commands_inside_tls,
    files=files_inside_tls,
    signs=tls.SIGNS,
    tools=(),
)
