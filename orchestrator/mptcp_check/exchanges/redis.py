"""redis: one value fetched or stored, the traffic of a database's client."""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Application, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.own_program import WORD

PASSWORD_FILE = "password"  # noqa: S105 - the name of a file


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    plumbing, asked = {
        Transfer.DOWNLOAD: (
            ("--out", ARRIVED_FILE),
            # as it is: no quotes, no line end after it
            ("--raw", "-D", "", "GET", _key("down", target)),
        ),
        Transfer.UPLOAD: (("--in", SENT_FILE), ("-x", "SET", _key("up", target))),
    }[exchange.direction]
    secret = ("--secret", f"REDISCLI_AUTH={PASSWORD_FILE}")
    known = target.credentials
    user = ("--user", known.user) if known.folder else ()
    client = ("redis-cli", "-e", *user, "-h", target.address, "-p", str(exchange.port))
    return ((WORD, "plumbed", *plumbing, *secret, "--", *client, *asked),)


def _key(way: str, target: Target) -> str:
    """Return the key; at a shared server a user has one for each way."""
    folder = target.credentials.folder
    return f"{folder}/{way}" if folder else f"{way}/{target.file}"


def files(target: Target) -> Mapping[str, str]:
    """Return the file from which the client takes the password."""
    return {PASSWORD_FILE: target.credentials.password}


APPLICATION = Application(
    name="redis",
    title="Database (Redis)",
    service="redis",
    ports=(6379,),
    commands=commands,
    files=files,
    tools=("redis-cli",),
)
