"""rsync's own daemon: one module to read from, one to write to, both for the run's user only.

``rsync --daemon`` is the plain protocol of port 873, not rsync over ssh.
"""

from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving.program import USER, Place, Program

CONNECTIONS_COUNT = 20
TIMEOUT_S = 60


def command(directory: Path, *, address: str, port: int) -> list[str]:
    """Return how the daemon is started; PURE."""
    return [
        *("rsync", "--daemon", "--no-detach"),
        *(f"--address={address}", f"--port={port}"),
        f"--config={directory}/rsyncd.conf",
        f"--log-file={directory}/error.log",
    ]


def configuration(directory: Path, files: Path, *, user: str) -> str:
    """Return rsyncd.conf; PURE.

    Args:
        directory: Holds the file of secrets.
        files: Where what is handed out (``down``) and taken in (``up``) lies.
        user: Who has a password; nobody else sees anything.
    """
    return f"""\
uid = {USER}
gid = {USER}
use chroot = yes
list = no
max connections = {CONNECTIONS_COUNT}
lock file = {directory}/lock
timeout = {TIMEOUT_S}
reverse lookup = no
auth users = {user}
secrets file = {directory}/secrets
[down]
path = {files}/down
read only = yes
[up]
path = {files}/up
write only = yes
read only = no
refuse options = delete
"""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    user = arguments["user"]
    place.written("secrets", f"{user}:{arguments['password']}\n", secret=True)
    place.written("rsyncd.conf", configuration(place.directory, place.files, user=user))
    return command(place.directory, address=wanted["address"], port=wanted["port"])


PROGRAM = Program(name="rsync", tool="rsync", package="rsync", prepare=_prepare)
