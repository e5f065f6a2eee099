"""Applications whose programs somebody's own box does not have: refused, or left out and said.

Who named applications wants them, and is told what to install.  Who named none wants what there
is, and is told what was left out.  Our own machines have everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mptcp_check.errors import PreflightError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.machines.box import PACKAGES
from mptcp_check.model import Exchange
from mptcp_guest.messages import HelloResult
from mptcp_guest.serving import PROGRAMS


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedApps:
    """The applications of a run."""

    names: tuple[str, ...]
    named: bool
    """The user named them; else all were meant that can run."""


def client_needs(apps: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the executables that each application needs at the client."""
    return {app: APPLICATIONS[app].tools for app in apps}


def server_needs(apps: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the executables that each application needs at the server."""
    tools = {app: PROGRAMS[APPLICATIONS[app].service].tool for app in apps}
    return {app: (tool,) if tool else () for app, tool in tools.items()}


def lacking(
    hello: HelloResult, needs: Mapping[str, Sequence[str]], *, name: str, named: bool
) -> dict[str, str]:
    """Return the applications that a box cannot run, each with the sentence about it; pure.

    Args:
        hello: What the box's agent said of itself.
        needs: Executables by application.
        name: Of the box.
        named: Whether the user named the applications.

    Raises:
        PreflightError: He did, and programs are missing; with what to install.
    """
    missing = {
        app: [tool for tool in needed if not hello["tools"].get(tool)]
        for app, needed in needs.items()
    }
    found = {app: tools for app, tools in missing.items() if tools}
    if not found:
        return {}
    tools = list(dict.fromkeys(tool for tools in found.values() for tool in tools))
    packages = " ".join(sorted({PACKAGES.get(tool, tool) for tool in tools}))
    install = f"on Debian: apt install {packages}"
    if named:
        raise PreflightError(
            f"{name} lacks {', '.join(tools)}, which {', '.join(found)} need"
            f"{'s' if len(found) == 1 else ''}",
            hint=install,
        )
    sentence = (
        f"{', '.join(found)} {'was' if len(found) == 1 else 'were'} left out:"
        f" {name} lacks {', '.join(tools)} ({install})"
    )
    return dict.fromkeys(found, sentence)


def runnable(planned: Sequence[Exchange], left_out: Mapping[str, str]) -> tuple[Exchange, ...]:
    """Return what of a plan can run; pure.

    Raises:
        PreflightError: Nothing can.
    """
    found = tuple(exchange for exchange in planned if exchange.app not in left_out)
    if not found:
        raise PreflightError(
            "no application can run", hint="; ".join(dict.fromkeys(left_out.values()))
        )
    return found
