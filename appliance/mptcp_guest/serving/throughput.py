"""iperf3 as the measurement's throughput server; it serves one client at a time.

It makes its bytes itself, so a content has the form ``zeros`` here: only their number is known.
"""

from pathlib import Path

from mptcp_guest import messages, payload
from mptcp_guest.messages import Content, Digest
from mptcp_guest.serving.program import AS_USER, Place, Program
from mptcp_guest.serving.shelf import Shelf


def command(wanted: messages.ServiceWanted) -> list[str]:
    """Return how iperf3 is started in the foreground; PURE."""
    family = "-6" if ":" in wanted["address"] else "-4"  # else :: would be IPv4's addresses too
    where = (family, "--bind", wanted["address"], "--port", str(wanted["port"]))
    return [*AS_USER, "iperf3", "--server", "--forceflush", *where]


def _prepare(
    _: Place, wanted: messages.ServiceWanted, __: messages.ServicesStartArguments
) -> list[str]:
    return command(wanted)


def _offer(files: Path, name: str, content: Content) -> Digest:
    del files, name
    return payload.digest(content)


def _nothing(files: Path, name: str) -> None:
    del files, name


PROGRAM = Program(
    name="iperf3",
    tool="iperf3",
    package="iperf3",
    prepare=_prepare,
    shelf=Shelf(offer=_offer, received=_nothing, discard=_nothing),
)
