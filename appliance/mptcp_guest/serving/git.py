"""git's own daemon (port 9418): a repository for each download, one for all uploads.

What is handed out under a name is the repository ``down/NAME.git`` with one file in one commit;
what is sent is the branch NAME of ``up.git``, which has no other content and never a hook.
"""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mptcp_guest import messages, payload
from mptcp_guest.lab import ENVIRONMENT
from mptcp_guest.messages import Content, Digest
from mptcp_guest.serving.program import USER, Place, Program
from mptcp_guest.serving.shelf import Shelf

CONTENT = "content"
"""The file in every repository."""

UPLOADS = "up.git"
PUSH_LIMIT_BYTES = 256 * 1024 * 1024
STEP_S = 30

SETTINGS = (
    # a push becomes single objects, which `discard` can remove one by one
    ("receive.unpackLimit", "1000000"),
    ("receive.maxInputSize", str(PUSH_LIMIT_BYTES)),
    ("receive.autogc", "false"),
    ("gc.auto", "0"),
    # random bytes do not compress
    ("core.compression", "0"),
    ("pack.window", "0"),
)


def command(files: Path, *, address: str, port: int) -> list[str]:
    """Return how the daemon is started; PURE."""
    return [
        *plain(files),
        *("daemon", "--reuseaddr", "--export-all", "--informative-errors"),
        *(f"--listen={address}", f"--port={port}", f"--user={USER}"),
        *("--timeout=60", "--init-timeout=20", "--max-connections=20"),
        f"--base-path={files}",
        "--enable=receive-pack",
        *("--forbid-override=upload-archive", "--verbose", "--log-destination=stderr"),
        # nothing outside of these
        *(f"{files}/down", f"{files}/{UPLOADS}"),
    ]


def stream(name: str, blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Give one commit with one file as ``git fast-import`` reads it; PURE."""
    who = "mptcp-check <nobody@mptcp-check.invalid> 0 +0000"
    yield f"blob\nmark :1\ndata {size}\n".encode()
    yield from blocks
    yield f"\ncommit refs/heads/{name}\ncommitter {who}\ndata 0\n\n".encode()
    yield f"M 100644 :1 {CONTENT}\n\ndone\n".encode()


def plain(files: Path) -> list[str]:
    """Return git with no settings but ours; PURE."""
    # a repository may belong to another user than who reads it: all of them are ours
    settings = (("safe.directory", "*"), *SETTINGS)
    words = chain.from_iterable(("-c", f"{name}={value}") for name, value in settings)
    return ["env", f"HOME={files}", "GIT_CONFIG_NOSYSTEM=1", "git", *words]


def run(files: Path, *words: str, given: bytes | None = None) -> bytes:
    """Run git beside the daemon and return what it wrote.

    Raises:
        OSError: It failed, with its words.
    """
    # the lab is not needed: nothing of this is on a network
    try:
        done = subprocess.run(  # noqa: S603 - lists that this agent wrote
            [*plain(files), *words],
            input=given,
            capture_output=True,
            timeout=STEP_S,
            check=True,
            env=ENVIRONMENT,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"git {words[0]} was not done in {STEP_S} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise OSError(f"git {' '.join(words)}: exit {error.returncode}: {said[:300]}") from error
    return done.stdout


def offer(files: Path, name: str, content: Content) -> Digest:
    """Make a repository with one commit."""
    repository = files / "down" / f"{name}.git"
    digest = payload.digest(content)
    run(files, "init", "--quiet", "--bare", f"--initial-branch={name}", str(repository))
    given = b"".join(stream(name, payload.blocks(content), digest["bytes"]))
    run(files, f"--git-dir={repository}", "fast-import", "--quiet", "--done", given=given)
    return digest


def received(files: Path, name: str) -> Digest | None:
    """Digest the content of a branch."""
    uploads = f"--git-dir={files / UPLOADS}"
    if not run(files, uploads, "for-each-ref", f"refs/heads/{name}"):
        return None
    place = f"refs/heads/{name}:{CONTENT}"
    # what was pushed may be much larger than its pack
    if int(run(files, uploads, "cat-file", "-s", place)) > PUSH_LIMIT_BYTES:
        return None
    found = run(files, uploads, "cat-file", "blob", place)
    return payload.digest_of(found)


def discard(files: Path, name: str) -> None:
    """Forget a repository and a branch."""
    shutil.rmtree(files / "down" / f"{name}.git", ignore_errors=True)
    uploads = f"--git-dir={files / UPLOADS}"
    if (files / UPLOADS).exists() and run(files, uploads, "for-each-ref", f"refs/heads/{name}"):
        run(files, uploads, "update-ref", "-d", f"refs/heads/{name}")
        run(files, uploads, "prune", "--expire=now")


def _prepare(
    place: Place, wanted: messages.ServiceWanted, _: messages.ServicesStartArguments
) -> list[str]:
    uploads = place.files / UPLOADS
    if not uploads.exists():
        run(place.files, "init", "--quiet", "--bare", "--template=", str(uploads))
        for path in (uploads, *uploads.rglob("*")):
            shutil.chown(path, USER, USER)
    return command(place.files, address=wanted["address"], port=wanted["port"])


PROGRAM = Program(
    name="git",
    tool="git",
    package="git",
    prepare=_prepare,
    shelf=Shelf(offer=offer, received=received, discard=discard),
)
