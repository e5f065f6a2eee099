"""Which session at a measurement server a run was: what lets a collector join the server's half.

A run that was measured against a measurement server has `server-session.json` in its folder, with
the session's ticket. The ticket is a bearer secret: it goes to the collector beside the bundle
(tus's `Upload-Metadata`), never in it. The bundle's manifest holds a reference that proves nothing
by itself and gives nothing away: the ticket's digest ties the two together.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_upload import durable
from mptcp_upload.errors import BundleError

SCHEMA: Final = "mptcp-check.server-session/1"
NAME: Final = "server-session.json"
TICKET_CHARACTERS_LIMIT: Final = 2048
_FIELD_CHARACTERS_LIMIT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSession:
    """A run's session at a measurement server."""

    server: str
    """Its URL, for people: nobody connects to what stands in a bundle."""
    session_id: str
    """The server's name of it; the ticket's `jti`."""
    run_id: str
    """Which run the server was told; the ticket's `sub`."""
    ticket: str
    """JSON Web Token, signed by the server."""

    @property
    def server_id(self) -> str:
        """Who issued the ticket (`iss`), unverified; empty where the ticket is none."""
        try:
            claims = self.ticket.split(".")[1]
            issuer = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"]
        except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError):
            return ""
        return issuer[:_FIELD_CHARACTERS_LIMIT] if isinstance(issuer, str) else ""

    def reference(self) -> dict[str, Any]:
        """Return the manifest's field `server_session`."""
        return {
            "server": self.server,
            "server_id": self.server_id,
            "session_id": self.session_id,
            "run_id": self.run_id,
            "ticket_sha256": hashlib.sha256(self.ticket.encode()).hexdigest(),
        }


def write(run: Path, session: ServerSession) -> None:
    """Write the session into a run's folder, before its manifest; readable by its owner only.

    Raises:
        OSError: It cannot be written.
    """
    document = {"schema": SCHEMA, **asdict(session)}
    durable.replace(run / NAME, (json.dumps(document, indent=1) + "\n").encode())


def read(run: Path) -> ServerSession | None:
    """Return the session of a run; none if it was not measured against a measurement server.

    Raises:
        BundleError: The file is damaged.
    """
    try:
        document = json.loads((run / NAME).read_bytes())
        if document.pop("schema") != SCHEMA:
            raise ValueError("schema")  # noqa: TRY301 - one place for what is no session
        session = ServerSession(**document)
        for name, text in asdict(session).items():
            limit = TICKET_CHARACTERS_LIMIT if name == "ticket" else _FIELD_CHARACTERS_LIMIT
            if not isinstance(text, str) or len(text) > limit:
                raise ValueError(name)  # noqa: TRY301 - as above
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise BundleError(f"{NAME} cannot be read: {type(e).__name__}", hint="measure again") from e
    return session
