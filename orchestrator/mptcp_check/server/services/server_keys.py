"""What the application servers prove themselves by: made once, and the same after every restart.

Who has a session is told them over the interface, and believes nothing else: they need no authority
and no name of the operator's.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from mptcp_appliance import durable
from mptcp_check.exchanges import credentials
from mptcp_guest.serving.sharing import Keys

FOLDER: Final = "keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """All of them; each is a file of its name."""

    tls_certificate: str
    tls_key: str = field(repr=False)
    ssh_host_key: str = field(repr=False)
    ssh_host_key_public: str

    @property
    def shared(self) -> Keys:
        """What the programs are given."""
        return Keys(
            tls_certificate=self.tls_certificate,
            tls_key=self.tls_key,
            ssh_host_key=self.ssh_host_key,
        )


def kept(state: Path) -> ServerKeys:
    """Return the keys of a server; a new one's are made.

    Args:
        state: The services' folder.

    Raises:
        OSError: There is no room, or they cannot be read.
    """
    folder = state / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    names = ServerKeys.__dataclass_fields__
    if not all((folder / name).exists() for name in names):
        durable.replace_all(
            {folder / name: text.encode() for name, text in asdict(made()).items()}, mode=0o600
        )
    return ServerKeys(**{name: (folder / name).read_text() for name in names})


def made() -> ServerKeys:
    """Return new ones."""
    known, own = credentials.make("")
    return ServerKeys(
        tls_certificate=known.tls_certificate,
        tls_key=own.tls_key,
        ssh_host_key=own.ssh_host_key,
        ssh_host_key_public=known.ssh_host_key,
    )
