"""git's daemon for many sessions: the repositories of each are below its marker.

They lie where only this program writes: a repository that somebody made up could have programs
run.  One takes pushes, as its own settings say; those that are handed out take none.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.messages import Content, Digest
from mptcp_guest.serving import git
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import Caps, Login, Shared, closed_beside, owned
from mptcp_guest.serving.shelf import Shelf

MEMORY_BYTES = 1024**3
"""Of each process: a small pack may hold a large object."""
CLIENTS_COUNT = 64


def _prepare(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    closed = owned(closed_beside(place.files))
    return [
        *("prlimit", f"--as={MEMORY_BYTES}", "--"),
        *git.plain(closed),
        *("daemon", "--reuseaddr", "--export-all"),
        *(f"--listen={wanted['address']}", f"--port={wanted['port']}"),
        *("--timeout=60", "--init-timeout=20"),
        f"--max-connections={min(caps.connections_count, CLIENTS_COUNT)}",
        f"--base-path={closed}",
        # no repository takes pushes but those that say so themselves
        *("--disable=receive-pack", "--allow-override=receive-pack"),
        *("--forbid-override=upload-archive", "--log-destination=none"),
        str(closed),
    ]


def _make_upload_place(closed: Path) -> None:
    uploads = closed / git.UPLOADS
    if not uploads.exists():
        git.run(closed, "init", "--quiet", "--bare", "--template=", str(uploads))
        git.run(closed, f"--git-dir={uploads}", "config", "daemon.receivepack", "true")


def _admit(place: Place, logins: Sequence[Login]) -> None:
    for login in logins:
        session = closed_beside(place.files) / login.marker
        if session.is_dir():
            _make_upload_place(session)


def _offer(closed: Path, name: str, content: Content) -> Digest:
    (closed / "down").mkdir(mode=0o700, exist_ok=True)
    return git.offer(closed, name, content)


def _received(closed: Path, name: str) -> Digest | None:
    with suppress(OSError):  # a branch without that file, or none of git's
        return git.received(closed, name)
    return None


SHARED: Mapping[str, Shared] = {
    git.PROGRAM.name: Shared(
        prepare=_prepare,
        admit=_admit,
        shelf=Shelf(offer=_offer, received=_received, discard=git.discard),
        closed=True,
    )
}
