"""rsync: one file to or from its daemon; both ends talk at once, which few other protocols do."""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Application, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

PASSWORD_FILE = "password"  # noqa: S105 - its name


def files(target: Target) -> Mapping[str, str]:
    """Return the password, which rsync reads from a file that nobody else can read."""
    return {PASSWORD_FILE: target.credentials.password + "\n"}


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    known = target.credentials
    base = f"rsync://{known.user}@{target.host}:{exchange.port}"
    # at a shared server each user has modules of his own
    module = f"{known.folder}-" if known.folder else ""
    from_to = {
        Transfer.DOWNLOAD: (f"{base}/{module}down/{target.file}", ARRIVED_FILE),
        Transfer.UPLOAD: (SENT_FILE, f"{base}/{module}up/{target.file}"),
    }[exchange.direction]
    how = ("--whole-file", "--no-motd", "--stats", f"--password-file={PASSWORD_FILE}")
    return (("rsync", *how, *from_to),)


APPLICATION = Application(
    name="rsync",
    title="Mirroring (rsync)",
    service="rsync",
    ports=(873,),
    commands=commands,
    files=files,
    tools=("rsync",),
)
