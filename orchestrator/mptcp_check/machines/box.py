"""A Linux box that is somebody's own, this computer or another, with an agent that visits it.

The agent runs as process 1 of namespaces for processes and mounts: all that it starts ends with
it, and its names are seen by nobody.  It puts back what it changed when its line closes.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mptcp_check.errors import MptcpCheckError, PreflightError
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.measured_network import Answers
from mptcp_guest import tools
from mptcp_guest.messages import CaptureFile, HelloResult, SurveyResult
from mptcp_guest.serving import PROGRAMS

WORK = "/run/mptcp-check"
"""Parent of the agents' work directories: memory, root's, and gone with a reboot."""

OLDEST_PYTHON = (3, 11)
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")

TOOLS = ("ip", "ss", "nstat", "ethtool", "sysctl", "tcpdump", "mptcpize")
"""What any box needs, whichever applications run."""
PACKAGES: Mapping[str, str] = {
    **{tool: package for tool, (package, _) in tools.TOOLS.items()},
    **{program.tool: program.package for program in PROGRAMS.values() if program.tool},
}
"""Debian's, where they are not called like the tool."""

PROBE = (
    "import json,os,sys;"
    "print(json.dumps([os.getuid(),list(sys.version_info[:2]),sys.platform,"
    "os.path.isdir('/proc/sys/net/mptcp')]))"
)
"""What any Python says about the box it is on, before the agent is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box with an agent that answers."""

    name: str
    agent: Answers
    hello: HelloResult
    survey: SurveyResult
    reached_at: str
    """The address at which ssh reached it; empty for this computer."""

    def fetch(self, file: CaptureFile) -> bytes:
        """Bring a finished capture here, piece by piece over the agent's line."""
        content = bytearray()
        while len(content) < file["bytes"]:
            asked = {"interface": file["interface"], "offset_bytes": len(content)}
            part = base64.b64decode(self.agent.call("capture_fetch", asked)["base64"])
            if not part:
                break
            content += part
        return bytes(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What `PROBE` said."""

    user_id: int
    python: tuple[int, int]
    platform: str
    mptcp: bool


def read_probe(text: str, *, name: str) -> Probed:
    """Read what `PROBE` printed; pure.

    Raises:
        PreflightError: It is no answer of Python's.
    """
    try:
        said = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError, RecursionError):
        said = None
    match said:
        case [int(user_id), [int(major), int(minor), *_], str(platform), bool(mptcp)]:
            return Probed(user_id=user_id, python=(major, minor), platform=platform, mptcp=mptcp)
        case _:
            raise PreflightError(
                f"{name} answered {text[:80]!r} where Python was asked who it is",
                hint="its shell's startup files must not print anything",
            )


def require(probed: Probed, *, name: str) -> None:
    """Raise when the box cannot be used, with the reason; pure.

    Raises:
        PreflightError: Not Linux, no Multipath TCP, or a Python that is too old.
    """
    if probed.platform != "linux":
        raise PreflightError(
            f"{name} runs {probed.platform}, and its kernel has no Multipath TCP to measure with",
            hint="use --machine qemu, or a Linux box by --machine ssh:HOST",
        )
    if not probed.mptcp:
        raise PreflightError(
            f"the kernel of {name} has no Multipath TCP",
            hint="it needs Linux 5.6 or later with CONFIG_MPTCP (`sysctl net.mptcp.enabled`)",
        )
    if probed.python < OLDEST_PYTHON:
        has, needs = (".".join(map(str, v)) for v in (probed.python, OLDEST_PYTHON))
        raise PreflightError(f"{name} has Python {has}, the agent needs {needs}")


def agent_command(archive: str, *, python: str, as_root: bool, work_name: str) -> list[str]:
    """Return how an agent is started on a box; pure.

    Args:
        archive: Where the agent lies there.
        python: Which Python runs it.
        as_root: Whether the user is root already; else sudo must let him.
        work_name: Of its work directory.
    """
    rights = [] if as_root else ["sudo", "-n", "--"]
    how = ["--visits", "--work-directory", f"{WORK}/{work_name}"]
    return [*rights, *UNSHARE, python, "-I", archive, *how]


def greet(agent: Answers, *, name: str, reached_at: str) -> Box:
    """Ask a fresh agent who it is and what is around it.

    Raises:
        PreflightError: A program is missing on the box.
    """
    hello: HelloResult = agent.call("hello")
    missing = [tool for tool in TOOLS if not hello["tools"].get(tool)]
    if missing:
        packages = " ".join(sorted({PACKAGES.get(tool, tool) for tool in missing}))
        raise PreflightError(
            f"{name} lacks {', '.join(missing)}", hint=f"on Debian: apt install {packages}"
        )
    survey: SurveyResult = agent.call("survey")
    return Box(name=name, agent=agent, hello=hello, survey=survey, reached_at=reached_at)


class Translated:
    """An agent whose machine's failures are told as another kind: a server's, say."""

    def __init__(
        self, agent: Answers, translate: Callable[[MptcpCheckError], MptcpCheckError]
    ) -> None:
        self._agent = agent
        self._translate = translate

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask, and tell a failure of the machine as the other kind; a refusal stays one."""
        try:
            return self._agent.call(verb, arguments, within_s=within_s)
        except GuestError:
            raise
        except MptcpCheckError as e:
            raise self._translate(e) from None
