"""git: a clone and a push by git's own protocol (port 9418), which is neither http nor ssh."""

from mptcp_check.exchanges.application import Application, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

COPY = "copy"
CONTENT = "content"
"""The file in the repository."""

PLAIN = (
    *("git", "-c", "core.compression=0", "-c", "gc.auto=0", "-c", "advice.detachedHead=false"),
    *("-c", "user.name=mptcp-check", "-c", "user.email=nobody@mptcp-check.invalid"),
)


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    base = f"git://{target.host}:{exchange.port}{target.root}"
    if exchange.direction is Transfer.DOWNLOAD:
        return (
            (*PLAIN, "clone", "--quiet", f"{base}/down/{target.file}.git", COPY),
            ("mv", f"{COPY}/{CONTENT}", ARRIVED_FILE),
        )
    here = (*PLAIN, "-C", COPY)
    return (
        (*PLAIN, "init", "--quiet", COPY),
        ("cp", SENT_FILE, f"{COPY}/{CONTENT}"),
        (*here, "add", CONTENT),
        (*here, "commit", "--quiet", "--message", "an upload"),
        (*here, "push", "--quiet", f"{base}/up.git", f"HEAD:refs/heads/{target.file}"),
    )


APPLICATION = Application(
    name="git",
    title="Source code (git)",
    service="git",
    ports=(9418,),
    commands=commands,
    tools=("git",),
)
