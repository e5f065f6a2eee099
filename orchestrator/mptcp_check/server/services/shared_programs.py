"""All services that many sessions may share at once."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from mptcp_guest import own_program
from mptcp_guest.messages import ServiceWanted
from mptcp_guest.serving import shared, ssh
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import Caps, Login, Shared, replaced

LOGINS: Final = "logins"


def _ssh(place: Place, wanted: ServiceWanted, caps: Caps) -> list[str]:
    host_key = place.written("host_key", caps.keys.ssh_host_key, secret=True)
    _admit_to_ssh(place, ())
    return [
        # its libraries are where this process has them
        *("env", f"PYTHONPATH={os.pathsep.join(filter(None, sys.path))}"),
        *("PYTHONDONTWRITEBYTECODE=1", own_program.own_python(), "-P"),
        *("-m", "mptcp_check.server.ssh.program", wanted["address"], str(wanted["port"])),
        *(str(place.files), str(host_key), str(place.directory / LOGINS)),
        *(str(caps.connections_count), str(caps.upload_bytes)),
    ]


def _admit_to_ssh(place: Place, logins: Sequence[Login]) -> None:
    known = (f"{one.marker} {one.ssh_client_key}\n" for one in logins if one.ssh_client_key)
    replaced(place, LOGINS, "".join(known))


SHARED: Final[Mapping[str, Shared]] = {
    **shared.SHARED,
    ssh.PROGRAM.name: Shared(prepare=_ssh, admit=_admit_to_ssh, own_program=True),
}
"""By service."""
